import Bus
import Open311
import Storage

/// Gives dead letters back to their consumer: the events leave the database again, and only then the letters their queue. The
/// broker's copies are never published again: what was erased meanwhile cannot come back with them.
struct DeadLetterReturn {
    let administration: Administration
    let tenant: Tenant
    /// Events a second.
    let rate: Int

    func run(_ letters: [DeadLetter], in box: DeadLetterBox) async throws -> DeadLetterCommand.Outcome {
        guard let selection = ReplaySelection(events: letters.compactMap(\.event)) else {
            return DeadLetterCommand.Outcome(letters: letters.count, returned: 0, discarded: nil, replay: nil)
        }
        return try await using(try ReplayStore(configuration: try administration.settings.database(.admin))) {
            try await run(letters, selection, in: box, $0)
        }
    }

    private func run(
        _ letters: [DeadLetter], _ selection: ReplaySelection, in box: DeadLetterBox, _ store: ReplayStore
    ) async throws -> DeadLetterCommand.Outcome {
        let job = try await store.create(selection, of: tenant.id, by: Operator.name)
        try await store.record(
            "dead letters returned", by: Operator.name, of: tenant.id, detail: "\(letters.count) letters, replay \(job)")
        _ = try await ReplayCommand.drive(job, Int64(letters.count), rate, store)
        let queued = try await store.queuedEvents(of: job)
        let erased = try await administration.store.erased(among: letters.compactMap(\.request))
        var returned = 0
        var forgotten = 0
        for letter in letters {
            if letter.event.map(queued.contains) ?? false {
                try await box.remove(letter)
                returned += 1
            } else if letter.request.map(erased.contains) ?? false {
                // The last copy of what was erased.
                try await box.remove(letter)
                forgotten += 1
            }
        }
        return DeadLetterCommand.Outcome(letters: letters.count, returned: returned, discarded: nil, replay: job, erased: forgotten)
    }
}
