import Crypto
import Foundation
import Postgres

/// Applies the plain SQL files of a folder, in the order of their numbers, each once and in its own transaction, under a lock
/// that lets one runner work at a time. Forward only: a file that was applied may never change.
public struct MigrationRunner: Sendable {
    private let configuration: PostgresConfiguration
    private let directory: String

    /// - Parameters:
    ///   - configuration: of the role that owns the schema.
    ///   - directory: holds `NNNN_noun.sql` files.
    public init(configuration: PostgresConfiguration, directory: String) {
        self.configuration = configuration
        self.directory = directory
    }

    private struct File: Sendable {
        let name: String
        let sql: String
        let checksum: [UInt8]
    }

    /// - Returns: the names of the files applied now; empty when all were.
    /// - Throws: ``MigrationError``.
    public func run() async throws(MigrationError) -> [String] {
        let files = try files()
        let connection: PostgresConnection
        do { connection = try PostgresConnection(configuration: configuration) } catch { throw .noThread }
        do {
            let outcome = try await connection.run { (session) throws(PostgresError) in try Self.apply(files, in: session) }
            await connection.close()
            switch outcome {
            case .success(let applied): return applied
            case .failure(let error): throw error
            }
        } catch let error as PostgresError {
            await connection.close()
            throw MigrationError.database(error)
        } catch let error as MigrationError {
            throw error
        } catch {
            throw .noThread
        }
    }

    private static func apply(_ files: [File], in session: Session) throws(PostgresError) -> Result<[String], MigrationError> {
        try session.script("select pg_advisory_lock(3110000)", within: .seconds(120))
        try session.script(
            """
            create table if not exists schema_migrations (
                name text primary key, checksum bytea not null, applied_at timestamptz not null default now())
            """)
        let known = try session.execute(MigrationSQL.applied).map { (row) throws(PostgresError) in
            (try row.text(0), try row.byteString(1))
        }
        let checksums = Dictionary(known, uniquingKeysWith: { first, _ in first })
        for file in files {
            if let checksum = checksums[file.name], checksum != file.checksum { return .failure(.changed(file: file.name)) }
        }
        if let lost = known.map(\.0).first(where: { name in !files.contains { $0.name == name } }) { return .failure(.missing(file: lost)) }
        var applied: [String] = []
        for file in files where checksums[file.name] == nil {
            do {
                try session.transaction { (session) throws(PostgresError) in
                    try session.script("set local statement_timeout = 0; " + file.sql, within: .seconds(3_600))
                    _ = try session.execute(MigrationSQL.record, [.text(file.name), .bytes(file.checksum)])
                }
            } catch {
                return .failure(.failed(file: file.name, error))
            }
            applied.append(file.name)
        }
        try RetentionRule.write(in: session)
        try session.script("select pg_advisory_unlock(3110000)")
        return .success(applied)
    }

    private func files() throws(MigrationError) -> [File] {
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: directory) } catch { throw .noFolder(directory) }
        var files: [File] = []
        for name in names.sorted() where name.hasSuffix(".sql") {
            guard let data = FileManager.default.contents(atPath: directory + "/" + name) else { throw .noFolder(directory + "/" + name) }
            files.append(File(name: name, sql: String(decoding: data, as: UTF8.self), checksum: Array(SHA256.hash(data: data))))
        }
        guard !files.isEmpty else { throw .noFolder(directory) }
        return files
    }
}

/// Why the schema was not brought up to date; nothing of the file named was kept.
public enum MigrationError: Error, Sendable, CustomStringConvertible {
    case noFolder(String)
    case changed(file: String)
    case missing(file: String)
    case failed(file: String, PostgresError)
    case database(PostgresError)
    case noThread

    public var description: String {
        switch self {
        case .noFolder(let path): "no migrations at \(path): name their folder with --migrations"
        case .changed(let file): "\(file) differs from what was applied: restore it, and put the change into a new file"
        case .missing(let file): "\(file) was applied but is not there: this program is older than the database"
        case .failed(let file, let error): "\(file): \(error) (\(error.detail))"
        case .database(let error): "\(error) (\(error.detail))"
        case .noThread: "no thread can be started for the database connection"
        }
    }
}

enum MigrationSQL {
    static let applied = Statement("migrations_applied", "select name, checksum from schema_migrations")
    static let record = Statement("migrations_record", "insert into schema_migrations (name, checksum) values ($1, $2)")
}
