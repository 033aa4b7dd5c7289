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

        /// What people read.
        public func label(in language: Language) -> String {
            switch (self, language) {
            case (.received, .french): "reçue par la passerelle"
            case (.stored, .french): "enregistrée en base"
            case (.published, .french): "publiée vers le bus"
            case (.confirmed, .french): "confirmée par le bus"
            case (.acknowledged, .french): "prise en compte par la GRC"
            case (.firstStatus, .french): "premier statut"
            case (.closed, .french): "close"
            case (.received, _): "received by the gateway"
            case (.stored, _): "stored in the database"
            case (.published, _): "published to the bus"
            case (.confirmed, _): "confirmed by the bus"
            case (.acknowledged, _): "acknowledged by the CRM"
            case (.firstStatus, _): "first status"
            case (.closed, _): "closed"
            }
        }
    }

    /// One station with how far it is from the one before that was passed.
    public struct Step: Sendable {
        public let station: Station
        public let at: Timestamp?
        /// Seconds since the last station before it that has a moment; nil for the first, and for what has not happened.
        public let seconds: Double?
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
    /// Made at a test endpoint: no event of it is sent.
    public let isTest: Bool
    /// Nothing happens to it any more.
    public let isErased: Bool

    /// The stations in their order. A later one may be passed before an earlier one: a CRM that heard of a request by telephone.
    public var steps: [Step] {
        var previous: Timestamp?
        return Station.allCases.map { station in
            let at = moments[station]
            let seconds = at.flatMap { at in previous.map { Double(at.microseconds - $0.microseconds) / 1_000_000 } }
            previous = at ?? previous
            return Step(station: station, at: at, seconds: seconds)
        }
    }

    /// Nil when everything has been passed that will be.
    public var waitsFor: Station? {
        isErased ? nil : Station.allCases.first { moments[$0] == nil && !(isTest && ($0 == .published || $0 == .confirmed)) }
    }
}
