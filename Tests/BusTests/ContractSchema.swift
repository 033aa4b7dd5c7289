import Bus
import Foundation

/// A JSON Schema of docs/contract, as far as ours use the language: a keyword not known here is a fault, never ignored.
struct ContractSchema {
    private let root: BrokerValue

    /// - Parameter path: below docs/contract, as in `schemas/service_request.created/1.0.json`.
    init(_ path: String) throws { root = try Contract.read(path) }

    init(_ root: BrokerValue) { self.root = root }

    /// What is wrong with a value, each fault with its place; empty when it is valid.
    func faults(in value: BrokerValue) -> [String] { Self.check(value, against: root, at: "$") }

    private static func check(_ value: BrokerValue, against schema: BrokerValue, at place: String) -> [String] {
        guard case .table(let keywords) = schema else { return ["\(place): the schema is not an object"] }
        return keywords.sorted { $0.key < $1.key }.flatMap { keyword, rule in
            check(value, keyword: keyword, rule, of: keywords, at: place)
        }
    }

    private static func check(
        _ value: BrokerValue,
        keyword: String,
        _ rule: BrokerValue,
        of keywords: BrokerArguments,
        at place: String
    ) -> [String] {
        func fault(unless holds: Bool?) -> [String] { holds ?? true ? [] : ["\(place): breaks \(keyword) \(rule)"] }
        switch (keyword, rule) {
        case ("$schema", _), ("title", _), ("description", _), ("format", .text("date-time")), ("x-o311-direction", _),
            ("x-o311-open", _):
            return []
        case ("type", .text(let type)): return fault(unless: value.isOf(type))
        case ("type", .list(let types)): return fault(unless: types.contains { value.isOf($0.description) })
        case ("const", _): return fault(unless: value == rule)
        case ("enum", .list(let values)): return fault(unless: values.contains(value))
        case ("pattern", .text(let pattern)):
            guard let regex = try? Regex(pattern) else { return ["\(place): the pattern \(pattern) is not a regular expression"] }
            return fault(unless: value.text.map { $0.contains(regex) })
        case ("minLength", .integer(let limit)): return fault(unless: value.text.map { $0.unicodeScalars.count >= limit })
        case ("maxLength", .integer(let limit)): return fault(unless: value.text.map { $0.unicodeScalars.count <= limit })
        case ("minimum", .integer(let limit)): return fault(unless: value.double.map { $0 >= Double(limit) })
        case ("maximum", .integer(let limit)): return fault(unless: value.double.map { $0 <= Double(limit) })
        case ("maxItems", .integer(let limit)): return fault(unless: value.list.map { $0.count <= limit })
        case ("minItems", .integer(let limit)): return fault(unless: value.list.map { $0.count >= limit })
        case ("items", _):
            return (value.list ?? []).enumerated().flatMap { check($1, against: rule, at: "\(place)[\($0)]") }
        case ("required", .list(let names)):
            return fault(unless: value.table.map { table in names.allSatisfy { table[$0.description] != nil } })
        case ("dependentRequired", .table(let rules)):
            return fault(
                unless: value.table.map { table in
                    rules.allSatisfy { name, others in
                        table[name] == nil || (others.list ?? []).allSatisfy { table[$0.description] != nil }
                    }
                }
            )
        case ("properties", .table(let properties)):
            return (value.table ?? [:]).sorted { $0.key < $1.key }.flatMap { name, inner in
                properties[name].map { check(inner, against: $0, at: "\(place).\(name)") } ?? []
            }
        case ("additionalProperties", .bool(false)):
            let known = keywords["properties"]?.table ?? [:]
            return (value.table ?? [:]).keys.sorted().filter { known[$0] == nil }.map { "\(place): has \($0), which is not allowed" }
        default: return ["\(place): the schema's \(keyword) is not known to this test"]
        }
    }
}

/// The files of docs/contract.
enum Contract {
    private static let folder = URL(filePath: #filePath).appending(path: "../../../docs/contract").standardizedFileURL

    static func read(_ path: String) throws -> BrokerValue {
        try JSONDecoder().decode(BrokerValue.self, from: Data(contentsOf: folder.appending(path: path)))
    }

    /// The names of the files in a folder of it.
    static func list(_ path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: path).path).sorted()
    }
}

extension BrokerValue {
    fileprivate func isOf(_ type: String) -> Bool {
        switch (self, type) {
        case (.null, "null"), (.bool, "boolean"), (.integer, "integer"), (.integer, "number"), (.number, "number"), (.text, "string"),
            (.list, "array"), (.table, "object"):
            true
        default: false
        }
    }

    fileprivate var text: String? { if case .text(let text) = self { text } else { nil } }
    fileprivate var list: [BrokerValue]? { if case .list(let list) = self { list } else { nil } }

    fileprivate var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    var table: BrokerArguments? { if case .table(let table) = self { table } else { nil } }
}
