import Open311
import Testing

@testable import Operations
@testable import Storage

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

    @Test("one look while there are letters, another when there are more and time has passed; a failure keeps what was known and rests")
    func looks() async throws {
        actor Broker {
            var looks = 0
            var isAway = false
            func set(away: Bool) { isAway = away }
            func look(_ dead: Int) throws -> [String] {
                looks += 1
                if isAway { throw CancellationError() }
                return ["rejected - \(dead)"]
            }
        }
        let broker = Broker()
        let deadLetters = DeadLetterLook { _, dead in try await broker.look(dead) }
        func tenant(_ number: Int32) throws -> AlertTenant {
            AlertTenant(
                id: TenantID(number), key: try TenantKey(validating: "valmont-7f3a9c"), name: "Valmont", language: .french,
                timeZone: "Europe/Paris", virtualHost: "open311", terms: ServiceTerms(), hasAdministrator: true, hasManager: true)
        }
        let (one, other) = (try tenant(1), try tenant(2))
        var memory = DeadLetterLook.Memory()
        func look(_ tenant: AlertTenant, _ dead: Int, at seconds: Int64, isFree: Bool = true) async throws -> [String] {
            try await deadLetters.look(at: tenant, dead: dead, &memory, now: Timestamp(seconds: seconds)) { work in
                isFree ? try await work() : nil
            }
        }
        #expect(try await look(one, 0, at: 0) == [])
        #expect(try await look(one, 3, at: 1, isFree: false) == [], "a command has them")
        #expect(try await look(one, 3, at: 2) == ["rejected - 3"])
        #expect(try await look(one, 2, at: 2_000) == ["rejected - 3"], "fewer are no news")
        #expect(try await look(one, 3, at: 2_001) == ["rejected - 3"])
        await broker.set(away: true)
        await #expect(throws: CancellationError.self) { _ = try await look(one, 9, at: 3_000) }
        #expect(try await look(one, 9, at: 3_001) == ["rejected - 3"] && memory.found[one.id]?.dead == 3)
        #expect(try await look(other, 1, at: 3_002) == [], "nobody is looked at while it rests")
        #expect(await broker.looks == 3)
        await broker.set(away: false)
        #expect(try await look(one, 9, at: 3_060) == ["rejected - 9"])
        #expect(try await look(one, 0, at: 3_061) == [] && memory.found.isEmpty)
    }
}
