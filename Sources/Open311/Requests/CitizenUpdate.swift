import Crypto

/// What a citizen said of a request after it was made, through another system (FixMyStreet's `servicerequestupdates`). It changes
/// nothing by itself: the CRM is told, and decides.
public struct CitizenUpdate: Sendable, Equatable {
    /// The sending system's own name for it: 1 to 255 characters.
    public var id: String
    public var occurredAt: Timestamp
    /// As the sender says it, lower-case: `open`, `fixed`, `in_progress`.
    public var status: String
    /// Up to 4,000 characters.
    public var description: String
    public var mediaURLs: [String]
    /// Travels to the CRM only.
    public var author: Reporter?

    public init(id: String, occurredAt: Timestamp, status: String, description: String, mediaURLs: [String], author: Reporter?) {
        self.id = id
        self.occurredAt = occurredAt
        self.status = status
        self.description = description
        self.mediaURLs = mediaURLs
        self.author = author
    }

    /// SHA-256 of what it says: the same id with another content is a conflict.
    public var fingerprint: [UInt8] {
        var hash = SHA256()
        // Lengths in front: no two updates give the same bytes.
        for part in [String(occurredAt.microseconds), status, description] + mediaURLs {
            hash.update(data: Array("\(part.utf8.count):\(part)".utf8))
        }
        return Array(hash.finalize())
    }
}

/// FixMyStreet's finer statuses, in the spelling of its GET.
public enum ExtendedStatus {
    /// What a CRM's status is called there; nil, when the update changed none, is `unchanged`.
    public static func name(of status: StatusUpdate.RequestedStatus?) -> String {
        switch status {
        case nil: return "unchanged"
        case .general(let word): return word.rawValue
        case .detailed(let detailed):
            if detailed.refinements.contains("PUBLIC_WORKS_COMPLETED_SCHEDULED_LATER") { return "planned" }
            switch detailed.general {
            case .pending: return "for_triage"
            case .received: return "open"
            case .inProcess: return "in_progress"
            case .processed: return "fixed"
            case .rejected: return "no_further_action"
            case .archived: return "closed"
            }
        }
    }
}
