/// A service request as its readers see it (GeoReport v2, "service request object"), without personal data.
public struct ServiceRequest: Sendable, Equatable {
    public let id: ServiceRequestID
    public var status: DetailedStatus
    public var statusNotes: String?
    public var serviceCode: ServiceCode
    /// As it was named, in the request's language, when the request was made.
    public var serviceName: String
    public var description: String
    public var agencyResponsible: String?
    public var serviceNotice: String?
    public var requestedAt: Timestamp
    public var updatedAt: Timestamp
    public var expectedAt: Timestamp?
    public var location: Location
    /// Paths of stored photos below the installation's root, then absolute http(s) URLs as given; the first is GeoReport's
    /// `media_url`.
    public var mediaURLs: [String]
    public var answers: [Answer]
    public var title: String?
    public var object: ServiceObject?
    /// The id that the CRM gave in place of ours.
    public var givenID: GivenID?
    /// The request that this one is a duplicate of.
    public var mergedInto: ServiceRequestID?
    /// How that one stands, when it was read with this one and citizens may see it.
    public var parent: ParentRequest?

    public init(
        id: ServiceRequestID, status: DetailedStatus, statusNotes: String?, serviceCode: ServiceCode, serviceName: String,
        description: String, agencyResponsible: String?, serviceNotice: String?, requestedAt: Timestamp, updatedAt: Timestamp,
        expectedAt: Timestamp?, location: Location, mediaURLs: [String], answers: [Answer],
        title: String? = nil, object: ServiceObject? = nil, givenID: GivenID? = nil, mergedInto: ServiceRequestID? = nil
    ) {
        self.id = id
        self.status = status
        self.statusNotes = statusNotes
        self.serviceCode = serviceCode
        self.serviceName = serviceName
        self.description = description
        self.agencyResponsible = agencyResponsible
        self.serviceNotice = serviceNotice
        self.requestedAt = requestedAt
        self.updatedAt = updatedAt
        self.expectedAt = expectedAt
        self.location = location
        self.mediaURLs = mediaURLs
        self.answers = answers
        self.title = title
        self.object = object
        self.givenID = givenID
        self.mergedInto = mergedInto
    }
}

/// What the reader of a duplicate is told of the request that it was merged into.
public struct ParentRequest: Sendable, Equatable {
    public let publicID: String
    public let status: DetailedStatus
    public let statusNotes: String?
    public let updatedAt: Timestamp

    public init(publicID: String, status: DetailedStatus, statusNotes: String?, updatedAt: Timestamp) {
        self.publicID = publicID
        self.status = status
        self.statusNotes = statusNotes
        self.updatedAt = updatedAt
    }
}

extension ServiceRequest {
    /// What citizens call it.
    public var publicID: String { givenID?.text ?? id.description }

    /// Whether photos of ours are among its media.
    public var hasStoredMedia: Bool { mediaURLs.first?.utf8.first == UInt8(ascii: "/") }

    /// The same with absolute addresses.
    ///
    /// - Parameter root: without a slash at the end.
    public func withMedia(below root: String) -> ServiceRequest {
        var copy = self
        copy.mediaURLs = mediaURLs.map { $0.hasPrefix("/") ? root + $0 : $0 }
        return copy
    }
}

/// The thing that a request is about (CitySDK, "service object"): a lamp post, a bench, a parking.
public struct ServiceObject: Sendable, Equatable {
    /// The namespace of the id; a URI where possible.
    public let type: String
    public let id: String

    public init(type: String, id: String) {
        self.type = type
        self.id = id
    }
}

/// The citizen's answer to one attribute of the service.
public struct Answer: Sendable, Equatable {
    public let code: String
    /// At least one.
    public let values: [String]

    public init(code: String, values: [String]) {
        self.code = code
        self.values = values
    }
}

/// Who reported it. Personal data: kept in a table of its own, sent to the tenant's CRM only, never logged.
public struct Reporter: Sendable, Equatable {
    public var firstName: String?
    public var lastName: String?
    public var email: String?
    public var phone: String?
    public var accountID: String?
    public var deviceID: String?
    /// The legal person in whose name it was reported.
    public var organisation: String?
    /// Its establishment in the French register: 14 digits.
    public var siret: String?

    public init(
        firstName: String?, lastName: String?, email: String?, phone: String?, accountID: String?, deviceID: String?,
        organisation: String? = nil, siret: String? = nil
    ) {
        self.firstName = firstName
        self.lastName = lastName
        self.email = email
        self.phone = phone
        self.accountID = accountID
        self.deviceID = deviceID
        self.organisation = organisation
        self.siret = siret
    }

    /// Nobody named themselves: the submission is anonymous.
    public var isEmpty: Bool {
        firstName == nil && lastName == nil && email == nil && phone == nil && accountID == nil && deviceID == nil && organisation == nil
            && siret == nil
    }
}
