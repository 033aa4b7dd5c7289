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

    public static let unknownRequest = StatusUpdateFault(
        "unknown-request", "Unknown service request", "No service request of your tenant has this service_request_id.")

    public static let erasedRequest = StatusUpdateFault(
        "erased-request", "Erased service request",
        "The personal data of this service request were erased, and nothing more is kept of it. Erase it on your side too, or justify why not."
    )

    public static let invalidUpdateID = StatusUpdateFault(
        "invalid-update-id", "Invalid update id", "The update's id must be 1 to 128 characters without control characters.")

    public static let tooLarge = StatusUpdateFault(
        "too-large", "Too large", "The body may have \(StatusUpdateForm.maximumSize) bytes at most: shorten status_notes.")

    public static let conflictingUpdate = StatusUpdateFault(
        "conflicting-update", "Conflicting update", "This update's id was used before with another content: use a new one.")

    public static func illegalTransition(_ illegal: IllegalTransition) -> StatusUpdateFault {
        StatusUpdateFault(
            "illegal-transition", "Illegal transition", "The \(illegal).", members: [Member(pointer: "/status", text: "\(illegal).")])
    }
}
