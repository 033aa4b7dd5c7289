import Testing

@testable import Open311

@Suite("The lifecycle of a request")
struct LifecycleTests {
    private static let everyMove = GeneralStatus.allCases.flatMap { from in GeneralStatus.allCases.map { (from, $0) } }

    @Test("every move from every state is legal or refused with what is allowed", arguments: everyMove)
    func isJudged(from: GeneralStatus, to: GeneralStatus) throws {
        // The table of docs/vendors/status.md.
        let allowed: [GeneralStatus: Set<GeneralStatus>] = [
            .pending: [.pending, .received, .inProcess, .processed, .rejected, .archived],
            .received: [.received, .inProcess, .processed, .rejected, .archived],
            .inProcess: [.inProcess, .processed, .rejected, .archived],
            .processed: [.inProcess, .processed, .rejected, .archived],
            .rejected: [.inProcess, .processed, .rejected, .archived],
            .archived: [.archived],
        ]
        let isLegal = try #require(allowed[from]).contains(to)
        var lifecycle = Lifecycle(DetailedStatus(from))
        let step = Self.step(1, .detailed(DetailedStatus(to, refinements: ["FINER"])))
        if isLegal {
            try lifecycle.take(step)
            #expect(lifecycle.status == DetailedStatus(to, refinements: ["FINER"]))
        } else {
            let before = lifecycle
            #expect(throws: IllegalTransition(from: from, to: to)) { try lifecycle.take(step) }
            #expect(lifecycle == before)
            for next in from.successors { #expect("\(IllegalTransition(from: from, to: to))".contains(next.rawValue)) }
        }
    }

    @Test("what several moves reach, one reaches: an update is judged the same whether the one before it has come or not")
    func isTransitive() {
        for first in GeneralStatus.allCases {
            for second in first.successors { #expect(second.successors.subtracting([first]).isSubset(of: first.successors)) }
        }
    }

    private static func step(_ second: Int64, _ status: StatusUpdate.RequestedStatus?, id: String = "u") -> LifecycleStep {
        LifecycleStep(
            position: LifecyclePosition(
                occurredAt: Timestamp(seconds: second), sequence: nil, arrival: Timestamp(seconds: 0), updateID: id), status: status)
    }

    /// Steps in their order: of any kind, in moments and counters that differ.
    private static func history(_ dice: inout SeededGenerator) throws -> [LifecycleStep] {
        let words = ["open", "closed", "PENDING", "RECEIVED", "IN_PROCESS", "IN_PROCESS,A", "PROCESSED", "REJECTED,B", "ARCHIVED"]
        var (moment, counter): (Int64, Int64) = (1_000, 0)
        return try (0..<Int.random(in: 1...12, using: &dice)).map { number in
            if Bool.random(using: &dice) { (moment, counter) = (moment + 1, 0) } else { counter += 1 }
            let word = words[Int.random(in: 0..<(words.count + 3), using: &dice) % words.count]
            var step = LifecycleStep(
                position: LifecyclePosition(
                    occurredAt: Timestamp(seconds: moment), sequence: counter, arrival: Timestamp(seconds: 9), updateID: "u-\(number)"),
                status: Bool.random(using: &dice) ? try StatusUpdate.RequestedStatus(validating: word) : nil)
            if Bool.random(using: &dice) { step.statusNotes = "n-\(number)" }
            if Bool.random(using: &dice) { step.agencyResponsible = "a-\(number)" }
            if Int.random(in: 0..<4, using: &dice) == 0 { step.expectedAt = Timestamp(seconds: Int64(number)) }
            if Int.random(in: 0..<6, using: &dice) == 0 {
                step.mergedInto = ServiceRequestID(stored: Int64(number))
                step.status = .detailed(DetailedStatus(.rejected))
            }
            return step
        }
    }

    @Test("any interleaving and repetition of updates ends as the ordered history does, whatever was refused on the way")
    func orderMakesNoDifference() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var dice = SeededGenerator(seed: seed)
        var (refused, void) = (0, 0)
        for _ in 0..<2_000 {
            let history = try Self.history(&dice)
            let ordered = Lifecycle.replayed(history).end
            // As it comes: what is illegal where it would stand is refused and not kept.
            var kept: [LifecycleStep] = []
            for step in (history + history.shuffled(using: &dice).prefix(4)).shuffled(using: &dice) where !kept.contains(step) {
                if Lifecycle.replayed(kept + [step]).void.contains(step.position) { refused += 1 } else { kept.append(step) }
            }
            let end = Lifecycle.replayed(kept)
            void += end.void.count
            #expect(end.end == ordered, "seed \(seed)")
        }
        #expect(refused > 100 && void > 100, "the histories are too tame: \(refused) refused, \(void) void")
    }

    @Test("what moved it is the update that brought its general status or its merging, and none that only says more")
    func mover() throws {
        var lifecycle = Lifecycle()
        #expect(lifecycle.movedBy == nil)
        let parent = ServiceRequestID(stored: 2_611_000_000_001)
        for (second, status, merged, mover) in [
            (1, "IN_PROCESS", nil, "u-1"), (2, "IN_PROCESS,FINER", nil, "u-1"), (3, nil, nil, "u-1"), (4, "REJECTED", nil, "u-4"),
            (5, "REJECTED,DUPLICATE", parent, "u-5"), (6, "REJECTED", nil, "u-5"), (7, nil, parent, "u-5"), (8, "open", nil, "u-8"),
            (9, "closed", nil, "u-9"), (10, "PROCESSED", nil, "u-9"),
        ] as [(Int64, String?, ServiceRequestID?, String)] {
            var step = Self.step(second, try status.map { try StatusUpdate.RequestedStatus(validating: $0) }, id: "u-\(second)")
            step.mergedInto = merged
            try lifecycle.take(step)
            #expect(lifecycle.movedBy == mover, "\(second)")
        }
    }

    @Test("a merged request is a duplicate until it is opened again")
    func merging() throws {
        var lifecycle = Lifecycle()
        var merge = Self.step(1, .detailed(DetailedStatus(.rejected, refinements: ["DUPLICATE"])))
        merge.mergedInto = ServiceRequestID(stored: 5)
        try lifecycle.take(merge)
        try lifecycle.take(Self.step(2, nil))
        try lifecycle.take(Self.step(3, .general(.closed)))
        #expect(lifecycle.mergedInto == ServiceRequestID(stored: 5) && lifecycle.status.refinements == ["DUPLICATE"])
        try lifecycle.take(Self.step(4, .general(.open)))
        #expect(lifecycle.mergedInto == nil && lifecycle.status == DetailedStatus(.inProcess))
    }

    @Test("an id that a CRM gives is safe in addresses and lists, and never one of ours")
    func givenIDs() throws {
        for good in ["CRM-4711", "a", "A_b-9", String(repeating: "x", count: 64), "26110000042", "123456789012345"] {
            #expect(RequestAddress(serviceRequestID: good) == .given(try GivenID(validating: good)))
        }
        for bad in ["", "a,b", "a/b", "a.json", "é", " a", "a b", String(repeating: "x", count: 65), "2611000004217", "110000000421"] {
            #expect(throws: InvalidValue.self) { try GivenID(validating: bad) }
        }
        #expect(RequestAddress(serviceRequestID: "2611000004217")?.number?.rawValue == 2_611_000_004_217)
        #expect(RequestAddress(serviceRequestID: "a/b") == nil)
    }
}

/// The same numbers for the same seed, so that a failure can be had again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
