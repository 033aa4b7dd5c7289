/// One difference between two documents of a kind.
public struct ReferenceDifference: Sendable, Equatable {
    public enum Operation: String, Sendable {
        case add, remove, change
        /// The same entries in another order.
        case reorder
    }

    public let operation: Operation
    /// A JSON pointer whose first step is an entry's key, and whose further steps are keys, not positions: `/POTHOLE/service_name/fr`,
    /// `/POTHOLE/attributes/depth/required`.
    public let path: String
    public let before: JSONValue?
    public let after: JSONValue?

    public init(_ operation: Operation, _ path: String, before: JSONValue? = nil, after: JSONValue? = nil) {
        self.operation = operation
        self.path = path
        self.before = before
        self.after = after
    }

    /// - Parameters:
    ///   - old: nil when there is none yet.
    ///   - key: the member that names an entry; nil for a document that is one whole.
    public static func between(_ old: JSONValue?, _ new: JSONValue, key: String?) -> [ReferenceDifference] {
        var found: [ReferenceDifference] = []
        guard let old else {
            guard let key, let entries = new.array else { return [ReferenceDifference(.add, "", after: new)] }
            return entries.map { ReferenceDifference(.add, JSONPointer.step($0[key]?.string ?? ""), after: $0) }
        }
        compare(old, new, "", keys: [key].compactMap { $0 }, &found)
        return found
    }

    /// By what entries of inner lists are told apart.
    private static let innerKeys = ["code", "key", "id"]

    private static func compare(_ old: JSONValue, _ new: JSONValue, _ path: String, keys: [String], _ found: inout [ReferenceDifference]) {
        guard old != new else { return }
        switch (old, new) {
        case (.object(let before), .object(let after)):
            let byName = Dictionary(after.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
            let known = Set(before.map(\.name))
            for member in before {
                let place = path + JSONPointer.step(member.name)
                if let value = byName[member.name] {
                    compare(member.value, value, place, keys: innerKeys, &found)
                } else {
                    found.append(ReferenceDifference(.remove, place, before: member.value))
                }
            }
            for member in after where !known.contains(member.name) {
                found.append(ReferenceDifference(.add, path + JSONPointer.step(member.name), after: member.value))
            }
        case (.array(let before), .array(let after)):
            guard let key = keys.first(where: { key in isKeyed(before, by: key) && isKeyed(after, by: key) }) else {
                found.append(ReferenceDifference(.change, path, before: old, after: new))
                return
            }
            compareEntries(before, after, path, key, &found)
        default: found.append(ReferenceDifference(.change, path, before: old, after: new))
        }
    }

    private static func isKeyed(_ entries: [JSONValue], by key: String) -> Bool {
        let names = entries.compactMap { $0[key]?.string }
        return names.count == entries.count && Set(names).count == names.count
    }

    private static func compareEntries(
        _ before: [JSONValue], _ after: [JSONValue], _ path: String, _ key: String, _ found: inout [ReferenceDifference]
    ) {
        func name(_ entry: JSONValue) -> String { entry[key]?.string ?? "" }
        let byName = Dictionary(after.map { (name($0), $0) }, uniquingKeysWith: { first, _ in first })
        let known = Set(before.map(name))
        for entry in before {
            let place = path + JSONPointer.step(name(entry))
            if let value = byName[name(entry)] {
                compare(entry, value, place, keys: innerKeys, &found)
            } else {
                found.append(ReferenceDifference(.remove, place, before: entry))
            }
        }
        for entry in after where !known.contains(name(entry)) {
            found.append(ReferenceDifference(.add, path + JSONPointer.step(name(entry)), after: entry))
        }
        let kept = before.map(name).filter { byName[$0] != nil }
        if kept != after.map(name).filter({ known.contains($0) }) { found.append(ReferenceDifference(.reorder, path)) }
    }
}
