/// A moderator's decision about a request that was published.
public struct Moderation: Sendable, Equatable {
    public enum Decision: String, Sendable, CaseIterable {
        /// Nobody but the city sees the request, its history and its photos.
        case hide
        /// Everybody sees it again, unless something else hides it.
        case restore

        /// What the request is after it, as events say it.
        public var state: String { self == .hide ? "hidden" : "restored" }
    }

    public static let maximumReason = 255

    public let decision: Decision
    /// For people; 1 to 255 characters. It goes to the CRM.
    public let reason: String
    public let decidedAt: Timestamp
    public let door: DecisionDoor

    /// - Throws: ``InvalidValue`` for an empty or an overlong reason.
    public init(_ decision: Decision, because reason: String, at moment: Timestamp, through door: DecisionDoor) throws(InvalidValue) {
        let clean = CleanText.singleSpaced(reason)
        guard !clean.isEmpty, !CleanText.isLonger(clean, than: Self.maximumReason) else {
            throw InvalidValue(name: "reason", problem: "must have 1 to \(Self.maximumReason) characters")
        }
        self.decision = decision
        self.reason = clean
        decidedAt = moment
        self.door = door
    }
}

/// Through which door somebody decided about a request.
public enum DecisionDoor: String, Sendable {
    /// The operator's command.
    case `operator`
    /// The tenant's CRM, over status-ingest.
    case crm
    /// A citizen with the signed link of his own report.
    case citizen
}

/// Why personal data were erased. A code and never a sentence: it is kept, and a sentence might name the person.
public enum ErasureReason: String, Sendable, CaseIterable {
    /// The person asked for it.
    case dataSubjectRequest = "data_subject_request"
    /// Kept as long as it may be.
    case retention
    /// A court or an authority ordered it.
    case legalOrder = "legal_order"
    /// Should never have been sent: a test, another person's data.
    case sentByMistake = "sent_by_mistake"
}
