import Foundation

/// A lifecycle update as a CRM writes it: one JSON object. Unknown members are ignored, every fault is told.
public struct StatusUpdateForm {
    /// Of a body, in bytes.
    public static let maximumSize = 65_536

    private let members: [String: Any]

    /// - Throws: ``StatusUpdateFault`` when it is no JSON object.
    public init(parsing bytes: [UInt8]) throws(StatusUpdateFault) {
        // A number of brackets that no honest body has would only be an attack on the parser's stack.
        guard bytes.count(where: { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "[") }) <= 1_000,
            let parsed = try? JSONSerialization.jsonObject(with: Data(bytes)), let members = parsed as? [String: Any]
        else { throw StatusUpdateFault("malformed-json", "Malformed JSON", "The body must be one JSON object in UTF-8.") }
        self.members = members
    }

    /// Whether a CRM may give an update this id.
    public static func isUpdateID(_ id: String) -> Bool {
        (1...128).contains(id.count) && !id.unicodeScalars.contains { $0.value < 32 }
    }

    /// The request that a message names in its body, for the bus has no path to name it in.
    public func requestID() throws(StatusUpdateFault) -> ServiceRequestID {
        guard let text = members["service_request_id"] as? String, !text.isEmpty else {
            let member = StatusUpdateFault.Member(pointer: "/service_request_id", text: "service_request_id must be a string of digits.")
            throw StatusUpdateFault(
                "invalid-update", "Invalid update", "The update was not applied: correct the members listed.", members: [member])
        }
        guard let id = ServiceRequestID(parsing: text) else { throw .unknownRequest }
        return id
    }

    /// - Parameters:
    ///   - id: passed ``isUpdateID(_:)``.
    ///   - receivedAt: counts as the update's moment when it names none.
    /// - Throws: ``StatusUpdateFault`` with every member at fault.
    public func update(id: String, receivedAt: Timestamp) throws(StatusUpdateFault) -> StatusUpdate {
        var errors: [StatusUpdateFault.Member] = []
        func text(_ name: String, maximum: Int) -> String? {
            guard let value = members[name], !(value is NSNull) else { return nil }
            guard let text = value as? String else {
                errors.append(StatusUpdateFault.Member(pointer: "/\(name)", text: "\(name) must be a string."))
                return nil
            }
            let clean = CleanText.withoutControls(text)
            if clean.unicodeScalars.count > maximum {
                errors.append(StatusUpdateFault.Member(pointer: "/\(name)", text: "\(name) is too long: \(maximum) characters at most."))
            }
            return clean.isEmpty ? nil : clean
        }
        func moment(_ name: String) -> Timestamp? {
            guard let value = text(name, maximum: 64) else { return nil }
            let moment = Timestamp(parsing: value)
            if moment == nil {
                errors.append(
                    StatusUpdateFault.Member(pointer: "/\(name)", text: "\(name) must be a date and time, as in 2026-03-01T10:00:00Z."))
            }
            return moment
        }
        var status: StatusUpdate.RequestedStatus?
        if let word = text("status", maximum: 600) {
            do {
                status = try StatusUpdate.RequestedStatus(validating: word)
            } catch {
                errors.append(StatusUpdateFault.Member(pointer: "/status", text: "\(error)."))
            }
        }
        let named = moment("updated_datetime")
        let occurredAt = named ?? receivedAt
        if occurredAt > receivedAt.adding(seconds: 300) {
            errors.append(
                StatusUpdateFault.Member(
                    pointer: "/updated_datetime", text: "updated_datetime is in the future: check the sender's clock and zone."))
        }
        let update = StatusUpdate(
            id: id,
            occurredAt: occurredAt,
            namesItsMoment: named != nil,
            status: status,
            statusNotes: text("status_notes", maximum: 4_000),
            agencyResponsible: text("agency_responsible", maximum: 255),
            expectedAt: moment("expected_datetime"),
            serviceNotice: text("service_notice", maximum: 4_000),
            externalReference: text("external_reference", maximum: 255)
        )
        guard errors.isEmpty else {
            throw StatusUpdateFault(
                "invalid-update", "Invalid update", "The update was not applied: correct the members listed.", members: errors)
        }
        guard
            update.status != nil || update.statusNotes != nil || update.agencyResponsible != nil || update.expectedAt != nil
                || update.serviceNotice != nil || update.externalReference != nil
        else {
            throw StatusUpdateFault(
                "empty-update", "Empty update",
                "Send at least one of status, status_notes, agency_responsible, expected_datetime, service_notice, external_reference.")
        }
        return update
    }
}
