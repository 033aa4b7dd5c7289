import Curl
import Foundation
import Open311
import Testing

@testable import Operations
@testable import Storage

@Suite("The plan of notices")
struct NoticePlanTests {
    private let plan = NoticePlan()

    private func error(_ kind: MailError.Kind, mayHaveArrived: Bool = false, hadRecipient: Bool = false) -> MailError {
        MailError(kind: kind, server: "smtp://x:25", mayHaveArrived: mayHaveArrived, hadRecipient: hadRecipient)
    }

    @Test("a refusal for good ends it, one for now waits longer each time, the server's own failure is nobody's attempt")
    func steps() {
        #expect(plan.step(after: error(.refused), attempts: 1, doubts: 0) == .end(.failed, reason: "refused"))
        #expect(plan.step(after: error(.invalidMessage), attempts: 1, doubts: 0) == .end(.failed, reason: "invalid_message"))
        var last = Duration.zero
        for attempt in Int32(1)...40 {
            guard case .again(let pause, 0, _) = plan.step(after: error(.refusedForNow), attempts: attempt, doubts: 0) else {
                Issue.record("attempt \(attempt)")
                return
            }
            #expect(pause >= last && pause <= .seconds(240 * 60))
            last = pause
        }
        for kind in [MailError.Kind.cannotConnect, .untrusted, .loginRefused, .serverRefuses, .timedOut, .connectionLost, .closed, .other] {
            #expect(plan.step(after: error(kind), attempts: 9, doubts: 1) == .rest(reason: kind.rawValue))
        }
    }

    @Test(
        "a server that hangs up at a recipient's name puts that notice off; over the third recipient the mailer rests",
        arguments: [MailError.Kind.connectionLost, .timedOut, .serverRefuses, .other])
    func stumbles(kind: MailError.Kind) {
        let failure = error(kind, hadRecipient: true)
        for stumbles in 1...2 {
            #expect(
                plan.step(after: failure, attempts: 2, doubts: 0, stumbles: stumbles)
                    == .again(after: .seconds(5 * 60), doubts: 0, reason: kind.rawValue))
        }
        #expect(plan.step(after: failure, attempts: 2, doubts: 0, stumbles: 3) == .rest(reason: kind.rawValue))
        #expect(NoticePlan.isStumble(failure) && !NoticePlan.isStumble(error(kind)))
        #expect(!NoticePlan.isStumble(error(kind, mayHaveArrived: true, hadRecipient: true)), "that is a doubt")
        #expect(!NoticePlan.isStumble(error(.closed, hadRecipient: true)) && !NoticePlan.isStumble(error(.refused, hadRecipient: true)))
    }

    @Test("whatever servers do, a notice is handed over at most twice without an answer, and its story ends")
    func bounded() {
        var random = SystemRandomNumberGenerator()
        let kinds: [MailError.Kind] = [.refusedForNow, .timedOut, .connectionLost, .cannotConnect, .serverRefuses]
        for _ in 0..<500 {
            var (clock, attempts, doubts, inDoubt, failures) = (Duration.zero, Int32(0), Int32(0), 0, 0)
            var end: NoticeEnd?
            while end == nil {
                if plan.isOver(Timestamp(seconds: 0), at: Timestamp(seconds: clock.components.seconds)) {
                    end = .expired
                    break
                }
                attempts += 1
                let mayHaveArrived = Int.random(in: 0..<10, using: &random) == 0
                if mayHaveArrived { inDoubt += 1 }
                let failure = error(
                    kinds.randomElement(using: &random) ?? .timedOut, mayHaveArrived: mayHaveArrived,
                    hadRecipient: Bool.random(using: &random))
                switch plan.step(after: failure, attempts: attempts, doubts: doubts, stumbles: Int.random(in: 0...3, using: &random)) {
                case .end(let reached, _): end = reached
                case .again(let pause, let now, _):
                    doubts = now
                    failures = 0
                    clock += pause
                case .rest:
                    failures += 1
                    attempts -= 1
                    clock += plan.rest(after: failures)
                }
                #expect(clock < .seconds(4 * 86_400))
            }
            #expect(inDoubt <= 2 && (end == .doubtful) == (inDoubt == 2))
        }
    }

    @Test("an hour without a server is tried at least twelve times and at most often enough to notice its end")
    func outage() {
        var (clock, attempts) = (Duration.zero, 0)
        while clock < .seconds(3_600) {
            attempts += 1
            clock += plan.rest(after: attempts)
        }
        #expect((12...30).contains(attempts))
        #expect(!plan.isOver(Timestamp(seconds: 0), at: Timestamp(seconds: 3 * 86_400 - 1)))
        #expect(plan.isOver(Timestamp(seconds: 0), at: Timestamp(seconds: 3 * 86_400 + 1)))
    }

    @Test(
        "a lease is longer than an attempt with its goodbye, in tests too",
        arguments: [Duration.milliseconds(1), .milliseconds(100), .seconds(60)])
    func lease(minute: Duration) {
        let plan = NoticePlan(minute: minute)
        #expect(plan.lease > plan.timeout * 2 && plan.timeout >= .seconds(1))
    }
}

@Suite("Notices as mails")
struct NoticeComposerTests {
    private func composer() throws -> NoticeComposer {
        NoticeComposer(
            sender: try MailAddress(validating: "bus@valmont.example"), secret: try LinkSecret(String(repeating: "s", count: 32)),
            rootURL: "https://bus.example")
    }

    private func content(email: String = "ada@mail.example", city: String = "Valmont", service: String = "Lampadaire") throws
        -> WaitingNotice.Content
    {
        WaitingNotice.Content(
            email: email, number: "2611000004217", serviceName: service, requestedAt: Timestamp(seconds: 1_772_359_200), language: .french,
            tenantKey: try TenantKey(validating: "valmont-7f3a9c"), tenantName: city, tenantLanguage: .french, timeZone: "Europe/Paris",
            fromName: nil, replyTo: nil, templates: [:])
    }

    private func notice(_ content: WaitingNotice.Content, note: String? = nil) -> WaitingNotice {
        WaitingNotice(
            id: 12, tenant: TenantID(7), request: ServiceRequestID(stored: 2_611_000_004_217), kind: .rejected, note: note,
            createdAt: Timestamp(seconds: 1_772_359_300), attempts: 1, doubts: 0, content: content)
    }

    @Test("a second attempt is the same mail: same name, same links, same words")
    func same() throws {
        let content = try content()
        let first = try composer().message(notice(content, note: "Voie privée"), content, at: Timestamp(seconds: 1_772_360_000))
        let second = try composer().message(notice(content, note: "Voie privée"), content, at: Timestamp(seconds: 1_772_390_000))
        #expect(first.id == second.id && first.text == second.text && first.unsubscribe == second.unsubscribe)
        #expect(first.id.text == "<notice.valmont-7f3a9c.12@valmont.example>")
        #expect(first.text.contains("1 mars 2026") && first.text.contains("La raison : Voie privée"))
        #expect(first.text.contains("https://bus.example/report/") && first.text.contains(first.unsubscribe?.url ?? "-"))
    }

    @Test("the link to unsubscribe carries the keyed hash of whom the mail goes to, and nothing else of the person")
    func unsubscribing() throws {
        let content = try content()
        let url = try #require(try composer().message(notice(content), content, at: Timestamp(seconds: 1_772_360_000)).unsubscribe?.url)
        let secret = try LinkSecret(String(repeating: "s", count: 32))
        let token = try #require(url.split(separator: "/").last.map(String.init))
        let link = try SignedLink(token, for: .unsubscribe, secret, at: Timestamp(seconds: 1_772_360_000))
        #expect(link.address == secret.hash(address: "ada@mail.example") && !url.contains("ada"))
    }

    @Test("no word of a citizen, a city or a CRM becomes a header", arguments: ["x\r\nBcc: c@d.example", "x\nX: y", "x\u{85}X: y", "x\0"])
    func injection(text: String) throws {
        let content = try content(city: text, service: text)
        let message = try composer().message(notice(content, note: text), content, at: Timestamp(seconds: 1_772_360_000))
        let head = String(decoding: message.bytes, as: UTF8.self).components(separatedBy: "\r\n\r\n")[0]
        #expect(!head.contains("\nBcc:") && !head.contains("\nX:"))
        #expect(throws: MailValueError.self) {
            let wrong = try self.content(email: "a@b.example" + text)
            _ = try self.composer().message(self.notice(wrong), wrong, at: Timestamp(seconds: 0))
        }
    }
}
