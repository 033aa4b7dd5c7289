import AMQP
import Logging
import Metrics
import NIOConcurrencyHelpers
import Open311
import ServiceLifecycle
import Storage

/// One shard: waits to lead it, then keeps the window full, reads ahead and settles while confirms come in.
struct ShardRelay: Sendable {
    let shard: Int16
    let outbox: OutboxStore
    let share: ShardShare
    let crowd: LaneCrowd
    let configuration: RelayConfiguration
    let wakeUp: WakeUp
    let hints: HintBoard
    let logger: Logger
    let report: @Sendable (String, Bool, String) -> Void

    func run() async {
        while !Task.isCancelled {
            if share.begin(shard) {
                await tryToLead()
                share.ended(shard)
            }
            try? await Task.sleep(for: .seconds(Double.random(in: 0.5...1.5)))
        }
    }

    private func tryToLead() async {
        do {
            guard let leadership = try await outbox.lead(shard) else { return }
            report("postgresql", true, "")
            Gauge(label: "o311_relay_leader", dimensions: [("shard", "\(shard)")]).record(1)
            logger.info("leads a shard", metadata: ["shard": "\(shard)"])
            await withTaskGroup(of: Void.self) { group in
                let view = NIOLockedValueBox(ShardScout.View())
                group.addTask { await Self.keepAlive(leadership) }
                group.addTask {
                    await ShardScout(
                        shard: shard, outbox: outbox, wakeUp: wakeUp, hints: hints, crowd: configuration.windowPerTenant, view: view
                    ).run()
                }
                await lead(leadership, view)
                group.cancelAll()
            }
            Gauge(label: "o311_relay_leader", dimensions: [("shard", "\(shard)")]).record(0)
            await leadership.release()
            logger.info("gave a shard back", metadata: ["shard": "\(shard)"])
        } catch {
            report("postgresql", false, "\(error)")
        }
    }

    /// The turns of the loop may take longer than the server waits for a word; a frozen process says none.
    private static func keepAlive(_ leadership: ShardLeadership) async {
        while (try? await Task.sleep(for: .seconds(5))) != nil {
            if (try? await leadership.touch()) == nil { return }
        }
    }

    private func lead(_ leadership: ShardLeadership, _ view: NIOLockedValueBox<ShardScout.View>) async {
        var lanes: [String: RelayLane] = [:]
        var pauses = TenantPauses()
        var cursor = ReadCursor()
        var seen = wakeUp.generation
        var mayHaveMore = true
        var lastPoll = ContinuousClock.now
        var stopBy: ContinuousClock.Instant?
        // What waits in memory may be erased in the database.
        var checkedErasures = ContinuousClock.now
        while true {
            let isStopping = Task.isCancelled || share.mustYield(shard)
            let now = ContinuousClock.now
            let paused = pauses.paused(at: now)
            view.withLockedValue { [lanes] in
                $0.lanes = lanes
                $0.paused = paused
            }
            let isBusy = lanes.values.contains { $0.isBusy }
            if isStopping {
                // A broker that confirms nothing must not keep the process: what is unconfirmed stays pending.
                let limit = stopBy ?? now.advanced(by: .seconds(10))
                stopBy = limit
                if now >= limit || !lanes.values.contains(where: { $0.hasUnconfirmed }) { break }
            }

            let waiting = lanes.values.reduce(0) { $0 + $1.waitingCount }
            let generation = wakeUp.generation
            let holdsBack = lanes.values.contains { $0.holdsBack }
            let wantsRead =
                !isStopping && waiting < (holdsBack ? configuration.window / 2 : configuration.window * 2)
                && (mayHaveMore || generation != seen || now - lastPoll >= configuration.pollInterval)
            if !wantsRead && !isBusy {
                if isStopping { break }
                await wakeUp.wait(since: seen, atMost: configuration.pollInterval)
                mayHaveMore = true
                continue
            }
            do {
                // Reading and settling run while the lanes publish and wait for confirms.
                seen = wantsRead ? generation : seen
                // Small statements cost more, and all of them keep others from the disk.
                let settling = lanes.values.flatMap { $0.takeSettlements(atLeast: holdsBack && !isStopping ? 64 : 1, at: now) }
                let from = wantsRead ? cursor.position(excluding: paused, at: now) : 0
                let limit = holdsBack ? configuration.window / 2 : configuration.window * 2
                if now - checkedErasures > Self.erasureInterval {
                    try await Self.forgetErased(lanes.values, leadership)
                    checkedErasures = now
                }
                let isDone = NIOLockedValueBox(false)
                async let database = Self.settleAndRead(
                    leadership, settling, configuration.failPoint,
                    read: wantsRead ? (after: from, limit: limit, excluding: Array(paused)) : nil, isDone: isDone)
                await withTaskGroup(of: Void.self) { group in
                    for lane in lanes.values where lane.isBusy || lane.hasUnconfirmed {
                        // The window is kept full while the database works, but no longer than what was erased may go unnoticed.
                        group.addTask {
                            repeat {
                                await lane.exchange(stopping: isStopping)
                            } while !isDone.withLockedValue { $0 } && lane.hasTraffic && .now - now < Self.erasureInterval
                        }
                    }
                }
                let read = try await database
                for lane in lanes.values { lane.settled(settling.map(\.seq)) }
                if let read {
                    lastPoll = now
                    mayHaveMore = read.count == limit
                    cursor.advance(past: read.last?.seq, hasMore: mayHaveMore, at: now)
                    for (host, entries) in Dictionary(grouping: read, by: \.virtualHost) {
                        let lane =
                            lanes[host]
                            ?? RelayLane(
                                host: host, crowd: crowd, configuration: configuration, shard: shard, logger: logger, report: report)
                        lanes[host] = lane
                        lane.add(entries)
                    }
                }
            } catch {
                // The lock is gone with its session: stop at once; the database still has everything that is not settled.
                report("postgresql", false, "\(error)")
                logger.warning("shard lost", metadata: ["shard": "\(shard)", "error": "\(error)"])
                break
            }
            for lane in lanes.values {
                for refusal in lane.takeRefusals() {
                    lane.forget([refusal.entry.tenant])
                    do {
                        if refusal.isFinal {
                            // One event's fault: its tenant goes on, and only what waits behind it in its request stays.
                            try await leadership.park(refusal.entry.seq, reason: refusal.reason)
                            cursor.rewind()
                        } else {
                            let pause = pauses.refuse(
                                refusal.entry.tenant, from: refusal.firstPause, to: refusal.longestPause, now: .now)
                            try await leadership.postpone([refusal.entry.seq], by: pause, reason: refusal.reason)
                        }
                    } catch {
                        logger.warning("event not postponed")
                    }
                    mayHaveMore = true
                }
                for tenant in lane.takeAccepted() { pauses.accept(tenant) }
                if lane.lostConnection {
                    cursor.rewind()
                    view.withLockedValue { $0.rewinds += 1 }
                    mayHaveMore = true
                }
            }
        }
        for lane in lanes.values { await lane.close() }
    }

    /// Longer than an event usually waits in memory, so that a relay in good health never asks twice.
    private static let erasureInterval = Duration.milliseconds(100)

    private static func forgetErased(
        _ lanes: some Collection<RelayLane> & Sendable, _ leadership: ShardLeadership
    ) async throws(StorageError) {
        let waiting = lanes.reduce(into: Set()) { $0.formUnion($1.waitingRequests) }
        guard !waiting.isEmpty else { return }
        let erased = try await leadership.erased(among: Array(waiting))
        guard !erased.isEmpty else { return }
        for lane in lanes { lane.forget(erased: erased) }
    }

    private static func settleAndRead(
        _ leadership: ShardLeadership, _ confirmed: [Settlement], _ failPoint: FailPoint?,
        read: (after: Int64, limit: Int, excluding: [TenantID])?,
        isDone: NIOLockedValueBox<Bool>
    ) async throws(StorageError) -> [OutboxEntry]? {
        defer { isDone.withLockedValue { $0 = true } }
        if !confirmed.isEmpty {
            FailPoint.relayBeforeSettle.reach(failPoint)
            try await leadership.confirm(confirmed)
        }
        guard let read else { return nil }
        return try await leadership.pending(after: read.after, limit: read.limit, excludingTenants: read.excluding)
    }
}
