import Open311
import Testing

@Suite("The numbers of alerts")
struct AlertRulesTests {
    @Test("an installation changes some; the others stay")
    func changes() throws {
        let rules = try AlertRules(
            parsing: "NO_CONSUMER.after=20m, BACKLOG_AGE.warning=1h,QUEUE_FILL.critical=90, NO_CONSUMER.clear_after=30s")
        #expect(rules[.noConsumer].after == 1_200 && rules[.noConsumer].clearAfter == 30 && rules[.noConsumer].managerAfter == 1_800)
        #expect(rules[.backlogAge].warning == 3_600 && rules[.backlogAge].critical == 14_400 && rules[.queueFill].critical == 90)
        #expect(rules[.outboxAge] == AlertRules()[.outboxAge])
        #expect(try AlertRules(parsing: "") == AlertRules())
    }

    @Test(
        "a mistake is named, and nothing is changed",
        arguments: [
            "NO_CONSUMER", "NO_CONSUMER=3", "NOBODY.after=3", "NO_CONSUMER.soon=3", "NO_CONSUMER.after=", "NO_CONSUMER.after=-1",
            "NO_CONSUMER.after=1y", "NO_CONSUMER.after=9999999999", "NO_CONSUMER.after=1.5h", "NO_CONSUMER.after=3=4", "=", ".=",
            "no_consumer.after=3",
        ])
    func mistakes(text: String) { #expect(throws: InvalidValue.self) { try AlertRules(parsing: text) } }

    @Test(
        "a value that cannot be, or that a rule does not have, is refused",
        arguments: [
            "QUEUE_FILL.clear=90", "DISK.warning=200", "BACKLOG_AGE.critical=1m", "NO_CONSUMER.warning=3",
            "CONSUMER_STUCK.manager_after=3m",
            "CERT_EXPIRY.critical=40", "DEAD_LETTERS.clear=1", "RELAY_DOWN.critical=2", "OUTBOX_AGE.warning=0", "OUTBOX_AGE.warning=10m",
            "DISK.critical=101", "CERT_EXPIRY.warning=60d",
        ])
    func impossible(text: String) { #expect(throws: InvalidValue.self) { try AlertRules(parsing: text) } }

    @Test(
        "limits are judged together, whatever the order in which they stand",
        arguments: [
            "BACKLOG_AGE.warning=5h, BACKLOG_AGE.critical=9h", "QUEUE_FILL.clear=60,QUEUE_FILL.warning=70",
            "DISK.warning=100,DISK.critical=100",
            "CERT_EXPIRY.warning=5, CERT_EXPIRY.critical=2", "DEAD_LETTERS.warning=10", "CERT_EXPIRY.warning=60",
            "REPEATED_FAILURES.warning=2",
        ])
    func possible(text: String) throws { _ = try AlertRules(parsing: text) }

    @Test("any text is read or refused, and never ends anything")
    func anything() {
        var random = SystemRandomNumberGenerator()
        let pieces = ["NO_CONSUMER", ".", "after", "=", "20", "m", ",", " ", "d", "é", "\u{0}", "9", "-"]
        for _ in 0..<2_000 {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            _ = try? AlertRules(parsing: text)
        }
    }
}

@Suite("The words of alerts")
struct AlertTextTests {
    private func notice(_ kind: AlertNotice.Kind, _ audience: AlertAudience, _ code: AlertCode = .noConsumer) -> AlertNotice {
        var episode = AlertEpisode(AlertKey(code, TenantID(1)), since: Timestamp(seconds: 1_790_000_000), severity: .critical)
        episode.phase = kind == .recovered ? .ended : .firing
        episode.facts = [.consumers: 0, .connections: 0, .messages: 12]
        episode.peaks = [.messages: 40]
        episode.names = ["o311.valmont-7f3a9c.requests"]
        episode.number = 12
        episode.clearSince = kind == .recovered ? Timestamp(seconds: 1_790_007_500) : nil
        return AlertNotice(kind, to: audience, of: episode, at: Timestamp(seconds: 1_790_007_500))
    }

    private func text(_ notice: AlertNotice, _ language: Language) -> AlertText {
        AlertText(
            notice, tenant: ("Ville de Valmont", "valmont-7f3a9c"), language: language, zone: "Europe/Paris",
            links: AlertText.Links(acknowledge: "https://bus.example/alerts/12/manager/1/0f"))
    }

    @Test("two audiences read two texts: commands and objects for one, plain words for the other")
    func audiences() {
        let administrator = text(notice(.fired, .administrator), .french)
        let manager = text(notice(.fired, .manager), .french)
        #expect(administrator.body.contains("bus311 credential list") && administrator.body.contains("no-consumer.md"))
        #expect(administrator.body.contains("personne n'est connecté") && administrator.body.contains("o311.valmont-7f3a9c.requests"))
        #expect(manager.body.contains("Votre logiciel de GRC n'est plus connecté") && manager.body.contains("Aucune demande n'est perdue"))
        for word in ["bus311 ", "rabbitmqctl", "o311.", ".md"] { #expect(!manager.body.contains(word), "\(word)") }
        #expect(manager.body.contains("https://bus.example/alerts/12/manager/1/0f"))
    }

    @Test("the end tells how long it was and how bad; there is nothing left to acknowledge")
    func recovery() {
        for (language, words) in [
            (Language.french, ["Durée : 2 h 05 min", "messages en attente : 40"]),
            (.english, ["Duration: 2 h 05 min", "messages waiting: 40"]),
        ] {
            let body = text(notice(.recovered, .administrator), language).body
            for word in words { #expect(body.contains(word), "\(body)") }
            #expect(!body.contains("/alerts/"))
        }
    }

    @Test("moments are those of the tenant's clock, as its language writes them")
    func moments() {
        #expect(text(notice(.fired, .manager), .french).body.contains("21/09/2026 à 16:13 (Europe/Paris)"))
        #expect(text(notice(.fired, .manager), .english).body.contains("2026-09-21 16:13 (Europe/Paris)"))
    }

    @Test("a city's name cannot add a line to the subject")
    func oneLine() {
        let text = AlertText(
            notice(.fired, .manager), tenant: ("Valmont\r\nBcc: a@b.example", "valmont-7f3a9c"), language: .french, zone: "Europe/Paris",
            links: AlertText.Links())
        #expect(!text.subject.contains("\n") && !text.subject.contains("\r"))
    }
}
