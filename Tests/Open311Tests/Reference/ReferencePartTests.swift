import Open311
import TestSupport
import Testing

@Suite("A part of a document")
struct ReferencePartTests {
    private let tenant: Tenant
    private let live: JSONValue

    init() throws {
        tenant = Tenant(
            id: TenantID(1), key: try TenantKey(validating: "valmont-7f3a9c"), name: "Valmont", jurisdictions: [], language: .french,
            timeZone: "Europe/Paris", shard: 0, virtualHost: "open311", contact: "-", keyService: "-", policies: TenantPolicies())
        live = CatalogueRules.document(try Fixtures.services())
    }

    private func json(_ text: String) throws -> JSONValue { try JSONReader.value(Array(text.utf8)) }

    private func faults(
        _ part: String, of live: JSONValue, _ kind: ReferenceKind = .catalogue, _ format: ReferenceSource.Format = .json
    ) throws -> Set<String> {
        let source = try ReferenceSource(Array(part.utf8), format, kind: kind, tenant: tenant)
        do { _ = try source.patched(live).checked(of: tenant) } catch { return Set(error.listed.map(\.pointer)) }
        return []
    }

    @Test("its faults are told by their places in what was sent, not in what it would have become")
    func pointers() throws {
        for (part, places) in [
            (#"{"FONTAINE": {"type": "slow"}}"#, ["/FONTAINE/type", "/FONTAINE/service_name"]),
            (#"{"POT": {"type": "slow"}, "NEW": {"service_name": 7}}"#, ["/POT/type", "/NEW/service_name"]),
            (#"{"POT": {"attributes": {"shape": {"datatype": "colour"}}}}"#, ["/POT/attributes/shape/datatype"]),
            (
                #"{"POT": {"attributes": {"shape": {"values": {"triangle": {"name": {"fr": 7}}}, "order": 0}}}}"#,
                ["/POT/attributes/shape/values/triangle/name/fr", "/POT/attributes/shape/order"]
            ),
            (#"{"POT": {"attributes": {"new": {"datatype": "string"}}}}"#, ["/POT/attributes/new/description"]),
            // What is no entry, and what gives an entry another key, have the name that they were sent under.
            (#"{"POT": 7, "A/B": 8}"#, ["/POT", "/A~1B"]), (#"{"NEW": {"service_code": 7, "service_name": "x"}}"#, ["/NEW/service_code"]),
            (#"{"POT": {"attributes": {"shape": 7, "new": 8}}}"#, ["/POT/attributes/shape", "/POT/attributes/new"]),
            (#"{"POT": {"attributes": {"shape": {"code": ""}}}}"#, ["/POT/attributes/shape/code"]),
            // A list in place of a list is one by positions.
            (
                #"{"POT": {"attributes": [{"code": "a", "datatype": "string", "description": "?"}, {"code": "b", "datatype": "string"}]}}"#,
                ["/POT/attributes/1/description"]
            ),
        ] as [(String, Set<String>)] { #expect(try faults(part, of: live) == places, "\(part)") }
        // One that it removes and one that it adds move no other.
        let first = try #require(live.array?.first?["service_code"]?.string)
        #expect(try faults("{\"\(first)\": null, \"NEW\": {\"type\": 5}}", of: live) == ["/NEW/type", "/NEW/service_name"])
        // Another entry of the same key, when it was given by the part.
        let second = try #require(live.array?.last?["service_code"]?.string)
        #expect(
            try faults("{\"NEW\": {\"service_code\": \"\(second)\", \"service_name\": \"x\"}}", of: live) == ["/NEW/service_code"])
    }

    @Test("places and status codes likewise, and a table's part where no cell is behind a fault")
    func otherKinds() throws {
        let places = try json(#"[{"id": "a", "name": "A", "lat": 1, "long": 2}, {"id": "b", "name": "B", "lat": 1, "long": 2}]"#)
        #expect(try faults(#"{"b": {"lat": 943}, "c": {"name": "C", "long": 1}}"#, of: places, .facilities) == ["/b/lat", "/c/lat"])
        let codes = try json(#"[{"code": "EC", "status": "IN_PROCESS"}, {"code": "CLOS", "status": "REJECTED"}]"#)
        #expect(
            try faults(#"{"CLOS": {"status": "SOLVED"}, "ec": {"status": "open"}}"#, of: codes, .statusMapping) == [
                "/CLOS/status", "/ec/code",
            ])
        // The live document of a tenant who has lost a rule since.
        let broken = try json(#"[{"id": "a", "name": "A", "lat": 943, "long": 2}, {"id": "b", "name": "B", "lat": 1, "long": 2}]"#)
        #expect(try faults("id;name\nb;Autre\n", of: broken, .facilities, .csv(charset: nil)) == ["/a/lat"])
    }

    @Test("advice of a part is told by the same places")
    func advice() throws {
        let part = #"{"NEW": {"service_name": "x", "description": "y", "group": "z", "colour": 3}}"#
        let checked = try ReferenceSource(Array(part.utf8), .json, kind: .catalogue, tenant: tenant).patched(live).checked(of: tenant)
        #expect(checked.advice.map(\.pointer).contains("/NEW/colour"), "\(checked.advice)")
        #expect(checked.advice.allSatisfy { fault in !(fault.pointer.dropFirst().first?.isNumber ?? true) }, "\(checked.advice)")
    }

    @Test("a whole document's faults keep their pointers")
    func whole() throws {
        let text = #"[{"service_code": "A", "service_name": "A", "type": "slow"}]"#
        let faults = #expect(throws: ReferenceFaults.self) {
            _ = try ReferenceSource(Array(text.utf8), .json, kind: .catalogue, tenant: tenant).whole().checked(of: tenant)
        }
        #expect(faults?.listed.map(\.pointer) == ["/0/type"])
    }

    @Test("a question that is added without an order, by JSON or by a table, is refused for nothing that nobody sent")
    func ordersOfParts() throws {
        let live = try json(
            """
            [{"service_code": "A", "service_name": "A", "attributes": [
              {"code": "x", "datatype": "string", "description": "?", "order": 2}, {"code": "y", "datatype": "string", "description": "?", "order": 5}]}]
            """)
        func orders(_ part: String, _ format: ReferenceSource.Format) throws -> [String: Double] {
            let made = try ReferenceSource(Array(part.utf8), format, kind: .catalogue, tenant: tenant).patched(live).checked(of: tenant)
                .value
            let questions = made.array?.first?["attributes"]?.array ?? []
            return Dictionary(
                questions.compactMap { each in each["code"]?.string.flatMap { code in each["order"]?.number.map { (code, $0) } } },
                uniquingKeysWith: { first, _ in first })
        }
        let question = #"{"datatype": "string", "description": "?"}"#
        #expect(try orders("{\"A\": {\"attributes\": {\"z\": \(question)}}}", .json) == ["x": 2, "y": 5, "z": 6])
        #expect(
            try orders("{\"A\": {\"attributes\": {\"x\": null, \"z\": \(question), \"w\": \(question)}}}", .json)
                == ["y": 5, "z": 6, "w": 7])
        #expect(try orders(#"{"A": {"attributes": {"x": {"order": null}}}}"#, .json) == ["x": 1, "y": 5])
        let table = "service_code;attribute;datatype;description.fr;order\nA;z;string;?;\nA;w;string;?;3\n"
        #expect(try orders(table, .csv(charset: nil)) == ["x": 2, "y": 5, "z": 6, "w": 3])
    }

    @Test(
        "JSON is whatever ends with +json",
        arguments: [
            ("application/json", true), ("application/json; charset=utf-8", true), ("application/merge-patch+json", true),
            ("application/geo+json", true), ("application/vnd.crm.catalogue+json;v=2", true), ("APPLICATION/GEO+JSON", true),
            ("application/+json", false), ("text/json", false), ("application/jsonp", false), ("application/xml", false), ("", false),
        ])
    func types(type: String, isJSON: Bool) {
        #expect(ReferenceSource.Format(contentType: type) == (isJSON ? .json : nil))
        #expect(ReferenceSource.Format(contentType: "text/csv; charset=windows-1252") == .csv(charset: "windows-1252"))
    }
}
