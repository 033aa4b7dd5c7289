import CLibpq
import ConnectionThread
import NIOConcurrencyHelpers

/// Which of several servers to talk to. libpq would try them too, but with one time limit for all, which a machine that is switched off
/// uses up, and it takes the first that writes: a former primary that somebody switches on again.
struct ServerChoice {
    private let configuration: PostgresConfiguration
    private let hosts: [[String: String]]
    /// Of one attempt.
    private let limit: Duration

    /// By the servers' names: where this process found the database the last time. Every connection of the process shares it, so that none
    /// that is made later lands somewhere else.
    private static let known = NIOLockedValueBox<[String: Int]>([:])

    init(_ configuration: PostgresConfiguration, _ hosts: [[String: String]]) {
        self.configuration = configuration
        self.hosts = hosts
        limit = configuration.connectTimeout / hosts.count
    }

    /// After an answer that did not come: the server may be one that waits for ever for a standby that was promoted.
    static func forget(_ configuration: PostgresConfiguration) {
        guard let hosts = try? ConnectionParameters(parsing: configuration.connectionString).hosts, hosts.count > 1 else { return }
        let names = ServerChoice(configuration, hosts).names
        known.withLockedValue { $0[names] = nil }
    }

    private var names: String {
        hosts.map { host in ["host", "hostaddr", "port"].map { host[$0] ?? "" }.joined(separator: ":") }.joined(separator: ",")
    }

    /// Where it was the last time; else, of all that take us, the one whose history is the longest.
    func connect() throws(PostgresError) -> OpaquePointer {
        let names = self.names
        if let index = Self.known.withLockedValue({ $0[names] }), hosts.indices.contains(index) {
            if let connection = try? Session.connect(configuration, to: hosts[index], by: .after(limit), limit) { return connection }
            // When it is back, another may have been promoted.
            Self.known.withLockedValue { $0[names] = nil }
        }
        var best: (connection: OpaquePointer, index: Int, timeline: UInt32)?
        var failures: [String] = []
        for index in hosts.indices {
            do {
                let connection = try Session.connect(configuration, to: hosts[index], by: .after(limit), limit)
                guard let timeline = history(of: connection), timeline >= best?.timeline ?? 0 else {
                    PQfinish(connection)
                    continue
                }
                // Of equals the first, as the string has them.
                if let other = best, other.timeline == timeline {
                    PQfinish(connection)
                    continue
                }
                if let other = best { PQfinish(other.connection) }
                best = (connection, index, timeline)
            } catch {
                failures.append(error.detail)
            }
        }
        guard let best else { throw PostgresError(.cannotConnect, detail: failures.joined(separator: "; ")) }
        // A server that only reads is not remembered: the next connection looks for the one that writes.
        if best.timeline > 0 { Self.known.withLockedValue { $0[names] = best.index } }
        return best.connection
    }

    /// A promotion begins a new timeline: of two servers that write, the one with the higher number was promoted later. 0 for a server that
    /// does not say, as one that only reads; nil for one that does not answer. It asks about the server, not about anything stored: that is
    /// `Storage`'s.
    private func history(of connection: OpaquePointer) -> UInt32? {
        let deadline = Deadline.after(limit)
        guard PQsendQuery(connection, "values (left(pg_walfile_name(pg_current_wal_lsn()), 8))") == 1 else { return nil }
        var timeline: UInt32 = 0
        while true {
            while PQisBusy(connection) == 1 {
                guard ConnectionThread.wait(for: PQsocket(connection), readable: true, writable: false, until: deadline) != .deadlinePassed,
                    PQconsumeInput(connection) == 1
                else { return nil }
            }
            guard let result = PQgetResult(connection) else { return timeline }
            if PQresultStatus(result) == PGRES_TUPLES_OK, let value = PQgetvalue(result, 0, 0) {
                timeline = UInt32(String(cString: value), radix: 16) ?? 0
            }
            PQclear(result)
        }
    }
}
