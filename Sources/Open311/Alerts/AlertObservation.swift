/// A number that an alert tells. Never a name, never content.
public enum AlertFact: String, Sendable, Hashable, CaseIterable {
    case consumers, connections, messages, unacknowledged
    case ageSeconds = "age_seconds"
    case percent
    case deadLetters = "dead_letters"
    case publishFailures = "publish_failures"
    case rejections
    case failedLogins = "failed_logins"
    case requests
    case silenceSeconds = "silence_seconds"
    case shards, days, incident
}

/// What one look shows of one thing that may be wrong.
public struct AlertObservation: Sendable, Equatable {
    public enum Level: Sendable, Equatable {
        case clear
        /// Below what starts an alert, above what ends it.
        case between
        case bad(AlertSeverity)
    }

    public var level: Level
    public var facts: [AlertFact: Int64]
    /// Objects of the broker or of the disk that are concerned; names of ours.
    public var names: [String]
    /// Whether it is something that the tenant's manager can do something about.
    public var concernsTenant: Bool

    public init(_ level: Level, _ facts: [AlertFact: Int64] = [:], names: [String] = [], concernsTenant: Bool = true) {
        self.level = level
        self.facts = facts
        self.names = names
        self.concernsTenant = concernsTenant
    }

    /// A value against a rule's three limits.
    init(_ value: Double, _ rule: AlertRule, _ facts: [AlertFact: Int64]) {
        let level: Level =
            value >= rule.critical
            ? .bad(.critical) : value >= rule.warning ? .bad(.warning) : value < rule.clear || rule.clear == 0 ? .clear : .between
        self.init(level, facts)
    }
}
