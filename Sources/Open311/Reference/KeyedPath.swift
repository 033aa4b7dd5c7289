/// Finds what a JSON pointer into a document means by keys in place of positions, as parts and tables name it: `/3/attributes/0/code` is
/// `/POTHOLE/attributes/depth/code`. Where a part made the document, an entry has the name that it has in the part, whatever key the part
/// gave it.
struct KeyedPath {
    /// A list of entries, or one of them, as it stands in the document, in the part, and in what the part changed.
    private struct Place {
        var document: JSONValue?
        var part: JSONValue?
        var live: JSONValue?
    }

    private let key: String
    private let part: JSONValue?
    /// Of a part: the document's entries by position, and what there is of each of them by name.
    private let names: [String?]
    private let sent: [String: JSONValue]
    private let held: [String: JSONValue]

    /// - Parameters:
    ///   - key: the member that names an entry of the document.
    ///   - part: that made the document, where one did.
    ///   - live: what it changed.
    init(key: String, part: JSONValue? = nil, live: JSONValue? = nil) {
        self.key = key
        self.part = part
        let (changes, entries) = (part?.object ?? [], live?.array ?? [])
        names = part == nil ? [] : ReferencePatch.names(in: entries, changedBy: changes, key: key)
        sent = Dictionary(changes.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        held = Dictionary(entries.compactMap { entry in entry[key]?.string.map { ($0, entry) } }, uniquingKeysWith: { first, _ in first })
    }

    func path(_ pointer: String, in document: JSONValue) -> String {
        var place = Place(document: document, part: part)
        var entryKey: String? = key
        var path = ""
        for (depth, step) in pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init).enumerated() {
            if let entries = place.document?.array, let index = Int(step), entries.indices.contains(index) {
                let entry = entries[index]
                if let entryKey, let name = depth == 0 ? outer(index, entry) : Self.inner(index, entry, place, entryKey) {
                    path += JSONPointer.step(name)
                    place.part = depth == 0 ? sent[name] : place.part?[name]
                    place.live = depth == 0 ? held[name] : place.live?.array?.first { $0[entryKey]?.string == name }
                } else {
                    path += "/\(step)"
                    place.part = nil
                }
                place.document = entry
                entryKey = nil
            } else {
                let name = step.replacing("~1", with: "/").replacing("~0", with: "~")
                path += "/\(step)"
                place = Place(document: place.document?[name], part: place.part?[name], live: place.live?[name])
                // A list that was sent as one, in place of another, is named by positions.
                entryKey = place.part?.array == nil ? ReferencePatch.innerKeys[name] : nil
            }
        }
        return path
    }

    private func outer(_ index: Int, _ entry: JSONValue) -> String? {
        names.indices.contains(index) ? names[index] : entry[key]?.string
    }

    private static func inner(_ index: Int, _ entry: JSONValue, _ place: Place, _ key: String) -> String? {
        guard let changes = place.part?.object else { return entry[key]?.string }
        let names = ReferencePatch.names(in: place.live?.array ?? [], changedBy: changes, key: key)
        return names.indices.contains(index) ? names[index] : entry[key]?.string
    }
}
