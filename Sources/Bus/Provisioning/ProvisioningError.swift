/// Why a tenant could not be provisioned, changed or removed.
public enum ProvisioningError: Error, Sendable, Equatable, CustomStringConvertible {
    case broker(BrokerAdministrationError)
    /// Nothing was changed: these have to be settled by a person first.
    case conflicts([ProvisioningChange])
    /// Each queue with its number of messages.
    case queuesNotEmpty([String])
    /// The slot is in use; nothing was changed.
    case credentialInUse(user: String, other: CredentialSlot)
    /// The tenant has no objects to give a credential to.
    case notProvisioned(virtualHost: String, missing: [String])
    /// The queues could grow beyond the disk; nothing was changed. In bytes.
    case noRoom(needed: Int, room: Int)
    /// The task was cancelled between two changes; running the operation again does the rest.
    case cancelled

    /// Whether trying again later may help without anyone changing anything.
    public var isRetriable: Bool {
        if case .broker(let error) = self { error.isRetriable } else { false }
    }

    private static func size(_ bytes: Int) -> String { "\(bytes / 1_048_576) MiB" }

    public var description: String {
        switch self {
        case .broker(let error): return error.description
        case .conflicts(let changes):
            return "the broker has objects that cannot be changed in place:\n" + changes.map(\.description).joined(separator: "\n")
        case .queuesNotEmpty(let queues):
            return
                "these queues still hold messages: \(queues.joined(separator: ", ")); let them be consumed, or force the removal and lose them"
        case .credentialInUse(let user, let other):
            return "the user \(user) has a password already: issue the other slot, \(other.rawValue), or revoke this one first"
        case .notProvisioned(let virtualHost, let missing):
            return "the virtual host \(virtualHost) has no \(missing.joined(separator: ", ")): apply the tenant first"
        case .noRoom(let needed, let room):
            return
                "all queues together could grow to \(Self.size(needed)), but the broker's disk has \(Self.size(room)) above its disk_free_limit:"
                + " give it more disk, or lower the bytes of queues (limits in tenants' files); --overcommit applies all the same"
        case .cancelled:
            return "cancelled between two changes: run it again to finish"
        }
    }
}
