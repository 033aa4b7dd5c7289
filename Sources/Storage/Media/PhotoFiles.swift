import Open311
import Postgres

/// A file that a row refers to.
public struct PhotoFile: Sendable, Hashable {
    /// The row's number.
    public let photo: Int64
    public let request: ServiceRequestID
    public let key: MediaKey
    public let bytes: Int
}

extension PhotoQueue {
    /// Why copies are not to change meanwhile.
    public enum CopyWork: Sendable {
        /// Copies are kept, and a row is made to point to them. Several may do that at the same time.
        case adding
        /// Copies that no row points to are removed. One at a time, while nobody adds.
        case removing
    }

    /// Runs what adds or removes copies, so that none is removed that is about to be pointed to.
    ///
    /// - Throws: ``StorageError`` of kind `overloaded` when the others do not end in ten seconds, and what `work` throws.
    public func withCopies<Value: Sendable>(_ purpose: CopyWork, _ work: () async throws -> Value) async throws -> Value {
        let (begin, end) =
            switch purpose {
            case .adding: (PhotoSQL.CopyLock.add, PhotoSQL.CopyLock.endAdding)
            case .removing: (PhotoSQL.CopyLock.remove, PhotoSQL.CopyLock.endRemoving)
            }
        let limit = ContinuousClock.now + .seconds(10)
        while try await !succeeds(begin) {
            guard .now < limit else { throw StorageError(.overloaded) }
            try await Task.sleep(for: .milliseconds(50))
        }
        do {
            let value = try await work()
            _ = try? await succeeds(end)
            return value
        } catch {
            _ = try? await succeeds(end)
            throw error
        }
    }

    private func succeeds(_ statement: Statement) async throws(StorageError) -> Bool {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                try session.execute(statement).first.map { (row) throws(PostgresError) in try row.bool(0) } ?? false
            }
        }
    }

    /// Files of the photos whose numbers come after `last`, in their order: of `limit` photos at most.
    public func files(after last: Int64, limit: Int32 = 200) async throws(StorageError) -> [PhotoFile] {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                try session.execute(PhotoSQL.files, [.int64(last), .int32(limit)]).map { (row) throws(PostgresError) in
                    try Self.file(row)
                }.compactMap(\.self)
            }
        }
    }

    private static func file(_ row: Row) throws(PostgresError) -> PhotoFile? {
        guard let tenant = try? TenantKey(validating: try row.text(2)), let kind = MediaKey.Kind(rawValue: try row.text(3)) else {
            return nil
        }
        return PhotoFile(
            photo: try row.int64(0), request: ServiceRequestID(stored: try row.int64(1)),
            key: MediaKey(tenant: tenant, kind: kind, name: try row.text(4)), bytes: Int(try row.int32(5)))
    }
}
