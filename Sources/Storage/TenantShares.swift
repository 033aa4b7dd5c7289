import NIOConcurrencyHelpers
import Open311
import Postgres

/// A small pool that tenants share, of which none holds more than half: what one of them has to wait for, the others do not.
final class TenantShares: Sendable {
    private struct State {
        var running: [TenantID: Int] = [:]
        var waiting: [TenantID: [CheckedContinuation<Void, Never>]] = [:]
    }

    private let pool: PostgresPool
    private let share: Int
    private let maximumWaiting: Int
    private let state = NIOLockedValueBox(State())

    /// - Parameters:
    ///   - connections: 1 to 16; with one, tenants wait for each other.
    ///   - maximumWaiting: calls of one tenant that may wait for its share; one more is refused as overloaded.
    init(configuration: PostgresConfiguration, connections: Int, maximumWaiting: Int = 64) throws {
        pool = try PostgresPool(configuration: configuration, size: connections)
        share = max(1, connections / 2)
        self.maximumWaiting = maximumWaiting
    }

    func close() async { await pool.close() }

    /// Runs the body on a connection of the pool when the tenant's turn comes, in the order of its calls.
    func run<Value: Sendable>(
        for tenant: TenantID, _ body: @Sendable (Session) throws(PostgresError) -> Value
    ) async throws(PostgresError) -> Value {
        // A test endpoint is its tenant's.
        let tenant = tenant.production
        guard await enter(tenant) else { throw PostgresError(.overloaded) }
        defer { leave(tenant) }
        return try await pool.run(body)
    }

    /// What belongs to no tenant.
    func run<Value: Sendable>(_ body: @Sendable (Session) throws(PostgresError) -> Value) async throws(PostgresError) -> Value {
        try await pool.run(body)
    }

    private func enter(_ tenant: TenantID) async -> Bool {
        let hasEntered = state.withLockedValue { state -> Bool? in
            let running = state.running[tenant, default: 0]
            if running < share {
                state.running[tenant] = running + 1
                return true
            }
            return state.waiting[tenant, default: []].count < maximumWaiting ? nil : false
        }
        if let hasEntered { return hasEntered }
        await withCheckedContinuation { continuation in
            let isFree = state.withLockedValue { state in
                let running = state.running[tenant, default: 0]
                guard running < share else {
                    state.waiting[tenant, default: []].append(continuation)
                    return false
                }
                state.running[tenant] = running + 1
                return true
            }
            if isFree { continuation.resume() }
        }
        return true
    }

    /// Hands the place to the tenant's next call, or gives it back.
    private func leave(_ tenant: TenantID) {
        let next = state.withLockedValue { state -> CheckedContinuation<Void, Never>? in
            if var waiting = state.waiting[tenant] {
                let first = waiting.removeFirst()
                state.waiting[tenant] = waiting.isEmpty ? nil : waiting
                return first
            }
            let running = state.running[tenant, default: 1] - 1
            state.running[tenant] = running == 0 ? nil : running
            return nil
        }
        next?.resume()
    }
}
