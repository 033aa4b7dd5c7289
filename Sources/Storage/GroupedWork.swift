import NIOConcurrencyHelpers

/// Does work for many callers at once: whoever arrives while one group is under way joins the next. No timer: a lone caller is
/// served at once, and under load the groups grow by themselves.
///
/// A group is worked on the worker's own executor from its taking to the last answer: one change of thread on the way in, one on
/// the way out.
final class GroupedWork<Item: Sendable, Outcome: Sendable, Worker: Actor>: Sendable {
    private struct Waiting: Sendable {
        let item: Item
        let continuation: CheckedContinuation<Outcome?, Never>
    }

    private struct State {
        var waiting: [Waiting] = []
        var isRunning = false
    }

    private let state = NIOLockedValueBox(State())
    private let maximumGroup: Int
    private let maximumWaiting: Int
    private let worker: Worker
    private let perform: @Sendable (isolated Worker, [Item]) -> [Outcome]

    /// - Parameters:
    ///   - maximumGroup: items in one group.
    ///   - maximumWaiting: items that may wait; one more is refused.
    ///   - worker: on whose executor groups are worked.
    ///   - perform: gives one outcome for each item, in the same order.
    init(
        maximumGroup: Int, maximumWaiting: Int, worker: Worker, perform: @escaping @Sendable (isolated Worker, [Item]) -> [Outcome]
    ) {
        self.maximumGroup = maximumGroup
        self.maximumWaiting = maximumWaiting
        self.worker = worker
        self.perform = perform
    }

    /// - Returns: the item's outcome, or nil when too many wait already.
    func submit(_ item: Item) async -> Outcome? {
        await withCheckedContinuation { continuation in
            let (accepted, starts) = state.withLockedValue { state -> (Bool, Bool) in
                guard state.waiting.count < maximumWaiting else { return (false, false) }
                state.waiting.append(Waiting(item: item, continuation: continuation))
                defer { state.isRunning = true }
                return (true, !state.isRunning)
            }
            if !accepted { continuation.resume(returning: nil) }
            if starts { Task { await self.serve(on: worker) } }
        }
    }

    private func serve(on worker: isolated Worker) {
        while true {
            let group = state.withLockedValue { state -> [Waiting] in
                let group = Array(state.waiting.prefix(maximumGroup))
                state.waiting.removeFirst(group.count)
                if group.isEmpty { state.isRunning = false }
                return group
            }
            if group.isEmpty { return }
            let outcomes = perform(worker, group.map(\.item))
            for (index, waiting) in group.enumerated() {
                waiting.continuation.resume(returning: index < outcomes.count ? outcomes[index] : nil)
            }
        }
    }
}
