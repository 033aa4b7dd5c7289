import Foundation
import Open311

/// Reads the JSON body of a lifecycle update; unknown members are ignored, every fault is told.
enum StatusUpdateBody {
    static func update(_ bytes: [UInt8], id: String, receivedAt: Timestamp) throws(Problem) -> StatusUpdate {
        // A number of brackets that no honest body has would only be an attack on the parser's stack.
        guard bytes.count(where: { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "[") }) <= 1_000,
            let parsed = try? JSONSerialization.jsonObject(with: Data(bytes)), let members = parsed as? [String: Any]
        else { throw Problem(400, "malformed-json", "Malformed JSON", "The body must be one JSON object in UTF-8.") }
        var errors: [Problem.Detail] = []
        func text(_ name: String, maximum: Int) -> String? {
            guard let value = members[name], !(value is NSNull) else { return nil }
            guard let text = value as? String else {
                errors.append(Problem.Detail(pointer: "/\(name)", text: "\(name) must be a string."))
                return nil
            }
            let clean = CleanText.withoutControls(text)
            if clean.unicodeScalars.count > maximum {
                errors.append(Problem.Detail(pointer: "/\(name)", text: "\(name) is too long: \(maximum) characters at most."))
            }
            return clean.isEmpty ? nil : clean
        }
        func moment(_ name: String) -> Timestamp? {
            guard let value = text(name, maximum: 64) else { return nil }
            let moment = Timestamp(parsing: value)
            if moment == nil {
                errors.append(Problem.Detail(pointer: "/\(name)", text: "\(name) must be a date and time, as in 2026-03-01T10:00:00Z."))
            }
            return moment
        }
        var status: StatusUpdate.RequestedStatus?
        if let word = text("status", maximum: 600) {
            do {
                status = try StatusUpdate.RequestedStatus(validating: word)
            } catch {
                errors.append(Problem.Detail(pointer: "/status", text: "\(error)."))
            }
        }
        let named = moment("updated_datetime")
        let occurredAt = named ?? receivedAt
        if occurredAt > receivedAt.adding(seconds: 300) {
            errors.append(
                Problem.Detail(pointer: "/updated_datetime", text: "updated_datetime is in the future: check the sender's clock and zone."))
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
            throw Problem(
                400, "invalid-update", "Invalid update", "The update was not applied: correct the members listed.", errors: errors)
        }
        guard
            update.status != nil || update.statusNotes != nil || update.agencyResponsible != nil || update.expectedAt != nil
                || update.serviceNotice != nil || update.externalReference != nil
        else {
            throw Problem(
                400, "empty-update", "Empty update",
                "Send at least one of status, status_notes, agency_responsible, expected_datetime, service_notice, external_reference.")
        }
        return update
    }
}
