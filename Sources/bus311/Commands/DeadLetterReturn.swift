import Bus
import Open311
import Storage

/// Gives dead letters back to their consumer: the events leave the database again, and only then the letters their queue. The
/// broker's copies are never published again: what was erased meanwhile cannot come back with them.
struct DeadLetterReturn {
    let administration: Administration
    let tenant: Tenant
    let store: ReplayStore
    /// Events a second.
    let rate: Int

    func run(_ letters: [DeadLetter], in box: DeadLetterBox) async throws -> DeadLetterCommand.Outcome {
        guard let selection = ReplaySelection(events: letters.compactMap(\.event)) else {
            return DeadLetterCommand.Outcome(letters: letters.count, returned: 0, discarded: nil, replay: nil)
        }
        let job = try await store.create(selection, of: tenant.id, by: Operator.name)
        try await store.record(
            "dead letters returned", by: Operator.name, of: tenant.id, detail: "\(letters.count) letters, replay \(job)")
        _ = try await ReplayCommand.drive(job, Int64(letters.count), rate, store)
        let queued = try await store.queuedEvents(of: job)
        let erased = try await administration.store.erased(among: letters.compactMap(\.request))
        let returned = letters.filter { $0.event.map(queued.contains) ?? false }
        // The last copies of what was erased.
        let forgotten = letters.filter { letter in
            !(letter.event.map(queued.contains) ?? false) && (letter.request.map(erased.contains) ?? false)
        }
        try await box.remove(returned + forgotten)
        return DeadLetterCommand.Outcome(
            letters: letters.count, returned: returned.count, discarded: nil, replay: job, erased: forgotten.count)
    }
}
