/// What a CRM says of a service request: one lifecycle update.
public struct StatusUpdate: Sendable, Equatable {
    /// The CRM's own name for this update, unique per request: 1 to 128 characters. The same id again is the same update.
    public var id: String
    /// When it happened in the CRM; an older one never overwrites a newer one.
    public var occurredAt: Timestamp
    /// False when the CRM named no moment and ``occurredAt`` is that of arrival, which differs at each repetition.
    public var namesItsMoment: Bool
    /// Nil when the update changes other things only.
    public var status: RequestedStatus?
    public var statusNotes: String?
    public var agencyResponsible: String?
    public var expectedAt: Timestamp?
    public var serviceNotice: String?
    /// The CRM's reference of the request: the proof that it has registered it.
    public var externalReference: String?
    /// The CRM's own code, when it named one: ``status`` is what the tenant's mapping makes of it.
    public var statusCode: String?
    /// Why the tenant's mapping makes no status of ``statusCode`` now. It did when the update was taken, if it is a repetition.
    public var unmapped: StatusUpdateFault?
    /// Whether ``statusNotes`` are the mapping's, for the CRM gave none.
    public var notesAreMapped = false
    /// For the city only; no citizen sees them.
    public var internalNotes: String?
    /// The request that this one is a duplicate of.
    public var mergedInto: RequestAddress?
    /// Whether it says in so many words that the CRM has the request.
    public var isAcknowledgement = false
    /// The CRM's counter of its updates, for those that happened in one moment.
    public var sourceSequence: Int64?
    /// The answer to `service_request.erased`; nothing else is said beside it.
    public var erasure: CRMErasureAnswer?

    /// A CRM may name a detailed status, or GeoReport's word only.
    public enum RequestedStatus: Sendable, Equatable {
        case detailed(DetailedStatus)
        case general(PublicStatus)

        /// - Throws: ``InvalidValue`` that lists what is allowed, or names the two words that contradict each other.
        public init(validating text: String) throws(InvalidValue) {
            try self.init(stored: text)
            guard case .detailed(let status) = self, let other = status.contradiction else { return }
            throw InvalidValue(
                name: "status",
                problem: "names \(status.general.rawValue) and \(other), which contradict each other: send one general status, refined by "
                    + "words of your own"
            )
        }

        /// As it was taken, under the rules of then.
        public init(stored text: String) throws(InvalidValue) {
            if let word = PublicStatus(rawValue: text.lowercased()) {
                self = .general(word)
            } else {
                self = .detailed(try DetailedStatus(validating: text))
            }
        }

        /// The detailed status it means for a request that is at `current`: `open` and `closed` keep what already says so.
        public func resolved(from current: DetailedStatus) -> DetailedStatus {
            switch self {
            case .detailed(let status): status
            case .general(let word) where current.publicStatus == word && current.general != .received && current.general != .pending:
                current
            case .general(.open): DetailedStatus(.inProcess)
            case .general(.closed): DetailedStatus(.processed)
            }
        }
    }

    public init(
        id: String, occurredAt: Timestamp, namesItsMoment: Bool = true, status: RequestedStatus?, statusNotes: String?,
        agencyResponsible: String?, expectedAt: Timestamp?, serviceNotice: String?, externalReference: String?
    ) {
        self.id = id
        self.occurredAt = occurredAt
        self.namesItsMoment = namesItsMoment
        self.status = status
        self.statusNotes = statusNotes
        self.agencyResponsible = agencyResponsible
        self.expectedAt = expectedAt
        self.serviceNotice = serviceNotice
        self.externalReference = externalReference
    }

    /// Whether it says anything to citizens.
    public var isPublic: Bool {
        status != nil || statusNotes != nil || agencyResponsible != nil || expectedAt != nil || serviceNotice != nil || mergedInto != nil
    }

    /// Whether it says anything at all.
    public var isEmpty: Bool {
        !isPublic && unmapped == nil && externalReference == nil && internalNotes == nil && !isAcknowledgement && erasure == nil
    }

    /// SHA-256 of everything that the CRM said but the id: the same id with another content is a conflict.
    public var fingerprint: [UInt8] { StatusUpdateFingerprint.of(self) }
}

extension StatusUpdate.RequestedStatus {
    /// As it is kept, and read again by ``init(stored:)``.
    public var text: String {
        switch self {
        case .detailed(let status): status.description
        case .general(let word): word.rawValue
        }
    }
}
