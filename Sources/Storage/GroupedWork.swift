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
        var idle: [Worker]
    }

    private let state: NIOLockedValueBox<State>
    private let crowd: Int
    private let workerCount: Int
    private let maximumGroup: Int
    private let maximumWaiting: Int
    private let perform: @Sendable (isolated Worker, [Item]) -> [Outcome]

    /// - Parameters:
    ///   - maximumGroup: items in one group.
    ///   - maximumWaiting: items that may wait; one more is refused.
    ///   - workers: on whose executors groups are worked, one group each. While one works, another begins only when `crowd` items
    ///     wait: small groups would cost more than they gain.
    ///   - perform: gives one outcome for each item, in the same order.
    init(
        maximumGroup: Int, maximumWaiting: Int, workers: [Worker], crowd: Int = 16,
        perform: @escaping @Sendable (isolated Worker, [Item]) -> [Outcome]
    ) {
        self.maximumGroup = maximumGroup
        self.maximumWaiting = maximumWaiting
        self.crowd = crowd
        state = NIOLockedValueBox(State(idle: workers))
        workerCount = workers.count
        self.perform = perform
    }

    /// - Returns: the item's outcome, or nil when too many wait already.
    func submit(_ item: Item) async -> Outcome? {
        await withCheckedContinuation { continuation in
            let (accepted, starting) = state.withLockedValue { state -> (Bool, Worker?) in
                guard state.waiting.count < maximumWaiting else { return (false, nil) }
                state.waiting.append(Waiting(item: item, continuation: continuation))
                let isCalled = state.idle.count == workerCount || state.waiting.count >= crowd
                return (true, isCalled ? state.idle.popLast() : nil)
            }
            if !accepted { continuation.resume(returning: nil) }
            if let starting { Task { await self.serve(on: starting) } }
        }
    }

    private func serve(on worker: isolated Worker) {
        while true {
            let group = state.withLockedValue { state -> [Waiting] in
                let isAlone = state.idle.count == workerCount - 1
                let group = state.waiting.count >= (isAlone ? 1 : crowd) ? Array(state.waiting.prefix(maximumGroup)) : []
                state.waiting.removeFirst(group.count)
                if group.isEmpty { state.idle.append(worker) }
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
