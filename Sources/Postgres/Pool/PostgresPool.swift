import ConnectionThread
import NIOConcurrencyHelpers

/// A few connections that share work: each call goes to the one with the least to do. More than about sixteen connections
/// cost throughput on two cores, so a pool is small and its queue is bounded.
public final class PostgresPool: Sendable {
    private let connections: [PostgresConnection]
    private let loads: NIOLockedValueBox<[Int]>
    private let maximumWaiting: Int

    /// - Parameters:
    ///   - size: connections, each with a thread; 1 to 16.
    ///   - maximumWaiting: calls that may wait for one connection; one more is refused as overloaded.
    public init(configuration: PostgresConfiguration, size: Int, maximumWaiting: Int = 256) throws(ConnectionThreadError) {
        var connections: [PostgresConnection] = []
        for _ in 0..<min(max(size, 1), 16) { connections.append(try PostgresConnection(configuration: configuration)) }
        self.connections = connections
        self.maximumWaiting = maximumWaiting
        loads = NIOLockedValueBox([Int](repeating: 0, count: connections.count))
    }

    /// Runs the body on one of the connections.
    ///
    /// - Throws: what the body throws; `overloaded` when too many calls wait already.
    public func run<Value: Sendable>(
        _ body: @Sendable (Session) throws(PostgresError) -> Value
    ) async throws(PostgresError) -> Value {
        let chosen = loads.withLockedValue { loads -> Int? in
            guard let index = loads.indices.min(by: { loads[$0] < loads[$1] }), loads[index] < maximumWaiting else { return nil }
            loads[index] += 1
            return index
        }
        guard let chosen else { throw PostgresError(.overloaded) }
        defer { loads.withLockedValue { $0[chosen] -= 1 } }
        return try await connections[chosen].run(body)
    }

    /// Closes every connection.
    public func close() async {
        for connection in connections { await connection.close() }
    }
}
