import Testing

@testable import Operations

@Suite("What lies in a dead queue")
struct DeadLetterLookTests {
    @Test("letters are counted by reason and type, the most frequent first; a stranger's words are not told")
    func kinds() {
        let created = "service_request.created.v1"
        let letters: [(reason: String, type: String?)] =
            [("rejected", "service_request.updated.v1"), ("rejected", created), ("delivery_limit", created), ("rejected", created)]
            + [("rejected", "Zébulon Quatrebarbes"), ("rejected", nil), ("rejected", "zebulon@perso.example")]
        #expect(
            DeadLetterLook.kinds(letters) == [
                "rejected - 3", "rejected \(created) 2", "delivery_limit \(created) 1", "rejected service_request.updated.v1 1",
            ])
        #expect(DeadLetterLook.kinds([]) == [])
        #expect(DeadLetterLook.kinds(letters, areAll: false).first == "rejected - 3/7")
        #expect(DeadLetterLook.kinds((0..<9).map { ("rejected", "type_\($0)") }).count == 5)
    }
}
