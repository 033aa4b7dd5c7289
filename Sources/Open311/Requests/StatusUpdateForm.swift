/// A lifecycle update as a CRM writes it: one JSON object. Unknown members are ignored, every fault is told.
public struct StatusUpdateForm {
    /// Of a body, in bytes.
    public static let maximumSize = 65_536

    private let members: MemberReader

    /// - Throws: ``StatusUpdateFault`` when it is no JSON object.
    public init(parsing bytes: [UInt8]) throws(StatusUpdateFault) { self.init(try StatusUpdateFault.object(in: bytes)) }

    /// Why a body is not even looked at: for what its sender says of it, by either door.
    ///
    /// - Parameters:
    ///   - type: as in `application/json; charset=utf-8`.
    ///   - encoding: what it went through; nil when nothing is said.
    public static func fault(type: String, encoding: String?) -> StatusUpdateFault? {
        let kind = type.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        let isOther = !kind.hasPrefix("application/") || !kind.hasSuffix("+json") || kind == "application/+json"
        if kind != "application/json", isOther { return .unsupportedMediaType }
        guard let encoding, !["", "identity", "utf-8"].contains(encoding.lowercased()) else { return nil }
        return .unsupportedContentEncoding
    }

    /// One of a batch.
    init(_ members: [JSONValue.Member]) { self.members = MemberReader(members) }

    /// Whether a CRM may give an update this id.
    public static func isUpdateID(_ id: String) -> Bool {
        (1...128).contains(id.unicodeScalars.count) && !id.unicodeScalars.contains { $0.value < 32 }
    }

    /// The request that an update names in its body, where no path names it: by `service_request_id`, or by an `external_reference`
    /// that was told before.
    public func address() throws(StatusUpdateFault) -> RequestAddress {
        let named = members.value("service_request_id")
        if let text = named?.string, !text.isEmpty {
            guard let address = RequestAddress(serviceRequestID: text) else { throw .unknownRequest }
            return address
        }
        if named == nil, let text = members.value("external_reference")?.string.map(CleanText.withoutControls),
            (1...255).contains(text.unicodeScalars.count)
        {
            return .reference(text)
        }
        throw .invalid([
            StatusUpdateFault.Member(
                pointer: "/service_request_id",
                text: "service_request_id must be a string: as events name the request, or as you gave it. Or send an external_reference "
                    + "that the request has.")
        ])
    }

    /// The request that the body names beside a path that names one; nil when it names none. A whole number is taken for its digits:
    /// many a serialiser makes one of a number of ours.
    ///
    /// - Throws: ``StatusUpdateFault`` when it is neither absent, nor null, nor an id.
    public func namedRequest() throws(StatusUpdateFault) -> RequestAddress? {
        guard let named = members.value("service_request_id") else { return nil }
        let digits = named.number.flatMap { Int64(exactly: $0) }.map { String($0) }
        guard let address = (named.string ?? digits).flatMap({ RequestAddress(serviceRequestID: $0) }) else {
            throw .invalid([
                StatusUpdateFault.Member(
                    pointer: "/service_request_id",
                    text: "service_request_id is no id: send that of the path, as a string, or leave it out.")
            ])
        }
        return address
    }

    /// The id of an update in a batch, which has no path to name it in.
    func updateID() throws(StatusUpdateFault) -> String {
        guard let id = members.value("update_id")?.string, Self.isUpdateID(id) else {
            throw .invalid([
                StatusUpdateFault.Member(
                    pointer: "/update_id", text: "update_id must be a string of 1 to 128 characters without control characters.")
            ])
        }
        return id
    }

    /// - Parameters:
    ///   - id: passed ``isUpdateID(_:)``.
    ///   - receivedAt: counts as the update's moment when it names none.
    ///   - mapping: of the tenant's own codes.
    /// - Returns: with ``StatusUpdate/unmapped`` where nothing but the mapping stands in its way.
    /// - Throws: ``StatusUpdateFault`` with every member at fault.
    public func update(id: String, receivedAt: Timestamp, mapping: StatusMapping = .empty) throws(StatusUpdateFault) -> StatusUpdate {
        var reader = members
        let status = reader.status(mapping)
        let named = reader.moment("updated_datetime")
        let occurredAt = named ?? receivedAt
        if occurredAt > receivedAt.adding(seconds: 300) {
            reader.refuse("updated_datetime", "updated_datetime is in the future: check the sender's clock and zone.")
        }
        let notes = reader.text("status_notes", maximum: 4_000)
        var update = StatusUpdate(
            id: id,
            occurredAt: occurredAt,
            namesItsMoment: named != nil,
            status: status.status,
            statusNotes: notes ?? status.notes,
            agencyResponsible: reader.text("agency_responsible", maximum: 255),
            expectedAt: reader.moment("expected_datetime"),
            serviceNotice: reader.text("service_notice", maximum: 4_000),
            externalReference: reader.text("external_reference", maximum: 255)
        )
        update.statusCode = status.code
        update.notesAreMapped = notes == nil && status.notes != nil
        update.internalNotes = reader.text("internal_notes", maximum: 4_000)
        update.mergedInto = reader.request("merged_into")
        update.isAcknowledgement = reader.flag("ack")
        update.sourceSequence = reader.count("sequence")
        if update.mergedInto != nil {
            // What CitySDK calls a request that is another's duplicate.
            let merged = update.status ?? .detailed(DetailedStatus(.rejected, refinements: ["DUPLICATE"]))
            if merged.resolved(from: DetailedStatus(.received)).publicStatus == .open {
                let text = "must be a closed one, or absent: a merged request goes on in its parent."
                // What a code means is the mapping's, and may have been another when this was taken.
                if status.code == nil { reader.refuse("status", "status " + text) } else { reader.refuseCode("status_code " + text) }
            }
            update.status = merged
        }
        update.erasure = reader.erasure()
        if update.erasure != nil {
            // What names the request is no news of it.
            update.externalReference = nil
            if update.isPublic || update.statusCode != nil || update.internalNotes != nil || update.isAcknowledgement {
                reader.refuse("erasure", "erasure must stand alone: send everything else before the request is erased, or not at all.")
            }
        }
        guard reader.faults.isEmpty else { throw .invalid(reader.faults + reader.unmapped) }
        if !reader.unmapped.isEmpty { update.unmapped = .invalid(reader.unmapped) }
        guard !update.isEmpty else { throw .emptyUpdate }
        return update
    }
}

/// Reads members one by one and remembers every fault.
private struct MemberReader {
    private let members: [JSONValue.Member]
    private(set) var faults: [StatusUpdateFault.Member] = []
    /// What the mapping does not know, or knows as something else.
    private(set) var unmapped: [StatusUpdateFault.Member] = []

    init(_ members: [JSONValue.Member]) { self.members = members }

    /// For what the mapping says now.
    mutating func refuseCode(_ text: String) { unmapped.append(member("status_code", text)) }

    mutating func refuse(_ name: String, _ text: String) { faults.append(member(name, text)) }

    private func member(_ name: String, _ text: String) -> StatusUpdateFault.Member {
        StatusUpdateFault.Member(pointer: "/\(name)", text: text)
    }

    /// A member that is absent or null is nil.
    func value(_ name: String) -> JSONValue? {
        guard let value = members.first(where: { $0.name == name })?.value, value != .null else { return nil }
        return value
    }

    mutating func text(_ name: String, maximum: Int) -> String? {
        guard let value = value(name) else { return nil }
        guard let text = value.string else {
            refuse(name, "\(name) must be a string.")
            return nil
        }
        let clean = CleanText.withoutControls(text)
        if clean.unicodeScalars.count > maximum { refuse(name, "\(name) is too long: \(maximum) characters at most.") }
        return clean.isEmpty ? nil : clean
    }

    mutating func moment(_ name: String) -> Timestamp? {
        guard let value = text(name, maximum: 64) else { return nil }
        let moment = Timestamp(parsing: value)
        if moment == nil { refuse(name, "\(name) must be a date and time, as in 2026-03-01T10:00:00Z.") }
        return moment
    }

    mutating func flag(_ name: String) -> Bool {
        guard let value = value(name) else { return false }
        if value.bool == nil { refuse(name, "\(name) must be true or false.") }
        return value.bool ?? false
    }

    mutating func count(_ name: String) -> Int64? {
        guard let value = value(name) else { return nil }
        guard let number = value.number, let count = Int64(exactly: number), count >= 0, count < 1 << 53 else {
            refuse(name, "\(name) must be a whole number from 0 to 9007199254740991.")
            return nil
        }
        return count
    }

    mutating func request(_ name: String) -> RequestAddress? {
        guard let text = text(name, maximum: 64) else { return nil }
        let address = RequestAddress(serviceRequestID: text)
        if address == nil { refuse(name, "\(name) must be the service_request_id of the request that this one is a duplicate of.") }
        return address
    }

    /// `{"outcome": "erased"}`, or `{"outcome": "kept", "reason": "legal_obligation"}`.
    mutating func erasure() -> CRMErasureAnswer? {
        guard let value = value("erasure") else { return nil }
        guard let answer = value.object else {
            refuse("erasure", "erasure must be an object with outcome, and reason where the data are kept.")
            return nil
        }
        do { return try CRMErasureAnswer(members: answer) } catch {
            refuse("erasure/\(error.name)", "\(error).")
            return nil
        }
    }

    /// `status` in words of ours, `status_code` in one of the CRM's own; both only when they say the same.
    mutating func status(_ mapping: StatusMapping) -> (status: StatusUpdate.RequestedStatus?, code: String?, notes: String?) {
        var said: StatusUpdate.RequestedStatus?
        if let word = text("status", maximum: 600) {
            do { said = try StatusUpdate.RequestedStatus(validating: word) } catch { refuse("status", "\(error).") }
        }
        guard let code = text("status_code", maximum: StatusMapping.maximumCode) else { return (said, nil, nil) }
        guard let entry = mapping[CleanText.singleSpaced(code)] else {
            let known = mapping.entries.prefix(20).map(\.code).joined(separator: ", ")
            let remedy =
                known.isEmpty
                ? "your tenant has no mapping yet: ask for one, or send status"
                : "known are \(known)\(mapping.entries.count > 20 ? " and \(mapping.entries.count - 20) more" : "")"
            refuseCode("status_code is not in your tenant's mapping: \(remedy).")
            return (said, code, nil)
        }
        if let said, said.resolved(from: entry.status) != entry.status {
            refuseCode("status_code means \(entry.status), and status says another thing: send one of the two.")
        }
        return (.detailed(entry.status), code, entry.statusNotes)
    }
}
