/// What goes to the CRM when a service request is made or changes: CloudEvents 1.0, structured JSON, with the whole current
/// snapshot (bus reference 2). The bytes written here are the bytes published; nobody encodes them again.
public struct ServiceRequestEvent: Sendable {
    /// Short type with version, as in the message's `type` property.
    public enum Kind: String, Sendable, CaseIterable {
        case created = "service_request.created.v1"
        case createdV2 = "service_request.created.v2"
        case updated = "service_request.updated.v1"
        case updatedV2 = "service_request.updated.v2"
        case moderated = "service_request.moderated.v1"
        case moderatedV2 = "service_request.moderated.v2"
        case mediaAdded = "service_request.media_added.v1"
        case erased = "service_request.erased.v1"

        /// The last two words of the routing key, after the tenant's: the type without its version.
        public var routingSuffix: String { String(rawValue.dropLast(3)) }

        /// The same kind of event in a later major version; nil when there is none.
        public var successor: Kind? {
            switch self {
            case .created: .createdV2
            case .updated: .updatedV2
            case .moderated: .moderatedV2
            case .createdV2, .updatedV2, .moderatedV2, .mediaAdded, .erased: nil
            }
        }

        /// This kind in a major version; what has no later one stays in the first.
        func version(_ major: ContractMajor) -> Kind { major == .one ? self : successor ?? self }
    }

    /// What the installation puts into every event.
    public struct Origin: Sendable {
        /// Reverse-DNS prefix of CloudEvents types.
        public var typePrefix: String
        /// Where schemas are published, without a slash at the end.
        public var schemaBase: String
        /// The GeoReport base as citizens see it, without a slash at the end.
        public var gatewayURL: String
        /// The status-ingest base as CRMs see it, without a slash at the end.
        public var statusIngestURL: String

        /// What photos' addresses begin with.
        public var rootURL: String { Self.root(of: gatewayURL) }

        /// What stands above the GeoReport base: the tenants' bases and the photos.
        public static func root(of gatewayURL: String) -> String {
            gatewayURL.hasSuffix("/open311/v2") ? String(gatewayURL.dropLast(11)) : gatewayURL
        }

        public init(typePrefix: String, schemaBase: String, gatewayURL: String, statusIngestURL: String) {
            self.typePrefix = typePrefix
            self.schemaBase = schemaBase
            self.gatewayURL = gatewayURL
            self.statusIngestURL = statusIngestURL
        }
    }

    /// A message is never larger, in bytes.
    public static let maximumSize = 262_144

    /// Photos and links of one request, whoever added them: `maxItems` of `media` in every published schema.
    public static let maximumMedia = 15

    public let id: EventID
    public let kind: Kind
    public let tenant: TenantKey
    public let requestID: ServiceRequestID
    /// 1 at creation, then one more for each event of this request.
    public let sequence: Int32
    public let time: Timestamp
    /// CloudEvents JSON, UTF-8.
    public let body: [UInt8]

    /// The event of a submission that becomes the request `id` now.
    ///
    /// - Parameters:
    ///   - major: of the contract.
    ///   - random: makes the event's id; cryptographically secure.
    public static func created(
        _ submission: Submission, as requestID: ServiceRequestID, tenant: Tenant, origin: Origin, in major: ContractMajor = .one,
        random: inout some RandomNumberGenerator
    ) -> ServiceRequestEvent {
        let eventID = EventID(at: submission.receivedAt, using: &random)
        let kind = Kind.created.version(major)
        var writer = JSONWriter(capacity: 1_536 + submission.description.utf8.count)
        writer.beginObject()
        writer.envelope(
            id: eventID, kind: kind, tenant: tenant.key, requestID: requestID, sequence: 1, time: submission.receivedAt, origin: origin)
        writer.name("data")
        writer.beginObject()
        writer.snapshot(of: submission, as: requestID, tenant: tenant, origin: origin, major: major)
        writer.endObject()
        writer.endObject()
        return ServiceRequestEvent(
            id: eventID, kind: kind, tenant: tenant.key, requestID: requestID, sequence: 1, time: submission.receivedAt,
            body: writer.bytes)
    }
}

extension JSONWriter {
    mutating func citizenUpdate(
        _ update: CitizenUpdate, sendsPersonalData: Bool, origin: ServiceRequestEvent.Origin
    ) {
        beginObject()
        name("update_id")
        value(update.id)
        name("updated_datetime")
        value(update.occurredAt)
        name("status")
        value(update.status)
        name("description")
        value(update.description)
        name("media")
        media(update.mediaURLs, origin)
        name("requester")
        requester(sendsPersonalData ? update.author : nil)
        endObject()
    }

    mutating func envelope(
        id: EventID, kind: ServiceRequestEvent.Kind, tenant: TenantKey, requestID: ServiceRequestID, sequence: Int32, time: Timestamp,
        origin: ServiceRequestEvent.Origin
    ) {
        envelope(id: id, type: kind.rawValue, name: kind.routingSuffix, tenant: tenant, time: time, origin: origin)
        name("subject")
        quoted(requestID.rawValue)
        name("sequence")
        quoted(Int64(sequence))
    }

    mutating func snapshot(
        of submission: Submission, as requestID: ServiceRequestID, tenant: Tenant, origin: ServiceRequestEvent.Origin,
        major: ContractMajor, sequence: Int32 = 1, status: DetailedStatus = DetailedStatus(.received), updatedAt: Timestamp? = nil
    ) {
        name("service_request_id")
        quoted(requestID.rawValue)
        name("tenant")
        value(tenant.key.rawValue)
        if let token = submission.token {
            name("token")
            value(token)
        }
        name("jurisdiction_id")
        value(tenant.jurisdictions.first?.rawValue)
        name("sequence")
        value(Int64(sequence))
        name("service_code")
        value(submission.serviceCode.rawValue)
        name("service_name")
        value(submission.serviceName)
        if let version = submission.catalogueVersion {
            name("catalogue_version")
            value(Int64(version))
        }
        if let title = submission.title {
            name("title")
            value(title)
        }
        name("description")
        value(submission.description)
        name("requested_datetime")
        value(submission.receivedAt)
        name("updated_datetime")
        value(updatedAt ?? submission.receivedAt)
        if major == .one {
            state(status)
        } else {
            name("state")
            beginObject()
            state(status)
            endObject()
        }
        place(submission.location, major)
        if submission.isLocatedByPhoto {
            name("location_source")
            value("photo")
        }
        if let object = submission.object {
            name("service_object_type")
            value(object.type)
            name("service_object_id")
            value(object.id)
        }
        name("attributes")
        answers(submission.answers)
        name("anonymous")
        value(submission.reporter == nil)
        name("requester")
        requester(tenant.policies.sendsPersonalData ? submission.reporter : nil)
        name("media")
        media(submission, origin)
        name("links")
        beginObject()
        name("self")
        value("\(origin.gatewayURL)/requests/\(requestID).json?jurisdiction_id=\(tenant.jurisdictions.first?.rawValue ?? "")")
        name("status")
        value("\(origin.statusIngestURL)/v1/service-requests/\(requestID)/updates")
        endObject()
        name("received_via")
        value(submission.receivedVia)
        name("language")
        value(submission.language.rawValue)
    }

    private mutating func state(_ status: DetailedStatus) {
        name("status")
        value(status.publicStatus.rawValue)
        name("detailed_status")
        value(status.refinements.isEmpty ? status.general.rawValue : status.description)
    }

    private mutating func place(_ location: Location, _ major: ContractMajor) {
        switch (major, location.coordinate) {
        case (.one, nil): break
        case (.one, let coordinate?):
            name("lat")
            value(coordinate.latitude)
            name("long")
            value(coordinate.longitude)
        case (.two, nil):
            name("position")
            null()
        case (.two, let coordinate?):
            name("position")
            beginObject()
            name("latitude")
            value(coordinate.latitude)
            name("longitude")
            value(coordinate.longitude)
            endObject()
        }
        name("address")
        value(location.address)
        name("address_id")
        value(location.addressID)
        name("zipcode")
        value(location.zipcode)
    }

    private mutating func requester(_ reporter: Reporter?) {
        guard let reporter else { return null() }
        beginObject()
        name("first_name")
        value(reporter.firstName)
        name("last_name")
        value(reporter.lastName)
        name("email")
        value(reporter.email)
        name("phone")
        value(reporter.phone)
        name("account_id")
        value(reporter.accountID)
        name("device_id")
        value(reporter.deviceID)
        if let organisation = reporter.organisation {
            name("organisation")
            value(organisation)
        }
        if let siret = reporter.siret {
            name("siret")
            value(siret)
        }
        endObject()
    }

    /// `[{"code": …, "values": […]}]`, as events carry answers and the database keeps them.
    public mutating func answers(_ answers: [Answer]) {
        beginArray()
        for answer in answers {
            beginObject()
            name("code")
            value(answer.code)
            name("values")
            beginArray()
            for value in answer.values { self.value(value) }
            endArray()
            endObject()
        }
        endArray()
    }
}
