import Open311

/// Where a service request has been on its way from the citizen to the CRM and back.
public struct RequestTimeline: Sendable {
    /// The stations in their order; the first that is missing is where the request waits.
    public enum Station: String, Sendable, CaseIterable {
        /// By the gateway.
        case received
        /// In the database, with its event.
        case stored
        /// Written to the broker.
        case published
        /// The broker has it in the tenant's queue.
        case confirmed
        /// The CRM's first word of it.
        case acknowledged
        /// The CRM's first status.
        case firstStatus = "first_status"
        /// By the CRM; missing while the request is open, opened again included.
        case closed
    }

    /// One event of the request.
    public struct Event: Sendable {
        public let sequence: Int32
        /// `service_request.created.v1`.
        public let type: String
        /// `pending`, `confirmed`, `parked` or `skipped`.
        public let state: String
        /// How often the broker refused it.
        public let attempts: Int32
        /// Why, a short code of ours.
        public let reason: String?
        public let publishedAt: Timestamp?
        public let confirmedAt: Timestamp?
        public let isReplay: Bool
    }

    public let request: ServiceRequestID
    public let moments: [Station: Timestamp]
    public let events: [Event]

    /// Nil when everything has been passed.
    public var waitsFor: Station? { Station.allCases.first { moments[$0] == nil } }
}
