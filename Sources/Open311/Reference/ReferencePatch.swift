/// Changes part of a document: JSON Merge Patch (RFC 7396), where an object that meets a list of entries changes them by their keys:
/// null takes one out, a key that is not there adds one.
public enum ReferencePatch {
    /// Lists inside of entries whose own entries have a key, by the member that holds them.
    public static let innerKeys = ["attributes": "code", "values": "key"]

    /// - Parameters:
    ///   - target: nil or null where there is nothing yet.
    ///   - key: the member that names an entry, when `target` is a list of entries; nil for a document that is one whole.
    public static func merge(_ target: JSONValue?, with patch: JSONValue, key: String?) -> JSONValue {
        guard case .object(let changes) = patch else { return patch }
        if let key, target?.object == nil { return .array(entries(target?.array ?? [], changes, key)) }
        var members = target?.object ?? []
        var places = Dictionary(members.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        var removed: Set<String> = []
        for change in changes {
            if change.value == .null {
                removed.insert(change.name)
                continue
            }
            let before = places[change.name].map { members[$0].value }
            let value = merge(before, with: change.value, key: innerKeys[change.name])
            if let place = places[change.name] {
                members[place].value = value
            } else {
                places[change.name] = members.count
                members.append(.init(change.name, value))
            }
        }
        return .object(removed.isEmpty ? members : members.filter { !removed.contains($0.name) })
    }

    /// What a part calls each entry of the list that it makes of another, in their order; nil for one without a key that it does not
    /// touch.
    static func names(in list: [JSONValue], changedBy changes: [JSONValue.Member], key: String) -> [String?] {
        var names = list.map { $0[key]?.string }
        var places: [String: Int] = [:]
        for (index, name) in names.enumerated() { if let name { places[name] = index } }
        var removed: Set<Int> = []
        for change in changes {
            if change.value == .null {
                if let place = places[change.name] { removed.insert(place) }
            } else if places[change.name] == nil {
                places[change.name] = names.count
                names.append(change.name)
            }
        }
        return removed.isEmpty ? names : names.enumerated().filter { !removed.contains($0.offset) }.map(\.element)
    }

    private static func entries(_ list: [JSONValue], _ changes: [JSONValue.Member], _ key: String) -> [JSONValue] {
        var list = list
        var places: [String: Int] = [:]
        for (index, entry) in list.enumerated() { if let name = entry[key]?.string { places[name] = index } }
        var removed: Set<Int> = []
        for change in changes {
            if change.value == .null {
                if let place = places[change.name] { removed.insert(place) }
                continue
            }
            let place = places[change.name]
            var entry = merge(place.map { list[$0] }, with: change.value, key: nil)
            // The key names the entry, whatever else is said inside of it is looked at by the kind's rules.
            if case .object(let members) = entry, entry[key] == nil { entry = .object([.init(key, .string(change.name))] + members) }
            if let place {
                list[place] = entry
            } else {
                places[change.name] = list.count
                list.append(entry)
            }
        }
        return list.enumerated().filter { !removed.contains($0.offset) }.map(\.element)
    }
}
