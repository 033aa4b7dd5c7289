/// Finds what in a JSON Schema would hurt those who rely on an earlier one (docs/contract/evolution.md).
///
/// Outbound, the new schema may describe fewer messages than the old one, or messages with more fields; inbound, it may take more.
/// What cannot be judged, as whether one pattern holds another, counts as breaking.
public struct SchemaComparison {
    private let type: String
    private let version: String
    private let direction: ContractDirection
    private var findings: [ContractFinding] = []

    /// Everything that breaks, in the order of paths.
    public static func findings(
        from old: BrokerValue, to new: BrokerValue, type: String, version: String, direction: ContractDirection
    ) -> [ContractFinding] {
        var comparison = SchemaComparison(type: type, version: version, direction: direction)
        comparison.compare(old, new, "")
        return comparison.findings
    }

    private init(type: String, version: String, direction: ContractDirection) {
        self.type = type
        self.version = version
        self.direction = direction
    }

    /// Words for people, and the marks that this comparison reads by itself.
    private static let silent: Set<String> = [
        "$schema", "$comment", "$id", "title", "description", "examples", "default", "deprecated", "x-o311-direction", "x-o311-open",
    ]
    /// The greatest of something; the others of ``lower`` the least.
    private static let upper: Set<String> = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"]
    private static let lower: Set<String> = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"]

    private var isOutbound: Bool { direction == .outbound }

    private mutating func find(_ rule: ContractFinding.Rule, _ path: String, _ why: String) {
        findings.append(ContractFinding(type: type, version: version, rule: rule, path: path.isEmpty ? "/" : path, why: why))
    }

    private mutating func compare(_ old: BrokerValue, _ new: BrokerValue, _ path: String) {
        guard old != new else { return }
        guard case .table(let was) = old, case .table(let is_) = new else {
            return find(.notUnderstood, path, "a schema that is no object cannot be compared")
        }
        for keyword in Set(was.keys).union(is_.keys).sorted() where !Self.silent.contains(keyword) && was[keyword] != is_[keyword] {
            compare(keyword, was, is_, path)
        }
        if isOutbound, was["x-o311-open"] != true, is_["x-o311-open"] == true {
            find(.enumChanged, path, "values that are not listed may come now: consumers were promised that the list is whole")
        }
    }

    private mutating func compare(_ keyword: String, _ was: BrokerArguments, _ now: BrokerArguments, _ path: String) {
        let place = "\(path)/\(keyword)"
        let (old, new) = (was[keyword], now[keyword])
        switch keyword {
        case "properties": properties(old, new, path)
        case "required": required(old, new, place)
        case "type": types(old, new, place)
        case "enum": values(old, new, isOpen: was["x-o311-open"] == true && now["x-o311-open"] == true, place)
        case "const": const(old, new, place)
        case "pattern": text(.patternChanged, "pattern", old, new, place)
        case "format": text(.formatChanged, "format", old, new, place)
        case "dependentRequired": dependencies(old, new, place)
        case "additionalProperties":
            find(.opennessChanged, place, "whether unknown fields are welcome is what lets the contract grow: it never changes")
        case "items": items(old, new, place)
        case _ where Self.upper.contains(keyword): bound(old, new, isUpper: true, place)
        case _ where Self.lower.contains(keyword): bound(old, new, isUpper: false, place)
        default: find(.notUnderstood, place, "this keyword is not judged by the check: take it out, or teach the check")
        }
    }

    // MARK: Objects and lists

    private mutating func properties(_ old: BrokerValue?, _ new: BrokerValue?, _ path: String) {
        let (was, now) = (old?.members ?? [:], new?.members ?? [:])
        for (name, schema) in was.sorted(by: { $0.key < $1.key }) {
            let place = "\(path)/properties/\(Self.escaped(name))"
            if let later = now[name] {
                compare(schema, later, place)
            } else {
                find(
                    .propertyRemoved, place,
                    isOutbound
                        ? "consumers read \(name): removed or renamed, it is missing there" : "producers send \(name): it would be ignored")
            }
        }
    }

    /// `~` and `/` as JSON pointers write them.
    private static func escaped(_ name: String) -> String { name.replacing("~", with: "~0").replacing("/", with: "~1") }

    private mutating func required(_ old: BrokerValue?, _ new: BrokerValue?, _ place: String) {
        let (was, now) = (old?.words ?? [], new?.words ?? [])
        for name in was.subtracting(now).sorted() where isOutbound {
            find(.requiredRemoved, place, "\(name) was always there, and consumers rely on it")
        }
        for name in now.subtracting(was).sorted() where !isOutbound {
            find(.requiredAdded, place, "\(name) became required, and producers of today do not send it")
        }
    }

    private mutating func dependencies(_ old: BrokerValue?, _ new: BrokerValue?, _ place: String) {
        let (was, now) = (old?.members ?? [:], new?.members ?? [:])
        for name in Set(was.keys).union(now.keys).sorted() {
            let (before, after) = (was[name]?.words ?? [], now[name]?.words ?? [])
            let missing = isOutbound ? before.subtracting(after) : after.subtracting(before)
            for other in missing.sorted() {
                find(
                    .dependencyChanged, place,
                    isOutbound
                        ? "\(other) came whenever \(name) did" : "\(other) must come with \(name) now, and producers of today send it alone"
                )
            }
        }
    }

    private mutating func items(_ old: BrokerValue?, _ new: BrokerValue?, _ place: String) {
        switch (old, new) {
        case (let old?, let new?): compare(old, new, place)
        case (_?, nil) where isOutbound: find(.itemsChanged, place, "anything may stand in the list now")
        case (nil, _?) where !isOutbound: find(.itemsChanged, place, "not everything is taken in the list any more")
        default: break
        }
    }

    // MARK: Values

    /// Nil stands for every type.
    private mutating func types(_ old: BrokerValue?, _ new: BrokerValue?, _ place: String) {
        let (was, now) = (old?.types, new?.types)
        let (narrow, wide) = isOutbound ? (now, was) : (was, now)
        guard let wide else { return }
        let added = (narrow ?? ["anything"]).subtracting(wide).filter { $0 != "integer" || !wide.contains("number") }
        guard !added.isEmpty else { return }
        let names = added.sorted().joined(separator: ", ")
        find(.typeChanged, place, isOutbound ? "\(names) may come now, which consumers do not expect" : "\(names) is not taken any more")
    }

    private mutating func values(_ old: BrokerValue?, _ new: BrokerValue?, isOpen: Bool, _ place: String) {
        let (was, now) = (old?.elements, new?.elements)
        if isOutbound, isOpen { return }
        let (narrow, wide) = isOutbound ? (now, was) : (was, now)
        guard let wide else { return }
        guard let narrow else {
            return find(
                .enumChanged, place, isOutbound ? "any value may come now" : "only the listed values are taken now")
        }
        let added = narrow.filter { !wide.contains($0) }
        guard !added.isEmpty else { return }
        let names = added.map(\.description).joined(separator: ", ")
        find(
            .enumChanged, place,
            isOutbound ? "\(names) may come now, and the list was not marked open" : "\(names) is not taken any more")
    }

    private mutating func const(_ old: BrokerValue?, _ new: BrokerValue?, _ place: String) {
        if old == nil, isOutbound { return }
        if new == nil, !isOutbound { return }
        find(.constChanged, place, "the value was \(old?.description ?? "free") and is \(new?.description ?? "free")")
    }

    /// A pattern or a format: whether another one is narrower cannot be told.
    private mutating func text(
        _ rule: ContractFinding.Rule, _ name: String, _ old: BrokerValue?, _ new: BrokerValue?, _ place: String
    ) {
        if old == nil, isOutbound { return }
        if new == nil, !isOutbound { return }
        find(
            rule, place,
            new == nil
                ? "texts without this \(name) may come now"
                : old == nil
                    ? "texts without this \(name) are not taken any more" : "whether another \(name) holds the old one cannot be told")
    }

    private mutating func bound(_ old: BrokerValue?, _ new: BrokerValue?, isUpper: Bool, _ place: String) {
        let (was, now) = (old?.amount, new?.amount)
        guard old == nil || was != nil, new == nil || now != nil else { return find(.notUnderstood, place, "a bound must be a number") }
        let unbounded = isUpper ? Double.infinity : -.infinity
        let grows = isUpper ? (now ?? unbounded) > (was ?? unbounded) : (now ?? unbounded) < (was ?? unbounded)
        guard grows == isOutbound else { return }
        find(
            .boundChanged, place,
            "was \(old?.description ?? "unbounded"), is \(new?.description ?? "unbounded"): "
                + (isOutbound ? "consumers' columns may be too small for what comes" : "what was sent by the old one is not taken any more")
        )
    }
}

extension BrokerValue {
    fileprivate var members: BrokerArguments? { if case .table(let members) = self { members } else { nil } }
    fileprivate var elements: [BrokerValue]? { if case .list(let elements) = self { elements } else { nil } }
    fileprivate var words: Set<String> { Set((elements ?? []).map(\.description)) }

    /// The types that a schema's `type` names.
    fileprivate var types: Set<String>? {
        switch self {
        case .text(let name): [name]
        case .list: words
        default: nil
        }
    }

    fileprivate var amount: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
}
