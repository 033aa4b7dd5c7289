/// A tenant's status mapping as a document: `[{"code": "EC", "status": "IN_PROCESS", "status_notes": "Une équipe est en route"}, …]`, or
/// the same as the member `codes` of an object.
public enum StatusMappingRules: ReferenceRules {
    public static func check(_ value: JSONValue, of tenant: Tenant) throws(ReferenceFaults) -> CheckedReference {
        CheckedReference(value: document(try mapping(value)))
    }

    public static var table: (@Sendable (Table, Tenant) throws(ReferenceFaults) -> PlacedTree)? {
        { (table: Table, tenant: Tenant) throws(ReferenceFaults) in try StatusMappingTable.tree(table, language: tenant.language) }
    }

    public static func csv(_ document: JSONValue) -> [UInt8]? { StatusMappingTable.csv(document) }

    /// - Throws: ``ReferenceFaults`` with every fault of the document.
    public static func mapping(_ value: JSONValue) throws(ReferenceFaults) -> StatusMapping {
        let base = value["codes"] == nil ? "" : "/codes"
        guard let list = (value["codes"] ?? value).array else {
            throw ReferenceFaults([ReferenceFault(base, "A mapping is an array of objects with code and status.")])
        }
        guard list.count <= StatusMapping.maximumCount else {
            throw ReferenceFaults([
                ReferenceFault(base, "A mapping has \(StatusMapping.maximumCount) codes at most; this has \(list.count).")
            ])
        }
        var faults: [ReferenceFault] = []
        var entries: [StatusMapping.Entry] = []
        var places: [String: Int] = [:]
        for (index, item) in list.enumerated() {
            var reader = EntryReader(place: base + JSONPointer.step(index), item: item)
            let entry = reader.entry()
            if let code = reader.code {
                if let first = places[StatusMapping.folded(code)] {
                    reader.refuse("/code", "code \(code) is the same as that of entry \(first + 1): case makes no difference.")
                } else {
                    places[StatusMapping.folded(code)] = index
                }
            }
            faults += reader.faults
            if let entry { entries.append(entry) }
        }
        guard faults.isEmpty else { throw ReferenceFaults(faults) }
        return StatusMapping(entries)
    }

    /// The canonical form.
    public static func document(_ mapping: StatusMapping) -> JSONValue {
        .array(
            mapping.entries.map { entry in
                .object(
                    [.init("code", .string(entry.code)), .init("status", .string(entry.status.description))]
                        + (entry.statusNotes.map { [.init("status_notes", .string($0))] } ?? []))
            })
    }
}

/// One entry of a document, with everything that is wrong with it.
private struct EntryReader {
    let place: String
    let item: JSONValue
    private(set) var faults: [ReferenceFault] = []
    /// When it can be read.
    private(set) var code: String?

    init(place: String, item: JSONValue) {
        self.place = place
        self.item = item
    }

    mutating func refuse(_ member: String, _ text: String) { faults.append(ReferenceFault(place + member, text)) }

    mutating func entry() -> StatusMapping.Entry? {
        guard let members = item.object else {
            refuse("", "An entry is an object with code and status; this is \(item.kindName).")
            return nil
        }
        for member in members where !["code", "status", "status_notes"].contains(member.name) {
            refuse(JSONPointer.step(String(member.name.prefix(64))), "There is no such member: an entry has code, status and status_notes.")
        }
        code = text("code", maximum: StatusMapping.maximumCode, isRequired: true)
        let notes = text("status_notes", maximum: StatusMapping.maximumNotes, isRequired: false)
        guard let word = text("status", maximum: 600, isRequired: true) else { return nil }
        do {
            let status = try StatusUpdate.RequestedStatus(validating: word).resolved(from: DetailedStatus(.received))
            return code.map { StatusMapping.Entry(code: $0, status: status, statusNotes: notes) }
        } catch {
            refuse("/status", "\(error).")
            return nil
        }
    }

    private mutating func text(_ name: String, maximum: Int, isRequired: Bool) -> String? {
        let value = item[name] ?? .null
        guard value != .null else {
            if isRequired { refuse("/\(name)", "\(name) is missing.") }
            return nil
        }
        guard let text = value.string else {
            refuse("/\(name)", "\(name) must be a string; this is \(value.kindName).")
            return nil
        }
        let clean = name == "status_notes" ? CleanText.withoutControls(text) : CleanText.singleSpaced(text)
        guard !CleanText.isLonger(clean, than: maximum) else {
            refuse("/\(name)", "\(name) is too long: \(maximum) characters at most.")
            return nil
        }
        if clean.isEmpty, isRequired { refuse("/\(name)", "\(name) is empty.") }
        return clean.isEmpty ? nil : clean
    }
}
