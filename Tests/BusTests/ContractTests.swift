import Bus
import Foundation
import Open311
import Testing

@Suite("The message contract")
struct ContractTests {
    static let types = [
        "service_request.created", "service_request.updated", "service_request.media_added", "status_update.accepted",
        "status_update.rejected", "bus.ping", "reference_data.refresh_requested",
    ]

    @Test("has a schema for every kind of event that is sent")
    func coversEveryKind() {
        let kinds =
            ServiceRequestEvent.Kind.allCases.map { ($0.routingSuffix, $0.rawValue) }
            + StatusReceipt.Kind.allCases.map { ($0.routingSuffix, $0.rawValue) }
            + OperatorNotice.Kind.allCases.map { ($0.routingSuffix, $0.rawValue) }
        #expect(Set(kinds.map(\.0)) == Set(Self.types))
        #expect(kinds.allSatisfy { "\($0).v1" == $1 })
        #expect(ServiceRequestEvent.schemaVersion == "1.0")
    }

    @Test("its examples keep it, the strict form too", arguments: types)
    func examples(type: String) throws {
        for name in try Contract.list("examples/\(type)") {
            let example = try Contract.read("examples/\(type)/\(name)")
            for version in ["1.0.json", "1.0.producer.json"] {
                #expect(try ContractSchema("schemas/\(type)/\(version)").faults(in: example) == [], "\(name) against \(version)")
            }
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
        var consumer = try #require(try Contract.read("schemas/\(type)/1.0.json").table)
        var producer = try #require(opened(try Contract.read("schemas/\(type)/1.0.producer.json")).table)
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
