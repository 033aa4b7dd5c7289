/// Why a lifecycle update cannot be taken, in words for the CRM's developers; the same by REST and by AMQP.
public struct StatusUpdateFault: Error, Sendable, Equatable {
    /// What is wrong with one member of the body.
    public struct Member: Sendable, Equatable {
        /// JSON pointer to it.
        public let pointer: String
        public let text: String

        public init(pointer: String, text: String) {
            self.pointer = pointer
            self.text = text
        }
    }

    /// For programs: words joined by hyphens, never changed.
    public let code: String
    public let title: String
    /// What to do.
    public let detail: String
    /// Every member at fault.
    public let members: [Member]

    public init(_ code: String, _ title: String, _ detail: String, members: [Member] = []) {
        self.code = code
        self.title = title
        self.detail = detail
        self.members = members
    }

    /// The members of a body that is one JSON object.
    ///
    /// - Throws: `malformed-json`, with the place in the text.
    public static func object(in bytes: [UInt8]) throws(StatusUpdateFault) -> [JSONValue.Member] {
        let value: JSONValue
        do { value = try JSONReader.value(bytes, takesNull: true) } catch {
            throw StatusUpdateFault("malformed-json", "Malformed JSON", "The body must be one JSON object in UTF-8: \(error).")
        }
        guard let members = value.object else {
            throw StatusUpdateFault(
                "malformed-json", "Malformed JSON", "The body must be one JSON object in UTF-8; this is \(value.kindName).")
        }
        return members
    }

    /// The same fault of an update that stands somewhere in a body: its members' pointers lead there.
    ///
    /// - Parameter place: JSON pointer to the update.
    public func placed(at place: String) -> StatusUpdateFault {
        StatusUpdateFault(code, title, detail, members: members.map { Member(pointer: place + $0.pointer, text: $0.text) })
    }

    public static let unknownRequest = StatusUpdateFault(
        "unknown-request", "Unknown service request", "No service request of your tenant has this service_request_id.")

    public static let erasedRequest = StatusUpdateFault(
        "erased-request", "Erased service request",
        "The personal data of this service request were erased, and nothing more is kept of it. Erase it on your side too, or justify why not."
    )

    public static let heldRequest = StatusUpdateFault(
        "held-request", "Held service request",
        "A legal hold keeps this service request: nothing of it is erased until the operator removes the hold. Ask the operator.")

    public static let invalidUpdateID = StatusUpdateFault(
        "invalid-update-id", "Invalid update id", "The update's id must be 1 to 128 characters without control characters.")

    public static let tooLarge = StatusUpdateFault(
        "too-large", "Too large", "The body may have \(StatusUpdateForm.maximumSize) bytes at most: shorten status_notes.")

    public static let unsupportedMediaType = StatusUpdateFault(
        "unsupported-media-type", "Unsupported media type", "The content type must be application/json, or end with +json.")

    public static let unsupportedContentEncoding = StatusUpdateFault(
        "unsupported-content-encoding", "Unsupported content encoding",
        "Send the body as it is, neither compressed nor encoded, and leave the content encoding out.")

    public static let conflictingUpdate = StatusUpdateFault(
        "conflicting-update", "Conflicting update", "This update's id was used before with another content: use a new one.")

    public static let emptyUpdate = StatusUpdateFault(
        "empty-update", "Empty update",
        "Send at least one of status, status_code, status_notes, internal_notes, agency_responsible, expected_datetime, service_notice, "
            + "external_reference, merged_into, or \"ack\": true; or erasure alone.")

    public static let unknownErasure = StatusUpdateFault(
        "unknown-erasure", "Unknown erasure",
        "Nothing of this service request was erased here, or it is not yours: only service_request.erased is answered.")

    /// - Parameter members: at least one.
    public static func invalid(_ members: [Member]) -> StatusUpdateFault {
        StatusUpdateFault("invalid-update", "Invalid update", "The update was not applied: correct the members listed.", members: members)
    }

    public static func tooManyUpdates(_ count: Int) -> StatusUpdateFault {
        StatusUpdateFault(
            "too-many-updates", "Too many updates",
            "The batch has \(count) updates and may have \(StatusBatchForm.maximumCount): nothing of it was applied. Send it in parts.")
    }

    public static let referenceInUse = StatusUpdateFault(
        "reference-in-use", "Reference in use",
        "Another service request of your tenant has this external_reference: each reference names one request.",
        members: [Member(pointer: "/external_reference", text: "external_reference is another request's.")])

    public static let unknownParent = StatusUpdateFault(
        "unknown-parent", "Unknown parent", "No service request of your tenant has the service_request_id that merged_into names.",
        members: [Member(pointer: "/merged_into", text: "merged_into names no request of yours.")])

    /// - Parameter parent: where the one that was named went; nil when it is the request itself.
    public static func invalidParent(_ parent: ServiceRequestID?) -> StatusUpdateFault {
        let text =
            parent.map { "merged_into names a request that is itself merged into \($0): name that one." }
            ?? "merged_into names the request itself."
        return StatusUpdateFault("invalid-parent", "Invalid parent", text, members: [Member(pointer: "/merged_into", text: text)])
    }

    /// - Parameter parent: that an older update, taken now, would make this request a duplicate of again.
    public static func circularParent(_ parent: ServiceRequestID) -> StatusUpdateFault {
        let text =
            "This update is older than what opened the request again, and would make it a duplicate of \(parent) once more; that one has "
            + "been merged into it since. Send it with a newer updated_datetime, or open \(parent) first."
        return StatusUpdateFault(
            "invalid-parent", "Invalid parent", text, members: [Member(pointer: "/updated_datetime", text: text)])
    }

    /// - Parameter version: the request's version now.
    public static func staleVersion(_ version: String) -> StatusUpdateFault {
        StatusUpdateFault(
            "stale-version", "Stale version",
            "The request has changed since you read it: its version is \"\(version)\" now. Read it again, decide again.")
    }

    public static func illegalTransition(_ illegal: IllegalTransition) -> StatusUpdateFault {
        StatusUpdateFault(
            "illegal-transition", "Illegal transition", "The \(illegal).", members: [Member(pointer: "/status", text: "\(illegal).")])
    }
}
