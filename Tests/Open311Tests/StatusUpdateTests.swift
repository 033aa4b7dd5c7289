import Open311
import Testing

@Suite("A lifecycle update")
struct StatusUpdateTests {
    private func update(at seconds: Int64 = 0, namesItsMoment: Bool = true, notes: String? = "n", reference: String? = nil) -> StatusUpdate
    {
        StatusUpdate(
            id: "1", occurredAt: Timestamp(microseconds: seconds * 1_000_000), namesItsMoment: namesItsMoment, status: .general(.closed),
            statusNotes: notes, agencyResponsible: nil, expectedAt: nil, serviceNotice: nil, externalReference: reference)
    }

    @Test("its id is counted as the database counts: not more than 128 code points, however they combine")
    func identifier() {
        let accented = "e\u{301}"
        #expect(StatusUpdateForm.isUpdateID(String(repeating: accented, count: 64)))
        #expect(!StatusUpdateForm.isUpdateID(String(repeating: accented, count: 65)) && !StatusUpdateForm.isUpdateID(""))
    }

    @Test("beside its path it names no other request by accident: what is no id is a fault, null and absent are not")
    func named() throws {
        func named(_ value: String) throws(StatusUpdateFault) -> RequestAddress? {
            try StatusUpdateForm(parsing: Array("{\"service_request_id\": \(value), \"status\": \"closed\"}".utf8)).namedRequest()
        }
        #expect(try named("null") == nil)
        #expect(try StatusUpdateForm(parsing: Array("{\"status\": \"closed\"}".utf8)).namedRequest() == nil)
        let number = try #require(ServiceRequestID(parsing: "2611000001002"))
        #expect(try named("\"2611000001002\"") == .number(number))
        #expect(try named("2611000001002") == .number(number))
        #expect(try named("\"VAL-42\"") == .given(GivenID(validating: "VAL-42")))
        for wrong in ["\"\"", "\"a b\"", "\"../x\"", "true", "[]", "{}", "[\"2611000001002\"]", "1.5", "1e300"] {
            let fault = #expect(throws: StatusUpdateFault.self) { try named(wrong) }
            #expect(fault?.code == "invalid-update" && fault?.members.map(\.pointer) == ["/service_request_id"], "\(wrong)")
        }
    }

    @Test("that names no moment is the same when it is repeated later")
    func repeatedLater() {
        #expect(update(at: 1, namesItsMoment: false).fingerprint == update(at: 2, namesItsMoment: false).fingerprint)
    }

    @Test(
        "a status is one general word and words of the sender's own: no other general word, and not GeoReport's other one",
        arguments: [
            ("IN_PROCESS,PROCESSED", "PROCESSED"), ("processed , Rejected, ARCHIVED", "REJECTED"), ("RECEIVED,X,pending", "PENDING"),
            ("IN_PROCESS,CLOSED", "CLOSED"), ("ARCHIVED,OPEN", "OPEN"), ("IN_PROCESS,OPEN", nil),
            ("PROCESSED,CLOSED,CLOSED", nil), ("REJECTED,DUPLICATE", nil), ("closed", nil),
        ] as [(String, String?)])
    func contradictions(text: String, other: String?) throws {
        guard let other else {
            #expect(throws: Never.self) { try StatusUpdate.RequestedStatus(validating: text) }
            return
        }
        let error = #expect(throws: InvalidValue.self) { try StatusUpdate.RequestedStatus(validating: text) }
        #expect(error?.problem.contains("and \(other), which contradict each other") == true)
        // What was taken before the rule is read as it was.
        #expect(throws: Never.self) { try StatusUpdate.RequestedStatus(stored: text) }
    }

    @Test("a word that is said twice counts once")
    func repeatedWords() throws {
        let status = try StatusUpdate.RequestedStatus(validating: "IN_PROCESS,X,in_process,Y,x")
        #expect(status == .detailed(DetailedStatus(.inProcess, refinements: ["X", "Y"])))
    }

    @Test("with another moment, another text, or a text in another place is another one")
    func others() {
        let all = [
            update(), update(at: 1), update(namesItsMoment: false), update(notes: nil), update(notes: ""), update(notes: "m"),
            update(notes: nil, reference: "n"), update(notes: "n", reference: "n"),
        ]
        #expect(Set(all.map(\.fingerprint)).count == all.count)
    }
}
