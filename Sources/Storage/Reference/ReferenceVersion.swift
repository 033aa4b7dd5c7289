import Crypto
import Open311
import Postgres

/// What is written down of one version of a reference document, without the document.
public struct ReferenceVersion: Sendable, Equatable {
    public enum State: String, Sendable, CaseIterable {
        /// Kept, and published when somebody says so.
        case draft
        /// Published when its moment comes.
        case scheduled
        /// Live. One of each kind at most.
        case published
        /// Was live.
        case superseded
    }

    public let kind: ReferenceKind
    /// From 1; numbers only grow.
    public let number: Int32
    public let state: State
    /// A token's public id, an operator's name, or the host that it was fetched from.
    public let author: String
    public let note: String?
    /// The version that was live when this one was made.
    public let base: Int32?
    public let createdAt: Timestamp
    public let publishAt: Timestamp?
    public let publishedAt: Timestamp?
    public let supersededAt: Timestamp?
    /// SHA-256, 32 bytes.
    public let hash: [UInt8]
    /// Bytes of the document as it was written.
    public let size: Int

    /// A strong validator (RFC 9110) of this kind's document while this version is live.
    public var entityTag: String { "\"\(kind.pathName)-\(number)\"" }

    init(_ row: Row) throws(PostgresError) {
        guard let kind = ReferenceKind(rawValue: try row.text(0)), let state = State(rawValue: try row.text(2)) else {
            throw PostgresError(.decoding, detail: "a kind or state of reference data is unknown")
        }
        self.kind = kind
        self.state = state
        number = try row.int32(1)
        author = try row.text(3)
        note = row.optionalText(4)
        base = row.isNull(5) ? nil : try row.int32(5)
        createdAt = Timestamp(microseconds: try row.timestamp(6))
        publishAt = row.optionalTimestamp(7).map { Timestamp(microseconds: $0) }
        publishedAt = row.optionalTimestamp(8).map { Timestamp(microseconds: $0) }
        supersededAt = row.optionalTimestamp(9).map { Timestamp(microseconds: $0) }
        hash = try row.byteString(10)
        size = Int(try row.int32(11))
    }
}

/// A version with its document.
public struct ReferenceDocument: Sendable, Equatable {
    public let version: ReferenceVersion
    /// JSON in UTF-8, with the database's own order of members.
    public let body: [UInt8]
}

/// The service that a request was made under.
public struct RequestedService: Sendable, Equatable {
    public let code: String
    /// Nil for a request from before there were versions.
    public let catalogueVersion: Int32?
    /// As the catalogue had it then, JSON; nil when that version is kept no more.
    public let definition: [UInt8]?
}

/// A document that nothing is wrong with, on its way into the store.
public struct NewReference: Sendable {
    public let kind: ReferenceKind
    /// JSON in UTF-8, in the kind's canonical form.
    public let body: [UInt8]
    /// As of ``ReferenceVersion/author``.
    public let author: String
    /// For people; up to 500 characters.
    public let note: String?

    public init(kind: ReferenceKind, body: [UInt8], author: String, note: String? = nil) {
        self.kind = kind
        self.body = body
        self.author = author
        self.note = note
    }

    /// SHA-256 of the body.
    public var hash: [UInt8] { SHA256.hash(data: body).withUnsafeBytes { Array($0) } }
}

/// When a version becomes live.
public enum ReferenceMoment: Sendable, Equatable {
    case now
    case at(Timestamp)
    /// Not before somebody says so.
    case never

    var parameter: Parameter {
        switch self {
        case .now: .null
        case .at(let moment): .timestamp(moment.microseconds)
        case .never: .timestamp(.max)
        }
    }
}

/// What became of a change of reference data.
public struct ReferenceChange: Sendable, Equatable {
    public enum Outcome: String, Sendable {
        case published, scheduled, draft
        /// What is live says the same: no version was made.
        case unchanged
    }

    public let outcome: Outcome
    /// The version that was made or changed; of `unchanged` the live one, 0 for none.
    public let number: Int32

    public init(outcome: Outcome, number: Int32) {
        self.outcome = outcome
        self.number = number
    }
}

/// Why reference data were not changed.
public enum ReferenceRefusal: Error, Sendable, Equatable {
    /// Another version is live than the caller knows; its number, nil for none.
    case stale(live: Int32?)
    case unknownVersion
    /// It was live before: only rolling back makes it live again.
    case superseded
    /// 500 versions of one kind were made within a day.
    case tooMany
    /// An id in it is another kind's by now.
    case idsTaken
    case storage(StorageError)

    public static func == (left: ReferenceRefusal, right: ReferenceRefusal) -> Bool {
        switch (left, right) {
        case (.stale(let one), .stale(let other)): one == other
        case (.unknownVersion, .unknownVersion), (.superseded, .superseded), (.tooMany, .tooMany), (.idsTaken, .idsTaken): true
        case (.storage(let one), .storage(let other)): one.kind == other.kind
        default: false
        }
    }
}
