import Bus
import Foundation
import Testing

/// What breaks whom: each rule by an example in both directions, then edits by chance on the schemas that are published.
@Suite("The rules of evolution")
struct SchemaComparisonTests {
    typealias Rule = ContractFinding.Rule

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let old: String
        let new: String
        /// Nil where it is compatible.
        let outbound: Rule?
        let inbound: Rule?
        var testDescription: String { name }

        init(_ name: String, _ old: String, _ new: String, out outbound: Rule?, in inbound: Rule?) {
            self.name = name
            self.old = old
            self.new = new
            self.outbound = outbound
            self.inbound = inbound
        }
    }

    static let cases = [
        Case("words for people", #"{"title":"a"}"#, #"{"title":"b","description":"c","examples":[1]}"#, out: nil, in: nil),
        Case("an optional property more", #"{"properties":{}}"#, #"{"properties":{"a":{"type":"string"}}}"#, out: nil, in: nil),
        Case(
            "a property removed", #"{"properties":{"a":{"type":"string"}}}"#, #"{"properties":{}}"#, out: .propertyRemoved,
            in: .propertyRemoved),
        Case(
            "a property renamed", #"{"properties":{"a":{}}}"#, #"{"properties":{"b":{}}}"#, out: .propertyRemoved, in: .propertyRemoved),
        Case("one more required", #"{"required":["a"]}"#, #"{"required":["a","b"]}"#, out: nil, in: .requiredAdded),
        Case("one less required", #"{"required":["a","b"]}"#, #"{"required":["a"]}"#, out: .requiredRemoved, in: nil),
        Case("null as well", #"{"type":"string"}"#, #"{"type":["string","null"]}"#, out: .typeChanged, in: nil),
        Case("null no more", #"{"type":["string","null"]}"#, #"{"type":"string"}"#, out: nil, in: .typeChanged),
        Case("another type", #"{"type":"string"}"#, #"{"type":"integer"}"#, out: .typeChanged, in: .typeChanged),
        Case("integers become numbers", #"{"type":"integer"}"#, #"{"type":"number"}"#, out: .typeChanged, in: nil),
        Case("numbers become integers", #"{"type":"number"}"#, #"{"type":"integer"}"#, out: nil, in: .typeChanged),
        Case("any type", #"{"type":"string"}"#, "{}", out: .typeChanged, in: nil),
        Case("a type where there was none", "{}", #"{"type":"string"}"#, out: nil, in: .typeChanged),
        Case("a value more", #"{"enum":["a"]}"#, #"{"enum":["a","b"]}"#, out: .enumChanged, in: nil),
        Case(
            "a value more in an open list", #"{"enum":["a"],"x-o311-open":true}"#, #"{"enum":["a","b"],"x-o311-open":true}"#, out: nil,
            in: nil),
        Case("a list opened", #"{"enum":["a"]}"#, #"{"enum":["a"],"x-o311-open":true}"#, out: .enumChanged, in: nil),
        Case("a value less", #"{"enum":["a","b"]}"#, #"{"enum":["a"]}"#, out: nil, in: .enumChanged),
        Case("a list taken away", #"{"enum":["a"]}"#, "{}", out: .enumChanged, in: nil),
        Case("a list where there was none", "{}", #"{"enum":["a"]}"#, out: nil, in: .enumChanged),
        Case("another constant", #"{"const":"1.0"}"#, #"{"const":"1.1"}"#, out: .constChanged, in: .constChanged),
        Case("a constant taken away", #"{"const":"1.0"}"#, "{}", out: .constChanged, in: nil),
        Case("a constant where there was none", "{}", #"{"const":"1.0"}"#, out: nil, in: .constChanged),
        Case("another pattern", #"{"pattern":"^a$"}"#, #"{"pattern":"^[ab]$"}"#, out: .patternChanged, in: .patternChanged),
        Case("a pattern taken away", #"{"pattern":"^a$"}"#, "{}", out: .patternChanged, in: nil),
        Case("a pattern where there was none", "{}", #"{"pattern":"^a$"}"#, out: nil, in: .patternChanged),
        Case("another format", #"{"format":"date"}"#, #"{"format":"date-time"}"#, out: .formatChanged, in: .formatChanged),
        Case("a longer text", #"{"maxLength":10}"#, #"{"maxLength":11}"#, out: .boundChanged, in: nil),
        Case("a shorter text", #"{"maxLength":10}"#, #"{"maxLength":9}"#, out: nil, in: .boundChanged),
        Case("a text of any length", #"{"maxLength":10}"#, "{}", out: .boundChanged, in: nil),
        Case("a limit where there was none", "{}", #"{"maxLength":10}"#, out: nil, in: .boundChanged),
        Case("an empty text", #"{"minLength":1}"#, #"{"minLength":0}"#, out: .boundChanged, in: nil),
        Case("no empty text", "{}", #"{"minLength":1}"#, out: nil, in: .boundChanged),
        Case("a smaller number", #"{"minimum":1}"#, #"{"minimum":0.5}"#, out: .boundChanged, in: nil),
        Case("a greater number", #"{"maximum":1}"#, #"{"maximum":2}"#, out: .boundChanged, in: nil),
        Case("a longer list", #"{"maxItems":5}"#, #"{"maxItems":6}"#, out: .boundChanged, in: nil),
        Case("a list of at least two", #"{"minItems":1}"#, #"{"minItems":2}"#, out: nil, in: .boundChanged),
        Case("a pair apart", #"{"dependentRequired":{"a":["b"]}}"#, "{}", out: .dependencyChanged, in: nil),
        Case("a pair together", "{}", #"{"dependentRequired":{"a":["b"]}}"#, out: nil, in: .dependencyChanged),
        Case("closed", "{}", #"{"additionalProperties":false}"#, out: .opennessChanged, in: .opennessChanged),
        Case("anything in a list", #"{"items":{"type":"string"}}"#, "{}", out: .itemsChanged, in: nil),
        Case("not anything in a list", "{}", #"{"items":{"type":"string"}}"#, out: nil, in: .itemsChanged),
        Case("within a list", #"{"items":{"maxLength":1}}"#, #"{"items":{"maxLength":2}}"#, out: .boundChanged, in: nil),
        Case(
            "deep within", #"{"properties":{"a":{"properties":{"b":{"type":"string"}}}}}"#,
            #"{"properties":{"a":{"properties":{"b":{"type":["string","null"]}}}}}"#, out: .typeChanged, in: nil),
        Case("a keyword that nobody judges", "{}", #"{"oneOf":[{}]}"#, out: .notUnderstood, in: .notUnderstood),
    ]

    private func parse(_ json: String) throws -> BrokerValue { try JSONDecoder().decode(BrokerValue.self, from: Data(json.utf8)) }

    private func compare(_ old: BrokerValue, _ new: BrokerValue, _ direction: ContractDirection) -> [ContractFinding] {
        SchemaComparison.findings(from: old, to: new, type: "t", version: "1.0", direction: direction)
    }

    @Test("judge a change by who reads and who writes", arguments: cases)
    func rules(change: Case) throws {
        let (old, new) = (try parse(change.old), try parse(change.new))
        #expect(Set(compare(old, new, .outbound).map(\.rule)) == Set([change.outbound].compactMap { $0 }))
        #expect(Set(compare(old, new, .inbound).map(\.rule)) == Set([change.inbound].compactMap { $0 }))
        #expect(compare(old, old, .outbound).isEmpty && compare(new, new, .inbound).isEmpty)
    }

    /// Rules about what is there at all, and about the AsyncAPI document: with the folders and with TopologyComparisonTests.
    private static let ofFolders: Set<Rule> = [
        .typeRemoved, .versionRemoved, .versionChanged, .directionChanged, .topologyRemoved, .topologyChanged,
        .publicationChanged, .referenceMissing,
    ]

    @Test("every rule about a schema has a case")
    func coversRules() {
        let found = Set(Self.cases.flatMap { [$0.outbound, $0.inbound] }.compactMap { $0 })
        #expect(found == Set(Rule.allCases).subtracting(Self.ofFolders))
    }

    @Test("the place of a finding is a JSON pointer into the schema")
    func place() throws {
        let found = compare(
            try parse(#"{"properties":{"a/b":{"items":{"maxLength":1}}}}"#),
            try parse(#"{"properties":{"a/b":{"items":{"maxLength":2}}}}"#),
            .outbound)
        #expect(found.map(\.path) == ["/properties/a~1b/items/maxLength"])
    }

    // MARK: By chance

    /// Every schema inside a schema, by the names and positions that lead to it.
    private func places(_ value: BrokerValue, _ path: [String] = []) -> [[String]] {
        guard case .table(let members) = value else { return [] }
        var found = [path]
        for (name, inner) in members["properties"]?.table ?? [:] { found += places(inner, path + ["properties", name]) }
        if let items = members["items"] { found += places(items, path + ["items"]) }
        return found
    }

    private func edited(_ value: BrokerValue, at path: ArraySlice<String>, _ edit: (inout BrokerArguments) -> Bool) -> BrokerValue? {
        guard case .table(var members) = value else { return nil }
        guard let step = path.first else { return edit(&members) ? .table(members) : nil }
        guard let inner = members[step], let changed = edited(inner, at: path.dropFirst(), edit) else { return nil }
        members[step] = changed
        return .table(members)
    }

    /// One edit of a schema; false where it does not apply.
    private typealias Edit = @Sendable (inout BrokerArguments) -> Bool

    private static func bound(_ keyword: String, _ step: Int) -> Edit {
        { members in
            guard case .integer(let value)? = members[keyword] else { return false }
            members[keyword] = .integer(value + step)
            return true
        }
    }

    private static func removing(_ keyword: String) -> Edit { { $0.removeValue(forKey: keyword) != nil } }

    /// Harmless outbound, each of them in this order of keywords; inbound where the second is true.
    private static let compatible: [(edit: Edit, inboundToo: Bool)] = [
        (
            {
                $0["description"] = "other words"; return true
            }, true
        ),
        (
            { members in
                guard var properties = members["properties"]?.table else { return false }
                properties["later_\(Int.random(in: 0..<1_000_000))"] = .table(["type": "string"])
                members["properties"] = .table(properties)
                return true
            }, true
        ),
        (bound("maxLength", -1), false), (bound("maxItems", -1), false), (bound("minLength", 1), false),
        (
            { members in
                guard case .list(let names)? = members["required"],
                    let more = members["properties"]?.table?.keys.first(where: { !names.contains(.text($0)) })
                else { return false }
                members["required"] = .list(names + [.text(more)])
                return true
            }, false
        ),
    ]

    private static let breaking: [Edit] = [
        bound("maxLength", 1), bound("maxItems", 1), bound("minLength", -1), removing("const"), removing("enum"), removing("pattern"),
        removing("required"), removing("maxLength"), removing("type"), removing("dependentRequired"), removing("format"),
        { members in
            guard var properties = members["properties"]?.table, let name = properties.keys.randomElement() else { return false }
            properties[name] = nil
            members["properties"] = .table(properties)
            return true
        },
        { members in
            guard case .text(let name)? = members["type"] else { return false }
            members["type"] = .list([.text(name), "null"])
            return true
        },
        { members in
            guard case .list(let values)? = members["enum"] else { return false }
            members["enum"] = .list(values + ["another"])
            return true
        },
        { members in
            guard case .text(let pattern)? = members["pattern"] else { return false }
            members["pattern"] = .text(pattern + "x")
            return true
        },
        {
            $0["additionalProperties"] = false; return true
        },
    ]

    @Test("pass compatible edits and find breaking ones, anywhere in any schema", arguments: 0..<8)
    func byChance(round: Int) throws {
        var tried = (compatible: 0, breaking: 0)
        for type in ContractTests.types {
            let schema = try Contract.read("schemas/\(type).json")
            let all = places(schema)
            for _ in 0..<30 {
                let path = try #require(all.randomElement())[...]
                var later = schema
                // Several harmless ones on top of each other.
                for _ in 0..<3 {
                    let (edit, _) = try #require(Self.compatible.randomElement())
                    guard let changed = edited(later, at: path, edit) else { continue }
                    later = changed
                    tried.compatible += 1
                }
                #expect(compare(schema, later, .outbound) == [], "\(type) at \(path)")
                let edit = try #require(Self.breaking.randomElement())
                guard let broken = edited(schema, at: path, edit) else { continue }
                tried.breaking += 1
                #expect(!compare(schema, broken, .outbound).isEmpty, "\(type) at \(path)")
                // Nor does a harmless edit elsewhere hide it.
                if let both = edited(
                    broken, at: [],
                    {
                        $0["description"] = "x"; return true
                    })
                {
                    #expect(!compare(schema, both, .outbound).isEmpty)
                }
            }
        }
        let inbound = try Contract.read("schemas/status_update/1.0.json")
        for path in places(inbound) {
            for (edit, isHarmless) in Self.compatible where isHarmless {
                if let later = edited(inbound, at: path[...], edit) { #expect(compare(inbound, later, .inbound) == []) }
            }
            for edit in [Self.bound("maxLength", -1), Self.bound("minLength", 1)] {
                if let later = edited(inbound, at: path[...], edit) { #expect(!compare(inbound, later, .inbound).isEmpty, "\(path)") }
            }
        }
        #expect(tried.compatible > 100 && tried.breaking > 50)
    }
}
