/// Compares two AsyncAPI documents of the contract: what a CRM finds on the broker, and what is sent where.
///
/// What was published stays, with its value: an address, a binding, the arguments of a queue, the messages of a channel. More may come.
/// Words for people may change, and so may the numbers of policies, which are an installation's own (`x-o311-policy.definition`); its words
/// say what becomes of messages, and stay. Nor may a policy be given a word more: a limit where there was none drops what was kept.
/// A message may name a later minor version of its schema, one that is there: whether that breaks anybody is the schemas' own comparison.
public enum TopologyComparison {
    public static let file = "asyncapi.yaml"

    private static let sections = ["servers", "channels", "operations", "components"]
    private static let words: Set = ["title", "summary", "description", "tags", "externalDocs", "examples"]

    /// - Parameters:
    ///   - new: nil when the document is gone.
    ///   - isThere: whether a reference out of the document, as `schemas/service_request.created/1.2.json`, leads to a file.
    /// - Returns: one finding for each thing that is gone, has another value or is not there, in the order of their places.
    public static func findings(
        from old: BrokerValue, to new: BrokerValue?, isThere: (String) -> Bool
    ) -> [ContractFinding] {
        guard let new else {
            return [finding(.topologyRemoved, [], "the document is gone: vendors generate their connections from it")]
        }
        return sections.flatMap { compare(member($0, of: old), member($0, of: new), [$0]) } + missing(new, [], isThere)
    }

    /// References of the new document that lead nowhere, those of new messages too.
    private static func missing(_ value: BrokerValue, _ path: [String], _ isThere: (String) -> Bool) -> [ContractFinding] {
        switch value {
        case .table(let members):
            return members.sorted { $0.key < $1.key }.flatMap { missing($0.value, path + [$0.key], isThere) }
        case .list(let items): return items.enumerated().flatMap { missing($0.element, path + [String($0.offset)], isThere) }
        case .text(let reference) where path.last == "$ref" && !reference.hasPrefix("#") && !isThere(reference):
            return [finding(.referenceMissing, path, "\(reference) is not there: write it, or name one that is")]
        default: return []
        }
    }

    private static func compare(_ old: BrokerValue?, _ new: BrokerValue?, _ path: [String]) -> [ContractFinding] {
        guard let old else { return [] }
        guard let new else { return [finding(.topologyRemoved, path, "it was published, and is gone")] }
        switch (old, new) {
        case (.table(let before), .table(let after)):
            return before.keys.sorted().filter { name in
                // In a channel or a message these are words; one level above, a name that somebody chose.
                !(words.contains(name) && path.count > 1)
            }.flatMap { compare(before[$0], after[$0], path + [$0]) }
                + after.keys.filter { before[$0] == nil && isOfPolicy(path + [$0]) }.sorted().map {
                    finding(.topologyChanged, path + [$0], "a published queue had none: what it kept may be dropped now")
                }
        case (.list(let before), .list(let after)):
            return before.filter { !after.contains($0) }.map {
                finding(.topologyRemoved, path, "\($0) was in the list, and is gone")
            }
        case (.text(let before), .text(let after)) where path.last == "$ref" && isLaterMinor(after, than: before): return []
        case (.text(let before), .text(let after)) where isNumber(before, after, ofPolicyAt: path): return []
        default:
            return old == new ? [] : [finding(.topologyChanged, path, "it was \(old), and is \(new)")]
        }
    }

    /// A policy, or a word of its definition.
    private static func isOfPolicy(_ path: [String]) -> Bool {
        path.last == "x-o311-policy" || path.dropLast().last == "x-o311-policy"
            || path.suffix(3).starts(with: ["x-o311-policy", "definition"])
    }

    private static func isNumber(_ before: String, _ after: String, ofPolicyAt path: [String]) -> Bool {
        path.suffix(3).starts(with: ["x-o311-policy", "definition"]) && Double(before) != nil && Double(after) != nil
    }

    /// `schemas/service_request.created/1.2.json` beside `schemas/service_request.created/1.1.json`.
    private static func isLaterMinor(_ new: String, than old: String) -> Bool {
        guard let (oldFolder, old) = schema(old), let (newFolder, new) = schema(new) else { return false }
        return newFolder == oldFolder && new.major == old.major && new.minor >= old.minor
    }

    private static func schema(_ reference: String) -> (folder: Substring, version: ContractFolder.Version)? {
        guard reference.hasSuffix(".json"), let slash = reference.lastIndex(of: "/"),
            let version = ContractFolder.Version(parsing: String(reference[reference.index(after: slash)...].dropLast(5)))
        else { return nil }
        return (reference[..<slash], version)
    }

    private static func member(_ name: String, of value: BrokerValue) -> BrokerValue? {
        if case .table(let members) = value { members[name] } else { nil }
    }

    private static func finding(_ rule: ContractFinding.Rule, _ path: [String], _ why: String) -> ContractFinding {
        ContractFinding(
            type: file, version: "", rule: rule,
            path: "/" + path.map { $0.replacing("~", with: "~0").replacing("/", with: "~1") }.joined(separator: "/"), why: why)
    }
}
