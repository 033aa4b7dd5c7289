/// A JSON value of the management API: an argument of a queue, a key of a policy.
public enum BrokerValue: Sendable, Hashable, Codable, CustomStringConvertible {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case list([BrokerValue])
    case table([String: BrokerValue])

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([BrokerValue].self) {
            self = .list(value)
        } else {
            self = .table(try container.decode([String: BrokerValue].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .text(let value): try container.encode(value)
        case .list(let value): try container.encode(value)
        case .table(let value): try container.encode(value)
        }
    }

    public var description: String {
        switch self {
        case .null: "null"
        case .bool(let value): String(value)
        case .integer(let value): String(value)
        case .number(let value): String(value)
        case .text(let value): value
        case .list(let value): "[" + value.map(\.description).joined(separator: ", ") + "]"
        case .table(let value): value.readable
        }
    }
}

extension BrokerValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    public init(stringLiteral value: String) { self = .text(value) }
    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

/// Named arguments, as queues, exchanges and policies have them.
public typealias BrokerArguments = [String: BrokerValue]

extension BrokerArguments {
    /// For people: `{max-length 200000, overflow reject-publish}`, in the order of names.
    var readable: String {
        "{" + sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ") + "}"
    }

    /// What is not as wanted, for people: `overflow is drop-head, wanted reject-publish`.
    func differences(from wanted: BrokerArguments) -> [String] {
        Set(keys).union(wanted.keys).sorted().compactMap { key in
            let found = self[key]
            guard let expected = wanted[key] else { return "\(key) is \(found?.description ?? "absent"), wanted none" }
            return found == expected ? nil : "\(key) is \(found?.description ?? "absent"), wanted \(expected)"
        }
    }
}
