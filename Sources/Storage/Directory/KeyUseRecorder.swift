import Logging
import NIOConcurrencyHelpers
import Open311
import Postgres

/// Remembers when keys were last used and writes it down every half minute, all keys in one statement: a use costs no write.
/// What is not yet written is lost when the process is killed.
public final class KeyUseRecorder: Sendable {
    private let connection: PostgresConnection
    private let logger: Logger
    /// No larger than the number of keys: only keys of the directory are noted.
    private let uses = NIOLockedValueBox<[String: Timestamp]>([:])

    static let interval = Duration.seconds(30)

    /// - Parameter configuration: of a role that may write key uses.
    public init(configuration: PostgresConfiguration, logger: Logger) throws {
        connection = try PostgresConnection(configuration: configuration)
        self.logger = logger
    }

    public func note(_ key: AccessKey, at moment: Timestamp) {
        uses.withLockedValue { $0[key.publicID] = moment }
    }

    /// Writes until the task is cancelled; then writes what is left.
    public func run() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.interval)
            await flush()
        }
        await connection.close()
    }

    /// Writes what was noted since the last time; keeps it for the next time when the database cannot be reached.
    public func flush() async {
        let noted = uses.withLockedValue { uses in
            defer { uses = [:] }
            return uses
        }
        guard !noted.isEmpty else { return }
        let entries = noted.sorted { $0.key < $1.key }
        let parameters: [Parameter] = [.texts(entries.map(\.key)), .timestamps(entries.map { $0.value.microseconds })]
        do {
            try await connection.run { (session) throws(PostgresError) in _ = try session.execute(AccessKeySQL.use, parameters) }
        } catch {
            logger.debug("key uses not written", metadata: ["error": "\(error)"])
            uses.withLockedValue { $0.merge(noted) { max($0, $1) } }
        }
    }
}
