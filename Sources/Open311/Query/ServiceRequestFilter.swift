/// What a search for service requests may ask (GeoReport v2, GET service requests).
public struct ServiceRequestFilter: Sendable, Equatable {
    /// Named ids override everything else.
    public var ids: [ServiceRequestID]?
    public var serviceCodes: [ServiceCode]?
    /// Both ends inclusive.
    public var requestedFrom: Timestamp
    public var requestedTo: Timestamp
    public var statuses: Set<PublicStatus>
    /// 1 to 1,000.
    public var limit: Int

    /// GeoReport's bound on a window and on a list.
    public static let windowDays: Int64 = 90
    public static let maximumCount = 1_000

    public init(
        ids: [ServiceRequestID]? = nil, serviceCodes: [ServiceCode]? = nil, requestedFrom: Timestamp, requestedTo: Timestamp,
        statuses: Set<PublicStatus> = Set(PublicStatus.allCases), limit: Int = ServiceRequestFilter.maximumCount
    ) {
        self.ids = ids
        self.serviceCodes = serviceCodes
        self.requestedFrom = requestedFrom
        self.requestedTo = requestedTo
        self.statuses = statuses
        self.limit = limit
    }
}
