import Foundation
import Open311
import Testing

@Suite("A lifecycle update as a CRM writes it")
struct StatusFormTests {
    private let now = Timestamp(seconds: 1_790_000_000)

    private func update(_ json: String, _ mapping: StatusMapping = .empty) throws -> StatusUpdate {
        try StatusUpdateForm(parsing: Array(json.utf8)).update(id: "u", receivedAt: now, mapping: mapping)
    }

    private func places(_ json: String, _ mapping: StatusMapping = .empty) -> [String] {
        do {
            _ = try update(json, mapping)
            return []
        } catch let fault as StatusUpdateFault { return [fault.code] + fault.members.map(\.pointer) } catch { return ["\(error)"] }
    }

    @Test("an acknowledgement is enough by itself; nothing is not")
    func acknowledgement() throws {
        #expect(try update(#"{"ack": true}"#).isAcknowledgement)
        #expect(try !update(#"{"ack": true, "internal_notes": "n"}"#).isPublic)
        for empty in ["{}", #"{"ack": false}"#, #"{"ack": null, "status": null}"#, #"{"sequence": 4}"#, #"{"status_notes": ""}"#] {
            #expect(places(empty) == ["empty-update"], "\(empty)")
        }
        for bad in [#"{"ack": 1}"#, #"{"ack": "true"}"#, #"{"ack": []}"#, #"{"ack": 0, "status": "open"}"#] {
            #expect(places(bad) == ["invalid-update", "/ack"], "\(bad)")
        }
    }

    @Test("every member at fault is named, all at once")
    func faults() {
        #expect(
            places(
                #"{"status": "SOLVED", "status_code": "X", "status_notes": 5, "internal_notes": [], "agency_responsible": {}, "#
                    + #""expected_datetime": "soon", "merged_into": "a b", "ack": "yes", "sequence": -1, "updated_datetime": "2099-01-01T00:00:00Z"}"#
            ) == [
                "invalid-update", "/status", "/updated_datetime", "/status_notes", "/agency_responsible", "/expected_datetime",
                "/internal_notes", "/merged_into", "/ack", "/sequence", "/status_code",
            ])
        for sequence in ["1.5", "\"1\"", "true", "9007199254740992", "1e300"] {
            #expect(places("{\"ack\": true, \"sequence\": \(sequence)}") == ["invalid-update", "/sequence"], "\(sequence)")
        }
        #expect(places(#"{"merged_into": "2611000004217", "status": "open"}"#) == ["invalid-update", "/status"])
    }

    @Test("a code means what the mapping says, and what the CRM said is its identity")
    func codes() throws {
        let first = StatusMapping([.init(code: "EC", status: DetailedStatus(.inProcess, refinements: ["A"]), statusNotes: "En cours")])
        let second = StatusMapping([.init(code: "ec", status: DetailedStatus(.rejected), statusNotes: nil)])
        let update = try update(#"{"status_code": "ec"}"#, first)
        #expect(update.status == .detailed(DetailedStatus(.inProcess, refinements: ["A"])) && update.statusNotes == "En cours")
        #expect(try self.update(#"{"status_code": "ec", "status_notes": "Mieux"}"#, first).statusNotes == "Mieux")
        #expect(try self.update(#"{"status_code": "ec"}"#, second).fingerprint == update.fingerprint)
        #expect(try self.update(#"{"status_code": "EC", "status": "open"}"#, first).status == update.status)
        for unmapped in [#"{"status_code": "EC", "status": "closed"}"#, #"{"status_code": "XX"}"#] {
            let fault = try self.update(unmapped, first).unmapped
            #expect(fault?.code == "invalid-update" && fault?.members.map(\.pointer) == ["/status_code"])
        }
        let merging = try self.update(#"{"status_code": "EC", "merged_into": "2611000004217"}"#, first).unmapped
        #expect(merging?.members.first?.text.contains("must be a closed one") == true)
        // It may be the repetition of what was taken when the mapping had it.
        #expect(try self.update(#"{"status_code": "ec"}"#, .empty).fingerprint == update.fingerprint)
        let both = places(#"{"status_code": "XX", "erasure": {"outcome": "erased"}}"#, first)
        #expect(both == ["invalid-update", "/erasure", "/status_code"])
    }

    @Test("updates that say other things have other fingerprints")
    func fingerprints() throws {
        let all = try [
            #"{"ack": true}"#, #"{"internal_notes": "true"}"#, #"{"status_notes": "true"}"#, #"{"merged_into": "2611000004217"}"#,
            #"{"external_reference": "true"}"#, #"{"ack": true, "sequence": 1}"#, #"{"ack": true, "sequence": 2}"#,
            #"{"ack": true, "internal_notes": "ack"}"#, #"{"status": "REJECTED,DUPLICATE"}"#,
        ].map { try update($0).fingerprint }
        #expect(Set(all).count == all.count)
    }

    @Test("a batch tells of each update what is wrong with it, and is refused whole only as a whole")
    func batches() throws {
        let body =
            #"{"updates": [{"update_id": "1", "service_request_id": "2611000004217", "ack": true}, 5, {"update_id": "", "ack": true}, "#
            + #"{"update_id": "2", "service_request_id": "a/b", "ack": true}, {"update_id": "3", "status": "X", "external_reference": "G"}]}"#
        let items = try StatusBatchForm(parsing: Array(body.utf8)).items(receivedAt: now, mapping: .empty)
        let told = items.map { item -> String in
            switch item.content {
            case .success(let content): "\(content.address)"
            case .failure(let fault): ([fault.code] + fault.members.map(\.pointer)).joined(separator: " ")
            }
        }
        #expect(
            told == [
                "number(2611000004217)", "invalid-update ", "invalid-update /update_id", "unknown-request",
                "invalid-update /status",
            ])
        // In an answer each leads into the body that was sent.
        let placed = StatusUpdateFault.invalid([.init(pointer: "/status", text: "x")]).placed(at: StatusBatchForm.place(of: 4))
        #expect(placed.members.map(\.pointer) == ["/updates/4/status"] && placed.code == "invalid-update")
        let item = #"{"update_id": "1", "service_request_id": "2611000004217", "ack": true}"#
        func count(_ number: Int) -> String { "{\"updates\": [\(Array(repeating: item, count: number).joined(separator: ","))]}" }
        #expect(try StatusBatchForm(parsing: Array(count(1_000).utf8)).items(receivedAt: now, mapping: .empty).count == 1_000)
        for (bad, code) in [
            (count(1_001), "too-many-updates"), (count(0), "invalid-update"), ("[]", "malformed-json"), ("{}", "invalid-update"),
            (String(repeating: "[", count: 200_000), "malformed-json"), (#"{"updates": 5}"#, "invalid-update"), ("", "malformed-json"),
        ] {
            #expect { try StatusBatchForm(parsing: Array(bad.utf8)) } throws: { ($0 as? StatusUpdateFault)?.code == code }
        }
    }

    @Test("a member that occurs twice, half a text, a list: refused with the place")
    func twoReaders() {
        for (body, word) in [
            (#"{"ack": true, "status": "RECEIVED", "status": "PROCESSED"}"#, "line 1, column 37: the member “status” occurs twice"),
            ("[1]", "this is an array"), ("{", "line 1"), (#"{"ack": true} {"#, "comes after the end"),
        ] {
            #expect { try StatusUpdateForm(parsing: Array(body.utf8)) } throws: {
                ($0 as? StatusUpdateFault)?.code == "malformed-json" && ($0 as? StatusUpdateFault)?.detail.contains(word) == true
            }
            #expect(throws: StatusUpdateFault.self) {
                try StatusBatchForm(parsing: Array("{\"updates\": [\(body)], \"updates\": []}".utf8))
            }
        }
    }

    @Test("characters that no database keeps are taken out of a text")
    func controls() throws {
        #expect(try update(#"{"status_notes": "nul\u0000x\u0007"}"#).statusNotes == "nulx")
    }

    @Test("no body at all ends it: bytes at random, and whole ones with some changed")
    func garbage() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var dice = SeededGenerator(seed: seed)
        let whole =
            Array(
                #"{"updates": [{"update_id": "1", "service_request_id": "2611000004217", "status": "IN_PROCESS,A", "ack": true, "sequence": 12, "#
                    .utf8)
            + Array(
                #""merged_into": "CRM-1", "status_notes": "é\u0000", "updated_datetime": "2026-01-01T00:00:00Z", "status_code": "EC"}]}"#
                    .utf8)
        for _ in 0..<3_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...6, using: &dice) {
                bytes[Int.random(in: bytes.indices, using: &dice)] = UInt8.random(in: 0...255, using: &dice)
            }
            if let form = try? StatusBatchForm(parsing: bytes) { _ = form.items(receivedAt: now, mapping: .empty) }
            if let form = try? StatusUpdateForm(parsing: bytes) { _ = try? form.update(id: "u", receivedAt: now) }
        }
    }
}
