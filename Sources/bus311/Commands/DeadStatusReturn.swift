import Bus
import Open311
import Storage

/// Judges statuses once more that were put aside; what is answered leaves the queue, what is not stays.
struct DeadStatusReturn {
    let administration: Administration
    let place: DeadLetterPlace
    let store: ReplayStore
    /// Statuses a second.
    let rate: Int

    /// Looked at together, and so long in memory.
    private static let together = 100

    func run(_ filter: DeadLetterFilter, in box: DeadLetterBox) async throws -> DeadLetterCommand.Outcome {
        let tenants = try await administration.store.tenants().filter { $0.virtualHost == place.virtualHost }
        try await store.record(
            "dead statuses judged again", by: Operator.name, of: tenants.first { $0.key == place.sender }?.id,
            detail: "of \(place.queue) in \(place.virtualHost)")
        let inbox = try StatusInbox(
            configuration: try administration.settings.database(.status), origin: administration.settings.origin, connections: 1)
        return try await using(inbox) { inbox in
            let statuses = DeadStatuses(inbox: inbox, tenants: tenants)
            let pace = Pace(perSecond: rate, total: 0)
            // What is not answered is held until the end, and the broker takes back what is held too long.
            let end = ContinuousClock.now.advanced(by: .seconds(DeadLetterCommand.longestHold))
            var looked = 0
            var isCut = false
            var done: [DeadStatuses.Outcome] = []
            while looked < DeadLetterCommand.maximum {
                let count = min(Self.together, pace.stride)
                let (letters, isLast) = try await box.next(filter, limit: count, keepsBodies: true)
                looked += count
                let outcomes = try await statuses.judge(letters)
                // Cut here, they are judged again: what was accepted is only repeated.
                try await box.remove(zip(letters, outcomes).compactMap { if case .answered = $1 { $0 } else { nil } })
                done += outcomes
                if isLast { break }
                isCut = end <= .now
                if isCut { break }
                try await pace.wait(after: Int64(done.count))
            }
            pace.finish(Int64(done.count))
            return DeadLetterCommand.Outcome(statuses: done, isCut: isCut)
        }
    }
}
