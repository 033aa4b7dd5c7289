import AMQP
import Logging
import Metrics
import Open311
import Postgres
import ServiceLifecycle
import Storage

/// Publishes what waits in the outbox: one leader for each shard, elected through PostgreSQL; relays side by side lead as many
/// shards each. A database or a broker that is away for an hour is an ordinary state: told to `report`, and over by itself.
public struct OutboxRelay: ServiceLifecycle.Service {
    private let outbox: OutboxStore
    private let presence: RelayPresence
    private let share: ShardShare
    private let notifications: PostgresConnection
    private let configuration: RelayConfiguration
    private let logger: Logger
    private let report: @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void

    /// - Parameters:
    ///   - database: of the relay's role; direct, not through a transaction pooler.
    ///   - report: told of each change of the broker's and the database's state.
    public init(
        database: PostgresConfiguration, configuration: RelayConfiguration, logger: Logger,
        report: @escaping @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void
    ) throws {
        outbox = try OutboxStore(configuration: database)
        presence = try RelayPresence(configuration: database)
        share = ShardShare(total: configuration.shards.count)
        notifications = try PostgresConnection(configuration: database)
        self.configuration = configuration
        self.logger = logger
        self.report = report
    }

    public func run() async throws {
        let wakeUp = WakeUp()
        let hints = HintBoard(shards: configuration.shards)
        let crowd = LaneCrowd()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await cancelWhenGracefulShutdown { await listen(wakeUp, hints) } }
            await cancelWhenGracefulShutdown { await lookAround(once: true) }
            group.addTask { await cancelWhenGracefulShutdown { await lookAround() } }
            for shard in configuration.shards.shuffled() {
                group.addTask {
                    await cancelWhenGracefulShutdown {
                        await ShardRelay(
                            shard: shard, outbox: outbox, share: share, crowd: crowd, configuration: configuration, wakeUp: wakeUp,
                            hints: hints,
                            logger: logger,
                            report: report
                        ).run()
                    }
                }
            }
        }
        await presence.close()
        await notifications.close()
        await outbox.close()
    }

    /// Counts the relays that live; the count of a moment ago holds while the database is away.
    ///
    /// - Parameter once: until the first count: before it nothing may be led, and nobody should wait longer for a relay that starts.
    private func lookAround(once: Bool = false) async {
        let live = Gauge(label: "o311_relay_live_relays")
        while !Task.isCancelled {
            do {
                let sight = try await presence.look()
                share.saw(relays: sight.relays, led: sight.led)
                live.record(sight.relays)
                if once { return }
            } catch {
                report("postgresql", false, "\(error)")
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// Turns notifications into hints; without them the poll finds everything a second later.
    private func listen(_ wakeUp: WakeUp, _ hints: HintBoard) async {
        let (losses, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        while !Task.isCancelled {
            do {
                try await notifications.listen(to: ["bus311_outbox"]) { notification in
                    guard let notification else { return _ = continuation.yield() }
                    hints.add(OutboxHint.all(in: notification.payload))
                    wakeUp.signal()
                }
                for await _ in losses { break }
            } catch {
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }
}
