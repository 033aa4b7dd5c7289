/// One time that something was wrong: from its first sign to its end. What is stored of an alert.
public struct AlertEpisode: Sendable, Equatable {
    public enum Phase: String, Sendable {
        /// Seen, and not for long enough.
        case pending
        case firing
        /// Over, and not for long enough.
        case resolving
        case ended
    }

    /// What an audience has heard.
    public struct Told: Sendable, Equatable {
        public var at: Timestamp
        public var count: Int
        public var severity: AlertSeverity

        public init(at: Timestamp, count: Int, severity: AlertSeverity) {
            self.at = at
            self.count = count
            self.severity = severity
        }
    }

    /// Why nobody is told although it fires.
    public enum Silence: Sendable, Equatable {
        /// It follows from another one.
        case follows(AlertCode)
        case maintenance
        case muted

        public init?(_ text: String) {
            switch text {
            case "maintenance": self = .maintenance
            case "muted": self = .muted
            default:
                guard let code = AlertCode(rawValue: text) else { return nil }
                self = .follows(code)
            }
        }

        public var name: String {
            switch self {
            case .follows(let code): code.rawValue
            case .maintenance: "maintenance"
            case .muted: "muted"
            }
        }
    }

    public let key: AlertKey
    /// Nil until it is stored.
    public var number: Int64?
    public var phase: Phase
    public var severity: AlertSeverity
    /// Since when the condition holds.
    public var since: Timestamp
    public var firedAt: Timestamp?
    public var clearSince: Timestamp?
    public var endedAt: Timestamp?
    /// When somebody last could tell.
    public var seenAt: Timestamp
    /// Now; the names as they were when it was bad.
    public var facts: [AlertFact: Int64]
    /// The largest of each number while it lasted.
    public var peaks: [AlertFact: Int64]
    public var names: [String]
    public var concernsTenant: Bool
    /// It came and went more than twice within an hour: told once, and ended only by half an hour of calm.
    public var isUnstable: Bool
    public var silence: Silence?
    /// It was held back while it was pending, so it has to prove itself again.
    public var wasHeld: Bool
    public var acknowledgedAt: Timestamp?
    public var told: [AlertAudience: Told]
    /// How much there was of what grows when it was last told; nil where nothing grows.
    public var toldValue: Int64?

    public init(_ key: AlertKey, since: Timestamp, severity: AlertSeverity) {
        self.key = key
        self.since = since
        self.severity = severity
        phase = .pending
        seenAt = since
        facts = [:]
        peaks = [:]
        names = []
        concernsTenant = true
        isUnstable = false
        wasHeld = false
        told = [:]
    }

    /// From its first sign to its end, or to now.
    public func duration(at now: Timestamp) -> Int64 { max(0, ((clearSince ?? endedAt ?? now).seconds) - since.seconds) }
}

/// Something to be told.
public struct AlertNotice: Sendable, Equatable {
    public enum Kind: String, Sendable {
        case fired, worsened, repeated, unstable, recovered, test
    }

    public let kind: Kind
    public let audience: AlertAudience
    public let episode: AlertEpisode
    public let at: Timestamp

    public init(_ kind: Kind, to audience: AlertAudience, of episode: AlertEpisode, at: Timestamp) {
        self.kind = kind
        self.audience = audience
        self.episode = episode
        self.at = at
    }
}
