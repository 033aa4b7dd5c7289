/// A stored service request with all that an event tells of it.
public struct RequestSnapshot: Sendable {
    public let request: ServiceRequest
    public let reporter: Reporter?
    /// The label of the API key that carried it.
    public let receivedVia: String
    public let language: Language
    /// Of its newest event.
    public let sequence: Int32
    /// The version of the tenant's catalogue that it was made under; nil where there was none.
    public let catalogueVersion: Int32?

    public init(
        request: ServiceRequest, reporter: Reporter?, receivedVia: String, language: Language, sequence: Int32,
        catalogueVersion: Int32? = nil
    ) {
        self.request = request
        self.reporter = reporter
        self.receivedVia = receivedVia
        self.language = language
        self.sequence = sequence
        self.catalogueVersion = catalogueVersion
    }
}

extension ServiceRequestEvent {
    /// The events of an update that a citizen sent to a stored request: one in each major version that the tenant receives, all
    /// with the sequence after the snapshot's.
    public static func updated(
        _ snapshot: RequestSnapshot, by update: CitizenUpdate, tenant: Tenant, origin: Origin
    ) -> [ServiceRequestEvent] {
        events(of: .updated, snapshot, at: .now, tenant, origin, room: update.description.utf8.count) { writer in
            writer.name("changed")
            writer.beginArray()
            writer.value("citizen_update")
            writer.endArray()
            writer.name("citizen_update")
            writer.citizenUpdate(update, sendsPersonalData: tenant.policies.sendsPersonalData, origin: origin)
        }
    }

    /// The events of a moderator's decision about a published request, as those of an update.
    public static func moderated(
        _ snapshot: RequestSnapshot, _ moderation: Moderation, tenant: Tenant, origin: Origin
    ) -> [ServiceRequestEvent] {
        events(of: .moderated, snapshot, at: moderation.decidedAt, tenant, origin, room: 512) { writer in
            writer.name("moderation")
            writer.beginObject()
            writer.name("state")
            writer.value(moderation.decision.state)
            writer.name("reason")
            writer.value(moderation.reason)
            writer.name("moderated_datetime")
            writer.value(moderation.decidedAt)
            writer.name("moderated_by")
            writer.value(moderation.door.rawValue)
            writer.endObject()
        }
    }

    private static func events(
        of kind: Kind, _ snapshot: RequestSnapshot, at moment: Timestamp, _ tenant: Tenant, _ origin: Origin, room: Int,
        _ more: (inout JSONWriter) -> Void
    ) -> [ServiceRequestEvent] {
        let request = snapshot.request
        let sequence = snapshot.sequence + 1
        var submission = Submission(
            tenant: tenant.id, serviceCode: request.serviceCode, serviceName: request.serviceName, description: request.description,
            location: request.location, answers: request.answers, reporter: snapshot.reporter, mediaURLs: request.mediaURLs,
            receivedVia: snapshot.receivedVia, language: snapshot.language, receivedAt: request.requestedAt, clientReference: nil,
            title: request.title, object: request.object)
        submission.catalogueVersion = snapshot.catalogueVersion
        let told = submission
        return tenant.policies.contract.majors.map { major in
            let id = EventID(at: moment)
            let kind = kind.version(major)
            var writer = JSONWriter(capacity: 2_048 + request.description.utf8.count + room)
            writer.beginObject()
            writer.envelope(
                id: id, kind: kind, tenant: tenant.key, requestID: request.id, sequence: sequence, time: moment, origin: origin)
            writer.name("data")
            writer.beginObject()
            writer.snapshot(
                of: told, as: request.id, tenant: tenant, origin: origin, major: major, sequence: sequence, status: request.status,
                updatedAt: request.updatedAt)
            more(&writer)
            writer.endObject()
            writer.endObject()
            return ServiceRequestEvent(
                id: id, kind: kind, tenant: tenant.key, requestID: request.id, sequence: sequence, time: moment, body: writer.bytes)
        }
    }

    /// The event that tells the CRM to forget the person: nothing of what was said is in it.
    ///
    /// - Parameter sequence: of this event.
    public static func erased(
        _ requestID: ServiceRequestID, because reason: ErasureReason, at moment: Timestamp, sequence: Int32, tenant: Tenant, origin: Origin
    ) -> ServiceRequestEvent {
        let id = EventID(at: moment)
        var writer = JSONWriter(capacity: 768)
        writer.beginObject()
        writer.envelope(
            id: id, kind: .erased, tenant: tenant.key, requestID: requestID, sequence: sequence, time: moment, origin: origin)
        writer.name("data")
        writer.beginObject()
        writer.name("service_request_id")
        writer.quoted(requestID.rawValue)
        writer.name("tenant")
        writer.value(tenant.key.rawValue)
        writer.name("jurisdiction_id")
        writer.value(tenant.jurisdictions.first?.rawValue)
        writer.name("sequence")
        writer.value(Int64(sequence))
        writer.name("reason")
        writer.value(reason.rawValue)
        writer.name("erased_datetime")
        writer.value(moment)
        writer.endObject()
        writer.endObject()
        return ServiceRequestEvent(
            id: id, kind: .erased, tenant: tenant.key, requestID: requestID, sequence: sequence, time: moment, body: writer.bytes)
    }
}
