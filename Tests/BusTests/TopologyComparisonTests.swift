import Bus
import Foundation
import Testing

@Suite("The contract's AsyncAPI document")
struct TopologyComparisonTests {
    private static let published = #"""
        {"info": {"version": "1.0.0"},
         "servers": {"bus": {"description": "the bus", "protocol": "amqps", "variables": {"port": {"enum": ["5671", "443"]}}}},
         "channels": {"requests": {"address": "o311.{tenant}.requests", "description": "a queue",
           "messages": {"created": {"$ref": "#/components/messages/created"}},
           "bindings": {"amqp": {"queue": {"durable": "true"}}},
           "x-o311-policy": {"name": "o311-requests", "definition": {"delivery-limit": "10", "overflow": "reject-publish"}},
           "x-o311-bindings": [{"exchange": "o311.{tenant}.out"}]},
          "title": {"address": "a name that somebody chose"}},
         "operations": {"receive": {"action": "receive"}},
         "components": {"messages": {"any": {"payload": {"schema": {"$ref": "schemas/created/1.1.json"}}}}}}
        """#

    private func findings(_ edits: [(String, String)]) throws -> [(ContractFinding.Rule, String)] {
        var text = Self.published
        for (old, new) in edits {
            #expect(text.contains(old))
            text = text.replacing(old, with: new)
        }
        return TopologyComparison.findings(from: try parse(Self.published), to: try parse(text)) { !$0.contains("9.json") }
            .map { ($0.rule, $0.path) }
    }

    private func parse(_ text: String) throws -> BrokerValue { try JSONDecoder().decode(BrokerValue.self, from: Data(text.utf8)) }

    @Test("may grow, change its words and the numbers of policies")
    func grows() throws {
        let found = try findings([
            (#""description": "a queue""#, #""description": "the queue", "summary": "new""#),
            (#""delivery-limit": "10""#, #""delivery-limit": "20""#), (#""the bus""#, #""a bus""#),
            (#""443"]"#, #""443", "8443"]"#),
            (#"{"created": "#, #"{"erased": {}, "created": "#), (#"[{"exchange": "#, #"[{"exchange": "another"}, {"exchange": "#),
            (#""version": "1.0.0""#, #""version": "1.1.0""#), ("created/1.1.json", "created/1.12.json"),
        ])
        #expect(found.isEmpty, "\(found)")
    }

    @Test(
        "keeps what was published, each with its value",
        arguments: [
            ("o311.{tenant}.requests", "o311.{tenant}.in", "topology-changed", "/channels/requests/address"),
            (#""durable": "true""#, #""durable": "false""#, "topology-changed", "/channels/requests/bindings/amqp/queue/durable"),
            (#""created": {"#, #""made": {"#, "topology-removed", "/channels/requests/messages/created"),
            (#"{"exchange": "o311.{tenant}.out"}"#, "", "topology-removed", "/channels/requests/x-o311-bindings"),
            (#""name": "o311-requests""#, #""name": "other""#, "topology-changed", "/channels/requests/x-o311-policy/name"),
            (#""title": {"#, #""titles": {"#, "topology-removed", "/channels/title"),
            (#""action": "receive""#, #""action": "send""#, "topology-changed", "/operations/receive/action"),
            ("created/1.1.json", "created/1.0.json", "topology-changed", "/components/messages/any/payload/schema/$ref"),
            ("created/1.1.json", "created/2.0.json", "topology-changed", "/components/messages/any/payload/schema/$ref"),
            ("created/1.1.json", "updated/1.1.json", "topology-changed", "/components/messages/any/payload/schema/$ref"),
            ("created/1.1.json", "created/new.json", "topology-changed", "/components/messages/any/payload/schema/$ref"),
            (#""5671", "#, "", "topology-removed", "/servers/bus/variables/port/enum"),
            (#""amqps""#, #""amqp""#, "topology-changed", "/servers/bus/protocol"),
            ("reject-publish", "drop-head", "topology-changed", "/channels/requests/x-o311-policy/definition/overflow"),
            (#"limit": "10""#, #"limit": "none""#, "topology-changed", "/channels/requests/x-o311-policy/definition/delivery-limit"),
            (#""delivery-limit": "10", "#, "", "topology-removed", "/channels/requests/x-o311-policy/definition/delivery-limit"),
            (#""operations""#, #""operation""#, "topology-removed", "/operations"),
            (
                #""delivery-limit": "10""#, #""delivery-limit": "10", "max-length": "5""#, "topology-changed",
                "/channels/requests/x-o311-policy/definition/max-length"
            ),
            (
                #""address": "a name that somebody chose""#, #""address": "a name that somebody chose", "x-o311-policy": {}"#,
                "topology-changed", "/channels/title/x-o311-policy"
            ),
            ("created/1.1.json", "created/1.9.json", "reference-missing", "/components/messages/any/payload/schema/$ref"),
            (
                #""messages": {"any": "#, #""messages": {"more": {"payload": {"$ref": "schemas/more/1.9.json"}}, "any": "#,
                "reference-missing", "/components/messages/more/payload/$ref"
            ),
        ])
    func keeps(old: String, new: String, rule: String, path: String) throws {
        let found = try findings([(old, new)])
        #expect(found.map(\.0.rawValue) == [rule] && found.map(\.1) == [path], "\(found)")
    }

    @Test("is missed when it is gone")
    func gone() throws {
        #expect(TopologyComparison.findings(from: try parse(Self.published), to: nil) { _ in true }.map(\.rule) == [.topologyRemoved])
    }
}
