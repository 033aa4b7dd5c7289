/// What may be wrong, by the name under which operators and their tools know it.
public enum AlertCode: String, Sendable, Hashable, CaseIterable {
    // Of a tenant
    case noConsumer = "NO_CONSUMER"
    case consumerStuck = "CONSUMER_STUCK"
    case backlogAge = "BACKLOG_AGE"
    case queueFill = "QUEUE_FILL"
    case deadLetters = "DEAD_LETTERS"
    /// Of a tenant: publishing or statuses; of the installation: logins to the broker.
    case repeatedFailures = "REPEATED_FAILURES"
    case responseDelayAck = "RESPONSE_DELAY_ACK"
    case responseDelayProgress = "RESPONSE_DELAY_PROGRESS"
    case statusSilent = "STATUS_SILENT"
    case feedEmpty = "FEED_EMPTY"
    case purgeSuspected = "PURGE_SUSPECTED"
    case configDrift = "CONFIG_DRIFT"
    // Of the installation
    case outboxAge = "OUTBOX_AGE"
    case relayDown = "RELAY_DOWN"
    case brokerDown = "BROKER_DOWN"
    case brokerAlarm = "BROKER_ALARM"
    case nodeDown = "NODE_DOWN"
    case quorumCritical = "QUORUM_CRITICAL"
    case certExpiry = "CERT_EXPIRY"
    case disk = "DISK"
    case deadman = "DEADMAN"

    /// The page for operators, under docs/operators/runbooks.
    public var runbook: String { rawValue.lowercased().replacing("_", with: "-") + ".md" }

    /// While one of these is there, this one follows from it and is not told.
    ///
    /// Only what really explains it: the broker as a whole. One node that is down leaves the queues served, so a CRM that is gone then is
    /// news; so does a majority that hangs by one node (QUORUM_CRITICAL, which two of three nodes always are). An alarm stops whoever
    /// publishes, relays and CRMs with statuses over AMQP, and nobody who consumes.
    public var inhibitors: [AlertCode] {
        switch self {
        case .noConsumer, .consumerStuck, .queueFill: [.brokerDown]
        case .backlogAge, .responseDelayAck: [.brokerDown, .noConsumer]
        case .statusSilent: [.brokerDown, .brokerAlarm, .relayDown, .noConsumer]
        case .outboxAge: [.brokerDown, .brokerAlarm, .relayDown]
        case .repeatedFailures: [.brokerDown, .brokerAlarm]
        case .responseDelayProgress: [.noConsumer]
        case .nodeDown, .brokerAlarm, .quorumCritical, .certExpiry: [.brokerDown]
        // What citizens send comes in whatever the broker does.
        case .feedEmpty: []
        case .deadLetters, .purgeSuspected, .configDrift, .relayDown, .brokerDown, .disk, .deadman: []
        }
    }

    /// What is told again when it has grown, even after somebody took care of it: more than when it was last told is news.
    var growing: AlertFact? { self == .deadLetters ? .deadLetters : nil }

    /// Whether it is the installation's, and no tenant's.
    public var isOfInstallation: Bool {
        switch self {
        case .outboxAge, .relayDown, .brokerDown, .brokerAlarm, .nodeDown, .quorumCritical, .certExpiry, .disk, .deadman: true
        default: false
        }
    }

    /// Whether this audience ever hears of it.
    public func isTold(to audience: AlertAudience) -> Bool { delay(for: audience, AlertRules.standard(self)) != nil }

    /// Who hears of it, and how long after the condition began at the earliest.
    func delay(for audience: AlertAudience, _ rule: AlertRule) -> Int64? {
        switch (audience, self) {
        case (.administrator, .responseDelayProgress): nil
        case (.administrator, _): 0
        case (.manager, .noConsumer): rule.managerAfter
        case (.manager, .consumerStuck), (.manager, .backlogAge), (.manager, .deadLetters), (.manager, .responseDelayAck),
            (.manager, .responseDelayProgress), (.manager, .statusSilent), (.manager, .feedEmpty):
            0
        // Only what the tenant itself sends: see ``AlertObservation/concernsTenant``.
        case (.manager, .repeatedFailures): 0
        case (.manager, _): nil
        }
    }

    /// Seconds until it is told again while nothing changes: four hours, then every day. A digest comes less often.
    func pause(for audience: AlertAudience, told: Int) -> Int64 {
        switch (audience, self) {
        case (.administrator, .responseDelayAck): 7 * 86_400
        case (_, .responseDelayProgress), (_, .responseDelayAck): 86_400
        default: told < 2 ? 4 * 3_600 : 86_400
        }
    }
}

/// For whom a text is written.
public enum AlertAudience: String, Sendable, Hashable, CaseIterable {
    /// Who runs the installation, and who runs the tenant's connection: wants names and commands.
    case administrator
    /// Who answers for the tenant: wants to know what it means, and for whom.
    case manager
}

/// One thing that may be wrong with one tenant, or with the installation.
public struct AlertKey: Sendable, Hashable {
    public let code: AlertCode
    /// Nil for the installation.
    public let tenant: TenantID?

    public init(_ code: AlertCode, _ tenant: TenantID? = nil) {
        self.code = code
        self.tenant = tenant
    }
}

public enum AlertSeverity: Int16, Sendable, Hashable, Comparable {
    case warning = 1
    case critical = 2

    public static func < (left: AlertSeverity, right: AlertSeverity) -> Bool { left.rawValue < right.rawValue }
    public var name: String { self == .warning ? "warning" : "critical" }
}
