/// What a search for service requests may ask (GeoReport v2, GET service requests; CitySDK reference 1.6). Filters combine with
/// AND; several values of one filter with OR; both ends of every range belong to it.
public struct ServiceRequestFilter: Sendable, Equatable {
    /// Named requests override everything else.
    public var addresses: [RequestAddress]?
    public var serviceCodes: [ServiceCode]?
    public var requestedFrom: Timestamp
    public var requestedTo: Timestamp
    /// Bounds on `updated_datetime`; nil when neither was given.
    public var updated: ClosedRange<Timestamp>?
    public var statuses: Set<PublicStatus>
    /// Tokens of the detailed status, upper-case; a request matches that has any of them.
    public var detailedStatuses: [String]?
    /// Compared without regard to case.
    public var agencies: [String]?
    /// Stands somewhere in description, title, address or agency, without regard to case.
    public var text: String?
    public var object: ObjectFilter?
    public var circle: SearchCircle?
    public var box: BoundingBox?
    public var hasMedia: Bool?
    public var order: ServiceRequestOrder
    /// 1 to 1,000.
    public var limit: Int
    public var position: Position

    /// GeoReport's bound on a window and on a list.
    public static let windowDays: Int64 = 90
    public static let maximumCount = 1_000
    /// Requests that a page's number may pass over; a cursor has no such bound.
    public static let maximumOffset = 100_000

    /// A service object, or every object of one namespace.
    public struct ObjectFilter: Sendable, Equatable {
        public let type: String
        public let id: String?
        /// What is no whole URI stands somewhere in the namespace, without regard to case (CitySDK reference 1.9).
        public var isFragment: Bool { !WebAddress.isAbsolute(type) && !type.lowercased().hasPrefix("urn:") }

        public init(type: String, id: String?) {
            self.type = type
            self.id = id
        }
    }

    /// Where the wanted page begins.
    public enum Position: Sendable, Equatable {
        /// Passing over so many requests; `counts` asks for how many match in all.
        case offset(Int, counts: Bool)
        /// Right after the request that a cursor names: nothing is passed over, nothing repeated, whatever is stored meanwhile.
        case after(SearchCursor)
    }

    public init(
        addresses: [RequestAddress]? = nil, serviceCodes: [ServiceCode]? = nil, requestedFrom: Timestamp, requestedTo: Timestamp,
        updated: ClosedRange<Timestamp>? = nil, statuses: Set<PublicStatus> = Set(PublicStatus.allCases),
        order: ServiceRequestOrder = .newestFirst, limit: Int = ServiceRequestFilter.maximumCount,
        position: Position = .offset(0, counts: false)
    ) {
        self.addresses = addresses
        self.serviceCodes = serviceCodes
        self.requestedFrom = requestedFrom
        self.requestedTo = requestedTo
        self.updated = updated
        self.statuses = statuses
        self.order = order
        self.limit = limit
        self.position = position
    }
}

/// In which order a search answers; equal ones are ordered by id in the same direction.
public struct ServiceRequestOrder: Sendable, Hashable {
    public enum Field: String, Sendable, CaseIterable {
        case requested = "requested_datetime"
        case updated = "updated_datetime"
        case id = "service_request_id"
        case status
        case distance
    }

    public let field: Field
    public let isDescending: Bool

    public init(_ field: Field, isDescending: Bool) {
        self.field = field
        self.isDescending = isDescending
    }

    public static let newestFirst = ServiceRequestOrder(.requested, isDescending: true)

    /// Reads `updated_datetime` or `-updated_datetime`.
    public init?(parsing text: String) {
        let isDescending = text.hasPrefix("-")
        guard let field = Field(rawValue: isDescending ? String(text.dropFirst()) : text) else { return nil }
        self.init(field, isDescending: isDescending)
    }

    /// Whether a page can begin after a given request without counting what precedes it.
    public var hasCursor: Bool { field == .requested || field == .updated || field == .id }
}

/// Where the last page ended and which window it looked at, so that the next page looks at the same one.
public struct SearchCursor: Sendable, Equatable, CustomStringConvertible {
    public let from: Timestamp
    public let to: Timestamp
    /// What the order compares, of the last request of the page before; unused where the id alone orders.
    public let moment: Timestamp
    public let id: ServiceRequestID

    public init(from: Timestamp, to: Timestamp, moment: Timestamp, id: ServiceRequestID) {
        self.from = from
        self.to = to
        self.moment = moment
        self.id = id
    }

    /// Four numbers, for a URL.
    public var description: String { "\(from.microseconds)_\(to.microseconds)_\(moment.microseconds)_\(id)" }

    /// Nil for anything that ``description`` does not give.
    public init?(parsing text: String) {
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        guard text.utf8.count <= 90, parts.count == 4, let from = Timestamp(stored: parts[0]), let to = Timestamp(stored: parts[1]),
            let moment = Timestamp(stored: parts[2]), let id = ServiceRequestID(parsing: String(parts[3]))
        else { return nil }
        self.init(from: from, to: to, moment: moment, id: id)
    }
}

extension Timestamp {
    /// The bounds of a search that has none: far outside of everything stored, inside what PostgreSQL can hold.
    public static let distantPast = Timestamp(seconds: -2_000_000_000)
    public static let distantFuture = Timestamp(seconds: 10_000_000_000)

    fileprivate init?(stored digits: Substring) {
        guard let microseconds = Int64(digits), (Self.distantPast.microseconds...Self.distantFuture.microseconds).contains(microseconds)
        else { return nil }
        self.init(microseconds: microseconds)
    }
}
