import Open311

/// One field of a tenant's file: how it is read, checked, written, compared and described. The table of all of them is
/// ``TenantFileField/all``.
struct TenantFileField: Sendable {
    /// What is wrong with a value, and the line when it is not the value's first.
    struct Problem: Error {
        let text: String
        var line: Int?
    }

    /// As in `limits.connections`.
    let path: String
    /// A sentence for people, in editors and in the guide.
    let summary: String
    /// JSON Schema of the value, without the summary.
    let schema: [FileValue.Member]
    var isRequired = false
    let read: @Sendable (YAMLNode, inout TenantFile) throws(Problem) -> Void
    /// Nil when there is nothing to write.
    let value: @Sendable (TenantFile) -> FileValue?

    var isMandatory: TenantFileField {
        var copy = self
        copy.isRequired = true
        return copy
    }
}

/// A path into the file that may be handed to other threads.
typealias FilePath<Value> = any WritableKeyPath<TenantFile, Value> & Sendable

extension TenantFileField {
    /// A text that keeps its rule in a type; nil stands for "not said" where the type allows it.
    static func text<Value: Sendable>(
        _ path: String, _ summary: String, _ target: FilePath<Value>, pattern: String? = nil, maximum: Int = 200,
        parse: @escaping @Sendable (String) throws(Problem) -> Value, write: @escaping @Sendable (Value) -> String?
    ) -> TenantFileField {
        TenantFileField(
            path: path, summary: summary,
            schema: [.init("type", .text("string"))] + (pattern.map { [.init("pattern", .text($0))] } ?? [])
                + [.init("maxLength", .number(maximum))],
            read: { (node, file) throws(Problem) in file[keyPath: target] = try parse(try node.text(maximum: maximum)) },
            value: { file in write(file[keyPath: target]).map { .text($0) } })
    }

    /// A text without a rule but its length.
    static func text(_ path: String, _ summary: String, _ target: FilePath<String>, maximum: Int = 200) -> TenantFileField {
        text(path, summary, target, maximum: maximum, parse: { $0 }, write: { $0 })
    }

    static func texts<Value: Sendable>(
        _ path: String, _ summary: String, _ target: FilePath<[Value]>, count: ClosedRange<Int>, repeats: Bool = false,
        parse: @escaping @Sendable (String) throws(Problem) -> Value, write: @escaping @Sendable (Value) -> String
    ) -> TenantFileField where Value: Hashable {
        TenantFileField(
            path: path, summary: summary, schema: listSchema(count, repeats: repeats),
            read: { (node, file) throws(Problem) in
                file[keyPath: target] = try list(node, path, count, repeats: repeats, parse, write, &file)
            },
            value: { file in .list(file[keyPath: target].map { .text(write($0)) }) })
    }

    /// A list that need not be said.
    ///
    /// - Parameter order: in which it is kept, when its own says nothing.
    static func texts<Value: Sendable>(
        _ path: String, _ summary: String, _ target: FilePath<[Value]?>, count: ClosedRange<Int>,
        parse: @escaping @Sendable (String) throws(Problem) -> Value, write: @escaping @Sendable (Value) -> String,
        order: @escaping @Sendable ([Value]) -> [Value] = { $0 }
    ) -> TenantFileField where Value: Hashable {
        TenantFileField(
            path: path, summary: summary, schema: listSchema(count, repeats: false),
            read: { (node, file) throws(Problem) in
                file[keyPath: target] = order(try list(node, path, count, repeats: false, parse, write, &file))
            },
            value: { file in file[keyPath: target].map { .list($0.map { .text(write($0)) }) } })
    }

    private static func listSchema(_ count: ClosedRange<Int>, repeats: Bool) -> [FileValue.Member] {
        [
            .init("type", .text("array")), .init("items", .object([.init("type", .text("string"))])),
            .init("minItems", .number(count.lowerBound)), .init("maxItems", .number(count.upperBound)),
            .init("uniqueItems", .flag(!repeats)),
        ]
    }

    /// Where each entry stands is kept, too, under the path and its number.
    private static func list<Value: Hashable>(
        _ node: YAMLNode, _ path: String, _ count: ClosedRange<Int>, repeats: Bool, _ parse: (String) throws(Problem) -> Value,
        _ write: (Value) -> String, _ file: inout TenantFile
    ) throws(Problem) -> [Value] {
        guard case .sequence(let items) = node.content else {
            throw Problem(text: "must be a list, as in [\(node.shownText ?? "a"), …]")
        }
        guard count.contains(items.count) else {
            throw Problem(text: "must have \(count.lowerBound) to \(count.upperBound) entries, not \(items.count)")
        }
        var values: [Value] = []
        for (index, item) in items.enumerated() {
            file.stands("\(path).\(index)", at: item.line)
            do throws(Problem) {
                let value = try parse(try item.text(maximum: 255))
                guard repeats || !values.contains(value) else { throw Problem(text: "\(write(value)) stands in the list twice") }
                values.append(value)
            } catch {
                throw Problem(text: error.text, line: error.line ?? item.line)
            }
        }
        return values
    }

    static func flag(_ path: String, _ summary: String, _ target: FilePath<Bool>) -> TenantFileField {
        TenantFileField(
            path: path, summary: summary, schema: [.init("type", .text("boolean"))],
            read: { (node, file) throws(Problem) in file[keyPath: target] = try node.flag() },
            value: { .flag($0[keyPath: target]) })
    }

    /// One of some words, each for a value.
    static func choice<Value: Sendable & Equatable>(
        _ path: String, _ summary: String, _ target: FilePath<Value>, _ choices: [(word: String, value: Value)]
    ) -> TenantFileField {
        TenantFileField(
            path: path, summary: summary, schema: [.init("enum", .list(choices.map { .text($0.word) }))],
            read: { (node, file) throws(Problem) in
                let text = try node.text(maximum: 60)
                guard let chosen = choices.first(where: { $0.word == text }) else {
                    throw Problem(text: "must be \(choices.map(\.word).joined(separator: " or ")), not \(YAMLReader.shown(text))")
                }
                file[keyPath: target] = chosen.value
            },
            value: { file in choices.first { $0.value == file[keyPath: target] }.map { .text($0.word) } })
    }

    static func number(_ path: String, _ summary: String, _ target: FilePath<Int>, in range: ClosedRange<Int>) -> TenantFileField {
        TenantFileField(
            path: path, summary: summary, schema: numberSchema(range),
            read: { (node, file) throws(Problem) in file[keyPath: target] = try node.number(in: range) },
            value: { .number($0[keyPath: target]) })
    }

    /// A number that need not be said.
    static func number(_ path: String, _ summary: String, _ target: FilePath<Int?>, in range: ClosedRange<Int>) -> TenantFileField {
        TenantFileField(
            path: path, summary: summary, schema: numberSchema(range),
            read: { (node, file) throws(Problem) in file[keyPath: target] = try node.number(in: range) },
            value: { $0[keyPath: target].map { .number($0) } })
    }

    /// Bytes, as in `512MiB`, that need not be said.
    static func size(_ path: String, _ summary: String, _ target: FilePath<Int?>, in range: ClosedRange<Int>) -> TenantFileField {
        TenantFileField(
            path: path, summary: summary,
            schema: [.init("type", .list([.text("string"), .text("integer")])), .init("pattern", .text("^[0-9]{1,12}(KiB|MiB|GiB)?$"))],
            read: { (node, file) throws(Problem) in
                let text = try node.text(maximum: 20)
                guard let bytes = ByteSize.parse(text), range.contains(bytes) else {
                    throw Problem(
                        text: "must be \(ByteSize.text(range.lowerBound)) to \(ByteSize.text(range.upperBound)), as in 256MiB, not "
                            + YAMLReader.shown(text))
                }
                file[keyPath: target] = bytes
            },
            value: { $0[keyPath: target].map { .text(ByteSize.text($0)) } })
    }

    private static func numberSchema(_ range: ClosedRange<Int>) -> [FileValue.Member] {
        [
            .init("type", .text("integer")), .init("minimum", .number(range.lowerBound)), .init("maximum", .number(range.upperBound)),
        ]
    }
}

/// Sizes as people write them.
enum ByteSize {
    private static let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]

    static func parse(_ text: String) -> Int? {
        let unit = units.first { text.hasSuffix($0.0) }
        let digits = text.dropLast(unit == nil ? 0 : 3)
        guard (1...12).contains(digits.utf8.count), digits.utf8.allSatisfy({ (48...57).contains($0) }), let count = Int(digits) else {
            return nil
        }
        return count.multipliedReportingOverflow(by: unit?.1 ?? 1).overflow ? nil : count * (unit?.1 ?? 1)
    }

    static func text(_ bytes: Int) -> String {
        guard bytes > 0, let unit = units.first(where: { bytes % $0.1 == 0 }) else { return String(bytes) }
        return "\(bytes / unit.1)\(unit.0)"
    }
}

extension YAMLNode {
    /// The value as it stands, when it is one.
    var shownText: String? {
        guard case .scalar(let text, _) = content else { return nil }
        return YAMLReader.shown(text)
    }

    /// - Throws: what is wrong with it as a text on one line.
    func text(maximum: Int) throws(TenantFileField.Problem) -> String {
        guard case .scalar(let text, _) = content else { throw .init(text: "must be one value, not a list or an object") }
        guard !isNull else { throw .init(text: "has no value; write one, or leave the line out") }
        guard (1...maximum).contains(text.count) else { throw .init(text: "must be 1 to \(maximum) characters long") }
        guard text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
            throw .init(text: "must be one line, without control characters")
        }
        return text
    }

    func flag() throws(TenantFileField.Problem) -> Bool {
        switch content {
        case .scalar("true", isPlain: true): return true
        case .scalar("false", isPlain: true): return false
        default: throw .init(text: "must be true or false" + (shownText.map { ", not \($0)" } ?? ""))
        }
    }

    func number(in range: ClosedRange<Int>) throws(TenantFileField.Problem) -> Int {
        guard case .scalar(let text, isPlain: true) = content, (1...12).contains(text.utf8.count),
            text.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(text), range.contains(number)
        else {
            throw .init(text: "must be a number, \(range.lowerBound) to \(range.upperBound)" + (shownText.map { ", not \($0)" } ?? ""))
        }
        return number
    }
}
