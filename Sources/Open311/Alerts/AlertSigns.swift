/// What the broker says of itself.
public struct BrokerSigns: Sendable, Equatable {
    public var nodesDown: [String]
    /// Whether so many nodes are down that the rest is no majority: quorum queues serve nobody, whatever the management says.
    public var hasNoMajority: Bool
    /// Memory or disk: it takes no message from anybody.
    public var hasAlarm: Bool
    /// Some queue would lose its majority with one more node.
    public var isQuorumCritical: Bool
    /// Of the listeners' certificates: within so many days the first of them ends, 0 for one that has ended. Nil when none does within the
    /// days that were asked for.
    public var certificateDaysLeft: Int?
    /// Nodes with less disk above their limit than the limit itself.
    public var nodesShortOfDisk: [String]
    /// Within the last ten minutes.
    public var failedLogins: Int

    public init(
        nodesDown: [String] = [], hasNoMajority: Bool = false, hasAlarm: Bool = false, isQuorumCritical: Bool = false,
        certificateDaysLeft: Int? = nil,
        nodesShortOfDisk: [String] = [], failedLogins: Int = 0
    ) {
        self.nodesDown = nodesDown
        self.hasNoMajority = hasNoMajority
        self.hasAlarm = hasAlarm
        self.isQuorumCritical = isQuorumCritical
        self.certificateDaysLeft = certificateDaysLeft
        self.nodesShortOfDisk = nodesShortOfDisk
        self.failedLogins = failedLogins
    }
}

/// A disk of this machine.
public struct DiskSign: Sendable, Equatable {
    public var path: String
    /// Per cent in use.
    public var used: Int

    public init(path: String, used: Int) {
        self.path = path
        self.used = used
    }
}

/// What is seen of the installation at one look. What is nil could not be told.
public struct InstallationSigns: Sendable, Equatable {
    /// Whether the broker answers at all; nil where nobody asks it.
    public var isBrokerReachable: Bool?
    public var broker: BrokerSigns?
    /// Seconds for which the oldest event has waited for the broker; 0 when none does.
    public var outboxAge: Int64?
    public var outboxPending: Int64 = 0
    public var shardsWithoutLeader: Int?
    public var disks: [DiskSign] = []
    /// Whether the external checker took the last heartbeat; nil where there is none.
    public var heartbeatArrives: Bool?

    public init() {}
}

/// What the broker says of a tenant's queues.
public struct QueueSigns: Sendable, Equatable {
    public var consumers: Int
    /// Connections as the tenant's users.
    public var connections: Int
    /// Messages, in consumers' hands included.
    public var depth: Int
    public var unacknowledged: Int
    /// Acknowledged since the look before; nil at the first look.
    public var acknowledged: Int?
    /// Per cent of the limit of messages or of bytes, whichever is nearer.
    public var fill: Int
    /// In the dead queue.
    public var dead: Int

    public init(
        consumers: Int = 0, connections: Int = 0, depth: Int = 0, unacknowledged: Int = 0, acknowledged: Int? = nil, fill: Int = 0,
        dead: Int = 0
    ) {
        self.consumers = consumers
        self.connections = connections
        self.depth = depth
        self.unacknowledged = unacknowledged
        self.acknowledged = acknowledged
        self.fill = fill
        self.dead = dead
    }
}

/// How often something comes, and when it last did.
public struct Rhythm: Sendable, Equatable {
    /// Hours in which anything came, 25 at most: the newest ones, however long ago that was.
    public var count: Int64
    public var last: Timestamp?
    /// The newest of the first of those hours.
    public var first: Timestamp?

    public init(count: Int64 = 0, first: Timestamp? = nil, last: Timestamp? = nil) {
        self.count = count
        self.first = first
        self.last = last
    }

    /// Seconds between two such hours, on average, before it fell silent; nil for too few to tell.
    public var usualInterval: Int64? {
        guard count >= 5, let first, let last, last > first else { return nil }
        return (last.seconds - first.seconds) / (count - 1)
    }
}

/// What is looked at every few minutes only.
public struct TenantHistory: Sendable, Equatable {
    /// Requests in the queue for longer than agreed without a word from the CRM.
    public var unacknowledged: Int64 = 0
    /// Requests that the CRM knows, without progress for longer than agreed.
    public var unprogressed: Int64 = 0
    public var statuses = Rhythm()
    public var requests = Rhythm()
    /// The first request after the CRM's last status, or of all when there never was one.
    public var deliveredSince: Timestamp?

    public init() {}
}

/// What is seen of one tenant at one look.
public struct TenantSigns: Sendable, Equatable {
    public var tenant: TenantID
    public var terms: ServiceTerms
    public var clock: LocalClock
    /// Nil when the broker did not say.
    public var queue: QueueSigns?
    /// Of the dead queue, as in `rejected service_request.created.v1 2`; empty when nobody looked.
    public var deadLetterKinds: [String] = []
    /// When the oldest message of the queue was confirmed; nil when it is empty or not known.
    public var oldestInQueue: Timestamp?
    /// Within the last ten minutes, of events that were taken afterwards too: how often the broker returned or refused one, or did not
    /// confirm it in time. Without those that a full queue refused.
    public var publishFailures: Int64 = 0
    /// Whether the broker refused an event that waits because the queue is full.
    public var isRefused = false
    /// Statuses that were refused within the last ten minutes.
    public var rejections: Int64 = 0
    /// The open incident of a purged or deleted queue.
    public var lossIncident: Int64?
    public var lostMessages: Int64 = 0
    public var hasDrift = false
    /// Nil until it was looked at.
    public var history: TenantHistory?

    public init(tenant: TenantID, terms: ServiceTerms, clock: LocalClock) {
        self.tenant = tenant
        self.terms = terms
        self.clock = clock
    }
}
