import Bus
import Foundation
import Open311
import Testing

@Suite("The message contract")
struct ContractTests {
    /// Each type that we send, with its full version: `service_request.created/1.0`.
    static let types: [String] = {
        let kinds =
            ServiceRequestEvent.Kind.allCases.map { ($0.routingSuffix, $0.rawValue) }
            + StatusReceipt.Kind.allCases.map { ($0.routingSuffix, $0.rawValue) }
            + OperatorNotice.Kind.allCases.map { ($0.routingSuffix, $0.rawValue) }
        return kinds.map { name, type in "\(name)/\(SchemaVersion.of(type))" }
    }()

    @Test("has a schema and an example for every kind of event that is sent, and for what a CRM sends; and none besides")
    func coversEveryKind() throws {
        let schemas = try Contract.list("schemas").flatMap { type in
            try Contract.list("schemas/\(type)").filter { !$0.contains("producer") }.map { "\(type)/\($0.dropLast(5))" }
        }
        let current = Set(Self.types + ["status_update/1.2"])
        #expect(current.isSubset(of: schemas))
        // Minors before the current one keep their address.
        for earlier in Set(schemas).subtracting(current) {
            let words = earlier.split(separator: ".")
            let major = words.dropLast().joined(separator: ".")
            #expect(
                current.contains {
                    $0.hasPrefix(major + ".") && Int($0.split(separator: ".").last ?? "") ?? 0 > Int(words.last ?? "") ?? 0
                },
                "\(earlier) is no earlier version of anything that is sent")
        }
        for type in schemas {
            let parts = type.split(separator: "/")
            #expect(try Contract.list("examples/\(parts[0])").contains { $0.hasPrefix("\(parts[1])-") }, "\(type) has no example")
        }
    }

    @Test("its examples keep it, those of earlier minor versions and in the strict form too", arguments: types + ["status_update/1.2"])
    func examples(type: String) throws {
        let parts = type.split(separator: "/")
        let major = parts[1].prefix { $0 != "." }
        for name in try Contract.list("examples/\(parts[0])") where name.hasPrefix("\(major).") {
            let example = try Contract.read("examples/\(parts[0])/\(name)")
            for version in parts[0] == "status_update" ? [".json"] : [".json", ".producer.json"] {
                #expect(try ContractSchema("schemas/\(type)\(version)").faults(in: example) == [], "\(name) against \(version)")
            }
        }
    }

    @Test("what a CRM sends by the schema is taken, and what the schema refuses is refused")
    func inbound() throws {
        let mapping = StatusMapping([.init(code: "EC", status: DetailedStatus(.inProcess), statusNotes: nil)])
        for name in try Contract.list("examples/status_update") {
            let bytes = Array(try JSONEncoder().encode(try Contract.read("examples/status_update/\(name)")))
            let form = try StatusUpdateForm(parsing: bytes)
            #expect(try form.address() == RequestAddress(serviceRequestID: "2611000004217"))
            #expect(throws: Never.self) { try form.update(id: "u", receivedAt: Timestamp(seconds: 1_900_000_000), mapping: mapping) }
        }
        let schema = try ContractSchema("schemas/status_update/1.2.json")
        let longest: [(String, Int)] = [
            ("status_notes", 4_000), ("internal_notes", 4_000), ("agency_responsible", 255), ("service_notice", 4_000),
            ("external_reference", 255),
        ]
        for (member, limit) in longest {
            for (count, isGood) in [(limit, true), (limit + 1, false)] {
                let value: BrokerValue = .table([
                    "service_request_id": "2611000004217", member: .text(String(repeating: "é", count: count)),
                ])
                #expect(schema.faults(in: value).isEmpty == isGood)
                let form = try StatusUpdateForm(parsing: Array(try JSONEncoder().encode(value)))
                #expect(((try? form.update(id: "u", receivedAt: Timestamp(seconds: 1))) != nil) == isGood, "\(member) of \(count)")
            }
        }
        for bad: BrokerValue in [
            .table(["service_request_id": "1", "erasure": .table(["outcome": "gone"])]),
            .table(["service_request_id": "1", "erasure": .table(["outcome": "kept", "reason": "Mrs Martin"])]),
        ] {
            #expect(schema.faults(in: bad) != [])
            let form = try StatusUpdateForm(parsing: Array(try JSONEncoder().encode(bad)))
            #expect(throws: StatusUpdateFault.self) { try form.update(id: "u", receivedAt: Timestamp(seconds: 1)) }
        }
        for bad: BrokerValue in [.table(["service_request_id": 5]), .table(["ack": "yes"]), .list([])] {
            #expect(schema.faults(in: bad) != [])
        }
    }

    @Test("what consumers are given is the strict form, opened to fields yet to come", arguments: types)
    func consumerIsOpen(type: String) throws {
        func opened(_ value: BrokerValue) -> BrokerValue {
            switch value {
            case .table(var table):
                if table["additionalProperties"] == false { table["additionalProperties"] = nil }
                return .table(table.mapValues(opened))
            case .list(let list): return .list(list.map(opened))
            default: return value
            }
        }
        var consumer = try #require(try Contract.read("schemas/\(type).json").table)
        var producer = try #require(opened(try Contract.read("schemas/\(type).producer.json")).table)
        for name in ["title", "description"] {
            consumer[name] = nil
            producer[name] = nil
        }
        #expect(consumer == producer)
    }

    @Test("a field yet to come is refused to our producer and to no consumer")
    func newFields() throws {
        var example = try #require(try Contract.read("examples/service_request.created/1.0-full.json").table)
        example["later"] = 1
        #expect(try ContractSchema("schemas/service_request.created/1.0.json").faults(in: .table(example)) == [])
        #expect(
            try ContractSchema("schemas/service_request.created/1.0.producer.json").faults(in: .table(example))
                == ["$: has later, which is not allowed"]
        )
    }

    @Test(
        "refuses what would hurt a consumer",
        arguments: [
            ("service_request_id", 5), ("sequence", 0), ("sequence", "1"), ("status", "done"), ("lat", 91), ("tenant", "paris"),
            ("requester", "me"), ("requested_datetime", "yesterday"), ("media", .null), ("lat", nil), ("description", nil),
        ] as [(String, BrokerValue?)]
    )
    func refuses(field: String, value: BrokerValue?) throws {
        var example = try #require(try Contract.read("examples/service_request.created/1.0-full.json").table)
        var data = try #require(example["data"]?.table)
        data[field] = value
        example["data"] = .table(data)
        #expect(try ContractSchema("schemas/service_request.created/1.0.json").faults(in: .table(example)).count == 1)
    }
}
