import Open311
import Testing

@Suite("A status mapping as a document")
struct StatusMappingRulesTests {
    private func faults(_ json: String) throws -> [String] {
        do {
            _ = try StatusMappingRules.mapping(try JSONReader.value(Array(json.utf8)))
            return []
        } catch let faults as ReferenceFaults { return faults.listed.map(\.pointer) }
    }

    @Test("is read, compared without regard to case, and written as it was read")
    func roundTrip() throws {
        let json =
            #"[{"code": "EC", "status": "in_process,public_works_new", "status_notes": "En route"}, {"code": "21", "status": "closed"}]"#
        let mapping = try StatusMappingRules.mapping(try JSONReader.value(Array(json.utf8)))
        #expect(mapping["ec"]?.status == DetailedStatus(.inProcess, refinements: ["PUBLIC_WORKS_NEW"]))
        #expect(mapping["21"]?.status == DetailedStatus(.processed) && mapping["22"] == nil)
        #expect(try StatusMappingRules.mapping(StatusMappingRules.document(mapping)) == mapping)
        let wrapped = try StatusMappingRules.mapping(try JSONReader.value(Array("{\"codes\": \(json)}".utf8)))
        #expect(wrapped == mapping)
    }

    @Test("as a table it says the same, and its faults are told by their cells")
    func table() throws {
        let tenant = Tenant(
            id: TenantID(1), key: try TenantKey(validating: "valmont-7f3a9c"), name: "Valmont", jurisdictions: [], language: .french,
            timeZone: "Europe/Paris", shard: 0, virtualHost: "open311", contact: "-", keyService: "-", policies: TenantPolicies())
        func read(_ text: String) throws -> CheckedReference {
            try ReferenceSource(Array(text.utf8), .csv(charset: nil), kind: .statusMapping, tenant: tenant).whole().checked(of: tenant)
        }
        let rows = "code;status;status_notes\n21;IN_PROCESS;En route\nCLOS;REJECTED;\n"
        let checked = try read(rows)
        let json = #"[{"code": "21", "status": "IN_PROCESS", "status_notes": "En route"}, {"code": "CLOS", "status": "REJECTED"}]"#
        #expect(checked.value == StatusMappingRules.document(try StatusMappingRules.mapping(try JSONReader.value(Array(json.utf8)))))
        let written = try #require(StatusMappingRules.csv(checked.value))
        #expect(try read(String(decoding: written, as: UTF8.self)).value == checked.value)
        for (text, cell) in [
            ("code;status\nA;SOLVED\n", "#cell=2,2"), ("code;status\n;open\n", "#cell=2,1"), ("status\nopen\n", "#row=1"),
            ("code;status\nA;open\na;open\n", "#cell=3,1"),
        ] {
            let faults = #expect(throws: ReferenceFaults.self) { _ = try read(text) }
            #expect(faults?.listed.map(\.pointer) == [cell], "\(text)")
        }
    }

    @Test("every fault is told with its place")
    func everyFault() throws {
        #expect(
            try faults(
                #"[{"code": "A", "status": "open"}, {"code": "a", "status": "SOLVED"}, {"status": 5}, 7, {"code": "", "status": "open"}, "#
                    + #"{"code": "B", "status": "open", "colour/tone": 1, "status_notes": []}]"#)
                == ["/1/status", "/1/code", "/2/code", "/2/status", "/3", "/4/code", "/5/colour~1tone", "/5/status_notes"])
        #expect(try faults(#"[{"code": "A", "status": "IN_PROCESS,PROCESSED"}, {"code": "B", "status": "REJECTED,X"}]"#) == ["/0/status"])
        #expect(try faults(#"{"codes": {}}"#) == ["/codes"])
        #expect(try faults("5") == [""])
        let many = (0...1_000).map { "{\"code\": \"\($0)\", \"status\": \"open\"}" }.joined(separator: ",")
        #expect(try faults("[\(many)]") == [""])
        let long = String(repeating: "x", count: 65)
        #expect(try faults("[{\"code\": \"\(long)\", \"status\": \"open\"}]") == ["/0/code"])
    }
}
