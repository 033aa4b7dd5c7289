import Open311

/// A request whose time has come.
public struct DueRequest: Sendable, Equatable {
    public let id: ServiceRequestID
    public let requestedAt: Timestamp
    public let sequence: Int32
}

/// What a run would do, or did, to one table of one tenant.
public struct RetentionStep: Sendable, Equatable {
    /// Nil where it is no single tenant's; a test endpoint's own.
    public let tenant: TenantID?
    public let relation: String
    /// anonymised, deleted, emptied, dropped; in a plan also held.
    public let action: String
    /// Of a plan's partitions an estimate.
    public let rows: Int64
    public let oldest: Timestamp?
    public let newest: Timestamp?
    /// The first ids, or the partition's name; of plans only.
    public var sample: [String] = []
}

/// A month of a partitioned table that is over for good.
public struct RetentionMonth: Sendable, Equatable {
    public let relation: String
    /// `YYMM`.
    public let month: String
    /// False when an earlier run took it out and was cut off before it could remove it.
    public let isAttached: Bool
}

/// One run, as it is recorded.
public struct RecordedRetentionRun: Sendable {
    public let number: Int64
    public let beganAt: Timestamp
    /// The moment that terms were counted from.
    public let clock: Timestamp
    public let by: String
    public let endedAt: Timestamp?
    /// finished, partial (something is left for the next), interrupted; nil while it runs.
    public let outcome: String?
    /// Of the last entry of the ledger that it made.
    public let digest: [UInt8]?
}

/// A legal hold.
public struct RequestHold: Sendable {
    public let request: ServiceRequestID
    public let tenant: TenantID
    public let reason: String
    public let placedAt: Timestamp
    public let placedBy: String
    public let releasedAt: Timestamp?
    public let releasedBy: String?
}

public enum HoldOutcome: String, Sendable {
    case held
    /// A hold stands already.
    case repeated
    case unknown
    /// There is nobody in it any more: too late.
    case erased
}

/// Why nothing, or nothing more, is removed.
public enum RetentionError: Error, Sendable, CustomStringConvertible {
    /// The database's own fence: something younger was asked for, a clock is wrong, another process leads. Its words hold no data.
    case refused(String)
    case storage(StorageError)

    public var description: String {
        switch self {
        case .refused(let words): words
        case .storage(let error): "\(error)"
        }
    }

    public var isRetriable: Bool {
        if case .storage(let error) = self { error.isRetriable } else { false }
    }
}
