import Open311

/// Which stored events are to be sent again.
public struct ReplaySelection: Sendable, Equatable {
    /// Of the events' own moments, from the first, before the last.
    public var from: Timestamp
    public var to: Timestamp
    public var service: String?
    /// Of the request as it stands now.
    public var status: PublicStatus?
    public var request: ServiceRequestID?
    /// Only these; nil for all.
    public var events: [EventID]?

    public init(
        from: Timestamp, to: Timestamp, service: String? = nil, status: PublicStatus? = nil, request: ServiceRequestID? = nil,
        events: [EventID]? = nil
    ) {
        self.from = from
        self.to = to
        self.service = service
        self.status = status
        self.request = request
        self.events = events
    }

    /// Exactly these events, each looked for about the moment that its id names.
    ///
    /// - Returns: nil without any.
    public init?(events: [EventID]) {
        guard let first = events.map(\.moment).min(), let last = events.map(\.moment).max() else { return nil }
        // A gateway's clock may differ from the database's.
        self.init(from: first.adding(seconds: -3_600), to: last.adding(seconds: 3_600), events: events)
    }
}

/// How much a job sends, and what it cannot send.
public struct ReplayExtent: Sendable, Equatable {
    public let events: Int64
    public let bytes: Int64
    public let leftOut: LeftOut

    /// Of all that a job names, whatever it has sent before.
    public struct LeftOut: Sendable, Equatable {
        /// Events whose content went with its term: see ``RetentionRule/daysOfEvents``.
        public let emptied: Int64
        /// Events of requests that were erased.
        public let erased: Int64
    }
}

/// How far a job is.
public struct ReplayProgress: Sendable, Equatable {
    /// Events handed to the relay in all.
    public let queued: Int64
    public let isDone: Bool
}

/// A job as it is kept.
public struct ReplayJob: Sendable {
    public let id: Int64
    public let tenant: TenantID
    public let queued: Int64
    public let finishedAt: Timestamp?
}
