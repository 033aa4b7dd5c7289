/// The fields of a form as they came, whatever encoding carried them. An empty value counts as absent (GeoReport v2, "optional
/// arguments"), names are case-sensitive, order is kept.
public struct FormFields: Sendable, Equatable {
    private var pairs: [(name: String, value: String)]

    public init(_ pairs: [(name: String, value: String)] = []) { self.pairs = pairs }

    public static func == (left: FormFields, right: FormFields) -> Bool {
        left.pairs.elementsEqual(right.pairs) { $0.name == $1.name && $0.value == $1.value }
    }

    public mutating func append(name: String, value: String) { pairs.append((name, value)) }

    public var count: Int { pairs.count }

    /// Every field, empty ones too.
    public var all: [(name: String, value: String)] { pairs }

    /// The first non-empty value.
    public subscript(name: String) -> String? {
        for pair in pairs where pair.name == name && !pair.value.isEmpty { return pair.value }
        return nil
    }

    /// Every non-empty value, in order.
    public func values(_ name: String) -> [String] {
        pairs.compactMap { $0.name == name && !$0.value.isEmpty ? $0.value : nil }
    }

    /// These fields, completed by those of `other` whose names are missing here (a body wins over a query string).
    public func completed(by other: FormFields) -> FormFields {
        if other.pairs.isEmpty { return self }
        let own = Set(pairs.lazy.filter { !$0.value.isEmpty }.map(\.name))
        return FormFields(pairs + other.pairs.filter { !own.contains($0.name) })
    }

    /// The answers in `attribute[code]`, `attribute[code][]` and `attribute[code][0]`, in the order of first appearance; the
    /// code is what stands between the first `[` and the next `]`.
    public var answers: [Answer] {
        var order: [String] = []
        var values: [String: [String]] = [:]
        for (name, value) in pairs where !value.isEmpty {
            guard let code = Self.attributeCode(in: name) else { continue }
            if values[code] == nil { order.append(code) }
            values[code, default: []].append(value)
        }
        return order.map { Answer(code: $0, values: values[$0] ?? []) }
    }

    private static func attributeCode(in name: String) -> String? {
        let prefix = "attribute["
        guard name.hasPrefix(prefix) else { return nil }
        let rest = name.dropFirst(prefix.count)
        guard let end = rest.firstIndex(of: "]"), end != rest.startIndex else { return nil }
        return String(rest[..<end])
    }
}
