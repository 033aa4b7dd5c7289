import AMQP
import Foundation
import Open311
import Testing

@testable import Bus

@Suite("What a city's network must let out")
struct NetworkCheckTests {
    private static let broker = NetworkPlan.Destination(host: "bus.example", port: 5_671, purpose: .broker)
    private static let api = NetworkPlan.Destination(host: "status.example", port: 443, purpose: .api)
    private static let now = 1_800_000_000

    private func certificate(_ problem: CertificateProblem = .none, days: Int = 90) -> NetworkProbe.Certificate {
        NetworkProbe.Certificate(
            subject: "CN=bus.example", issuer: "CN=Some Authority", names: "bus.example", notBefore: Self.now - 86_400,
            notAfter: Self.now + days * 86_400, problem: problem)
    }

    private func look(
        _ reached: NetworkProbe.Step, _ cause: NetworkProbe.Cause = .none, _ certificate: NetworkProbe.Certificate? = nil,
        _ answer: NetworkProbe.Answer = .none
    ) -> NetworkProbe.Outcome {
        NetworkProbe.Outcome(
            reached: reached, cause: cause, tlsVersion: "TLSv1.3", tlsWords: "words", certificate: certificate, answer: answer)
    }

    private func outcomes(_ look: NetworkProbe.Outcome, _ destination: NetworkPlan.Destination = Self.broker) -> [NetworkFinding.Outcome] {
        NetworkFinding.findings(from: look, at: destination, now: Self.now, limit: 5).map(\.outcome)
    }

    @Test("is read from host names, ports and addresses")
    func reads() throws {
        #expect(NetworkPlan.brokers(parsing: "bus.example")?.map(\.name) == ["bus.example:5671", "bus.example:443"])
        #expect(NetworkPlan.brokers(parsing: "a:1, [::1]:2,b")?.map(\.name) == ["a:1", "[::1]:2", "b:5671", "b:443"])
        #expect(NetworkPlan.api(parsing: "https://s.example/v1")?.name == "s.example:443")
        #expect(NetworkPlan.api(parsing: "https://s.example:8443")?.name == "s.example:8443")
        for text in ["", "a b", "a:0", "a:x", "a:65536", "-a", "a/b", "u:p@a", "::1", "[::1", "[::1]x", "a,,b", "é"] {
            #expect(NetworkPlan.brokers(parsing: text) == nil, "\(text)")
        }
        for text in ["http://s.example", "https://", "https://a,b", "https://u:p@h"] {
            #expect(NetworkPlan.api(parsing: text) == nil, "\(text)")
        }
    }

    @Test("of any characters is read or refused", arguments: 0..<300)
    func fuzz(seed: UInt64) {
        var random = Dice(state: seed)
        let pieces = ["a", ":", "443", ",", "[", "]", "::1", ".", "-", "@", " ", "https://", "é", "65536", "/"]
        let text = (0..<Int.random(in: 0...10, using: &random)).map { _ in pieces[Int.random(in: 0..<pieces.count, using: &random)] }
            .joined()
        for destination in NetworkPlan.brokers(parsing: text) ?? [] { #expect(!destination.host.isEmpty && destination.port > 0) }
        _ = NetworkPlan.api(parsing: text)
    }

    @Test("is judged step by step up to the first that fails")
    func judges() {
        #expect(outcomes(look(.none, .timeout)) == [.connectTimeout])
        #expect(outcomes(look(.none, .refused)) == [.refused])
        #expect(outcomes(look(.none, .unreachable)) == [.unreachable])
        #expect(outcomes(look(.tcp, .timeout)) == [.connected, .handshakeTimeout])
        #expect(outcomes(look(.tcp, .closed)) == [.connected, .handshakeClosed])
        #expect(outcomes(look(.tcp, .tls)) == [.connected, .handshakeRefused])
        #expect(outcomes(look(.tcp, .own)) == [.connected, .ownFiles])
        #expect(outcomes(look(.answer, .none, certificate(), .amqp)) == [.connected, .encrypted, .trusted, .speaksAMQP])
        #expect(outcomes(look(.answer, .none, certificate(days: 13), .amqp))[2] == .expiresSoon)
        #expect(outcomes(look(.answer, .none, certificate(), .http(status: 400))).last == .httpInsteadOfAMQP)
        #expect(outcomes(look(.answer, .none, certificate(), .other)).last == .notAMQP)
        #expect(outcomes(look(.tls, .timeout, certificate())).last == .silent)
        #expect(outcomes(look(.tls, .closed, certificate())).last == .hangsUp)
        #expect(outcomes(look(.answer, .none, certificate(), .http(status: 404)), Self.api).last == .speaksHTTP)
        #expect(outcomes(look(.answer, .none, certificate(), .amqp), Self.api).last == .notHTTP)
    }

    @Test("whoever intercepts TLS is named, and what he answers is not taken for the bus")
    func intercepted() throws {
        let findings = NetworkFinding.findings(
            from: look(.answer, .none, certificate(.unknownAuthority), .amqp), at: Self.broker, now: Self.now, limit: 5)
        #expect(findings.map(\.outcome) == [.connected, .encrypted, .unknownAuthority])
        for language in [Language.french, .english] {
            let text = NetworkTexts.text(of: try #require(findings.last), in: language)
            #expect(text.found.contains("CN=Some Authority"))
            #expect(text.remedy?.contains("bus.example, port 5671") == true)
        }
        for (problem, outcome) in [
            (CertificateProblem.expired, NetworkFinding.Outcome.expired), (.wrongHost, .wrongHost), (.notYetValid, .notYetValid),
        ] {
            #expect(outcomes(look(.answer, .none, certificate(problem), .amqp)).last == outcome)
        }
    }

    @Test(
        "every finding has its text in both languages, what failed its remedy, and no placeholder stays",
        arguments: NetworkFinding.Outcome.allCases)
    func texts(_ outcome: NetworkFinding.Outcome) {
        let known = [
            "host", "port", "addresses", "limit", "words", "version", "names", "issuer", "until", "from", "days", "status", "detail",
            "seconds",
            "heartbeat", "idle",
        ]
        let finding = NetworkFinding("t", .tcp, outcome, Dictionary(uniqueKeysWithValues: known.map { ($0, "X") }))
        for language in [Language.french, .english] {
            let text = NetworkTexts.text(of: finding, in: language)
            #expect(!text.found.isEmpty && !(text.found + (text.remedy ?? "")).contains("{"))
            #expect(outcome.isOK || text.remedy != nil)
        }
        #expect(NetworkTexts.french(outcome).found != NetworkTexts.english(outcome).found)
    }

    @Test("one way to the broker is enough, and every API is needed")
    func verdict() throws {
        let second = NetworkPlan.Destination(host: "bus.example", port: 443, purpose: .broker)
        let plan = NetworkPlan(destinations: [Self.broker, second, Self.api])
        func report(_ bad: Set<String>) -> NetworkReport {
            NetworkReport(
                plan: plan,
                findings: plan.destinations.map {
                    NetworkFinding($0.name, .tcp, bad.contains($0.name) ? .refused : .connected, milliseconds: 1)
                })
        }
        #expect(report([]).isOK)
        #expect(report([Self.broker.name]).isOK)
        #expect(!report([Self.broker.name, second.name]).isOK)
        #expect(!report([Self.api.name]).isOK)
        #expect(report([Self.broker.name]).text(in: .french).contains("ÉCHEC"))
        #expect(report([Self.broker.name]).text(in: .english).contains("one way is enough"))
        let json = try #require(
            try JSONSerialization.jsonObject(with: Data(try report([Self.api.name]).json(in: .french).utf8)) as? [String: Any])
        #expect(json["ok"] as? Bool == false)
        #expect((json["findings"] as? [[String: Any]])?.count == 3)
    }

    @Test("the sheet names every destination, no inbound rule and the idle limit; the one in the documents is the program's")
    func sheet() throws {
        let plan = NetworkPlan(
            destinations: try #require(NetworkPlan.brokers(parsing: "bus.example"))
                + [try #require(NetworkPlan.api(parsing: "https://status.example"))])
        let file = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../docs/vendors/firewall.md").standardizedFileURL
        let document = try String(contentsOf: file, encoding: .utf8)
        for language in [Language.french, .english] {
            let sheet = NetworkSheet(plan: plan).markdown(in: language)
            for word in ["| bus.example | TCP 5671 |", "| bus.example | TCP 443 |", "| status.example | TCP 443 |", "30 s", "TLS 1.2"] {
                #expect(sheet.contains(word), "\(word)")
            }
            #expect(document.contains(sheet), "bus311 netcheck --broker bus.example --status-url https://status.example --sheet")
        }
    }

    @Test("an answer is known by its first bytes")
    func answers() {
        #expect(NetworkProbe.Answer([1, 0, 0, 0, 0, 1, 255, 0, 10, 0, 10, 0, 9]) == .amqp)
        #expect(NetworkProbe.Answer(Array("AMQP\u{0}\u{0}\u{9}\u{1}".utf8)) == .otherAMQP)
        #expect(NetworkProbe.Answer(Array("HTTP/1.1 400 Bad request\r\n".utf8)) == .http(status: 400))
        #expect(NetworkProbe.Answer(Array("HTTP/".utf8)) == .http(status: 0))
        #expect(NetworkProbe.Answer([]) == .none)
        #expect(NetworkProbe.Answer([1, 0, 0]) == .other)
    }
}

/// The same throws for the same seed.
private struct Dice: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 29)
    }
}
