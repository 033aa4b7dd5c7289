import AMQP
import Open311

/// One step of one destination: whether it went well, and what there is to say about it in either language.
public struct NetworkFinding: Sendable, Hashable {
    public enum Step: String, Sendable, Hashable, CaseIterable { case dns, tcp, tls, certificate, answer, login, heartbeat }

    public let target: String
    public let step: Step
    /// What was found; the key of the texts in ``NetworkTexts``.
    public let outcome: Outcome
    public let milliseconds: Double?
    /// What the texts name, by placeholder.
    public let values: [String: String]

    public enum Outcome: String, Sendable, Hashable, CaseIterable {
        case resolved, unknownHost
        case connected, connectTimeout, refused, unreachable, connectFailed
        case encrypted, inClear, handshakeTimeout, handshakeClosed, handshakeRefused, ownFiles
        case trusted, expiresSoon, expired, notYetValid, unknownAuthority, wrongHost, badCertificate
        case speaksAMQP, speaksHTTP, notAMQP, notHTTP, httpInsteadOfAMQP, silent, hangsUp
        case loggedIn, loginRefused, loginFailed
        case keptOpen, cut

        public var isOK: Bool {
            switch self {
            case .resolved, .connected, .encrypted, .inClear, .trusted, .expiresSoon, .speaksAMQP, .speaksHTTP, .loggedIn, .keptOpen: true
            default: false
            }
        }
    }

    public init(
        _ target: String, _ step: Step, _ outcome: Outcome, milliseconds: Double? = nil, _ values: [String: String] = [:]
    ) {
        (self.target, self.step, self.outcome) = (target, step, outcome)
        (self.milliseconds, self.values) = (milliseconds, values)
    }

    public var isOK: Bool { outcome.isOK }
}

extension NetworkFinding {
    /// Days before its end at which a certificate that is still good is mentioned.
    static let warningDays = 14

    /// What a look at one address found, step by step up to the first that failed.
    ///
    /// - Parameter now: seconds since 1970.
    static func findings(
        from look: NetworkProbe.Outcome, at destination: NetworkPlan.Destination, now: Int, limit: Int
    ) -> [NetworkFinding] {
        let target = destination.name
        let values = ["host": destination.host, "port": String(destination.port), "limit": String(limit)]
        func finding(_ step: Step, _ outcome: Outcome, _ milliseconds: Double? = nil, _ more: [String: String] = [:]) -> NetworkFinding {
            NetworkFinding(target, step, outcome, milliseconds: milliseconds, values.merging(more) { $1 })
        }
        guard look.reached >= .tcp else {
            let outcome: Outcome =
                switch look.cause {
                case .timeout: .connectTimeout
                case .refused: .refused
                case .unreachable: .unreachable
                default: .connectFailed
                }
            return [finding(.tcp, outcome)]
        }
        var found = [finding(.tcp, .connected, look.milliseconds[.tcp])]
        if destination.usesTLS {
            guard look.reached >= .tls else {
                let outcome: Outcome =
                    switch look.cause {
                    case .timeout: .handshakeTimeout
                    case .own: .ownFiles
                    case .tls: .handshakeRefused
                    default: .handshakeClosed
                    }
                return found + [finding(.tls, outcome, nil, ["words": look.tlsWords.isEmpty ? "-" : look.tlsWords])]
            }
            found.append(finding(.tls, .encrypted, look.milliseconds[.tls], ["version": look.tlsVersion]))
            if let certificate = look.certificate {
                let judged = judgement(of: certificate, now: now)
                found.append(finding(.certificate, judged.outcome, nil, judged.values))
                // What a stranger in the middle answers says nothing of the broker.
                if !judged.outcome.isOK { return found }
            }
        } else {
            found.append(finding(.tls, .inClear))
        }
        return found + [answer(look, destination, finding)]
    }

    private static func judgement(of certificate: NetworkProbe.Certificate, now: Int) -> (outcome: Outcome, values: [String: String]) {
        let days = (certificate.notAfter - now) / 86_400
        let outcome: Outcome =
            switch certificate.problem {
            case .none: days < warningDays ? .expiresSoon : .trusted
            case .expired: .expired
            case .notYetValid: .notYetValid
            case .unknownAuthority: .unknownAuthority
            case .wrongHost: .wrongHost
            case .ownFiles, .other: .badCertificate
            }
        let day = { (seconds: Int) in
            let date = Timestamp(seconds: Int64(seconds)).civil
            return "\(date.year)-\(date.month < 10 ? "0" : "")\(date.month)-\(date.day < 10 ? "0" : "")\(date.day)"
        }
        return (
            outcome,
            [
                "issuer": certificate.issuer, "subject": certificate.subject, "names": certificate.names.isEmpty ? "-" : certificate.names,
                "until": day(certificate.notAfter), "from": day(certificate.notBefore), "days": String(max(0, days)),
            ]
        )
    }

    private static func answer(
        _ look: NetworkProbe.Outcome, _ destination: NetworkPlan.Destination,
        _ finding: (Step, Outcome, Double?, [String: String]) -> NetworkFinding
    ) -> NetworkFinding {
        let outcome: Outcome
        var values: [String: String] = [:]
        switch (look.answer, destination.purpose) {
        case (.amqp, .broker): outcome = .speaksAMQP
        case (.http(let status), .api):
            outcome = .speaksHTTP
            values["status"] = String(status)
        case (.http(let status), .broker):
            outcome = .httpInsteadOfAMQP
            values["status"] = String(status)
        case (.none, _): outcome = look.cause == .timeout ? .silent : .hangsUp
        case (_, .broker): outcome = .notAMQP
        case (_, .api): outcome = .notHTTP
        }
        return finding(.answer, outcome, look.milliseconds[.answer], values)
    }
}
