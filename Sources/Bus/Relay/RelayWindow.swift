import Open311
import Storage

/// Which events are read, in flight, done: the relay's memory as a value, without clock or I/O.
///
/// Promises: an event is in flight once at a time; at most one event of a request is unconfirmed, so a request's events are
/// confirmed in order; the window is bounded in events, bytes and, while several tenants wait, per tenant; tenants take turns, the
/// one served longest ago first, so that a lone event does not wait behind other tenants' backlogs.
struct RelayWindow: Sendable {
    private let maximumCount: Int
    private let maximumBytes: Int
    private let maximumPerTenant: Int

    /// What waits, by tenant, lowest seq first; no line is empty.
    private var lines: [TenantID: [OutboxEntry]] = [:]
    /// The tenants of `lines`, in the order of their turns: ascending in `servedAt`.
    private var turns: [TenantID] = []
    /// The round in which a tenant was served last; of the last rounds only.
    private var servedAt: [TenantID: UInt64] = [:]
    private var round: UInt64 = 0
    /// Tenants remembered without anything that waits.
    private static let rememberedTenants = 4_096
    private var waitingSeqs: Set<Int64> = []
    private(set) var inFlight: [Int64: OutboxEntry] = [:]
    private var bytesInFlight = 0
    private var requestsInFlight: Set<ServiceRequestID> = []
    private var perTenant: [TenantID: Int] = [:]
    /// Confirmed by the broker, not yet in the database: the database still calls them pending.
    private(set) var unsettled: Set<Int64> = []
    /// The database knows since a moment ago: a session that looked before may still bring them. Two halves, the older is dropped.
    private var settledLately: (new: Set<Int64>, old: Set<Int64>) = ([], [])
    private static let remembered = 2_048

    init(count: Int, bytes: Int, perTenant: Int) {
        maximumCount = count
        maximumBytes = bytes
        maximumPerTenant = perTenant
    }

    var waitingCount: Int { waitingSeqs.count }

    /// Events that wait here, by tenant.
    var inHand: [TenantID: Int] { lines.mapValues(\.count) }

    /// Takes in what was read; what is known already is left out.
    mutating func add(_ entries: [OutboxEntry]) {
        for entry in entries where inFlight[entry.seq] == nil && !unsettled.contains(entry.seq) {
            guard waitingSeqs.insert(entry.seq).inserted else { continue }
            if lines[entry.tenant] == nil { takeTurn(entry.tenant) }
            lines[entry.tenant, default: []].insertBySeq(entry)
        }
    }

    /// Whoever was not served lately goes before those who were: a backlog's owners are served all the time.
    private mutating func takeTurn(_ tenant: TenantID) {
        let own = servedAt[tenant, default: 0]
        var low = 0
        var high = turns.count
        while low < high {
            let middle = (low + high) / 2
            if servedAt[turns[middle], default: 0] <= own { low = middle + 1 } else { high = middle }
        }
        turns.insert(tenant, at: low)
    }

    /// What leaves in one turn.
    struct Turn: Sendable {
        var entries: [OutboxEntry] = []
        /// How many of them belong to backlogs.
        var ofBacklogs = 0
        /// What leaves of tenants that had nothing in flight, and no more than a few fresh events.
        var quiet: [OutboxEntry] = []
        /// Tenants that have many events here.
        var crowding: [TenantID] = []
    }

    /// The events that may leave now, each tenant's lowest first; they are in flight from here on.
    ///
    /// - Parameters:
    ///   - limit: events in flight, if fewer than the window holds.
    ///   - bytes: of those together, if fewer than the window holds.
    mutating func next(atMost limit: Int = .max, bytes: Int = .max) -> [OutboxEntry] {
        turn(atMost: limit, part: limit, backlogs: .max, bytes: bytes, freshSince: Timestamp(microseconds: 0)).entries
    }

    /// Like ``next(atMost:bytes:)``.
    ///
    /// - Parameters:
    ///   - part: events in flight before what belongs to a backlog has to wait.
    ///   - backlogs: how many of those may leave now.
    ///   - moment: what was made before has waited behind others of its tenant, however few of them are here.
    mutating func turn(atMost limit: Int, part: Int, backlogs: Int, bytes: Int, freshSince moment: Timestamp) -> Turn {
        let limit = min(limit, maximumCount)
        let bytes = min(bytes, maximumBytes)
        var turn = Turn()
        guard !turns.isEmpty, inFlight.count < limit else { return turn }
        let share = turns.count > 1 || perTenant.keys.contains { $0 != turns[0] } ? maximumPerTenant : maximumCount
        var pickers = (turns.filter { perTenant[$0] == nil } + turns.filter { perTenant[$0] != nil }).map { tenant in
            let line = lines[tenant] ?? []
            if line.count > Courtesy.many { turn.crowding.append(tenant) }
            let isFresh = line.first.map { $0.createdAt >= moment } ?? false
            return Picker(tenant: tenant, isQuiet: isFresh && perTenant[tenant] == nil && line.count <= Courtesy.few)
        }
        var waiting = pickers.indices.map { $0 }
        while !waiting.isEmpty, inFlight.count < limit {
            // One round: an event of each.
            waiting = waiting.filter { index in
                let isQuiet = pickers[index].isQuiet
                guard inFlight.count < limit, isQuiet || (inFlight.count < part && turn.ofBacklogs < backlogs),
                    pick(&pickers[index], share: share, bytes: bytes, into: &turn.entries)
                else { return false }
                if let last = turn.entries.last, isQuiet { turn.quiet.append(last) } else { turn.ofBacklogs += 1 }
                return true
            }
        }
        for picker in pickers { take(picker) }
        round += 1
        for picker in pickers where !picker.taken.isEmpty { servedAt[picker.tenant] = round }
        if servedAt.count > Self.rememberedTenants { servedAt = servedAt.filter { lines[$0.key] != nil } }
        // Who was not served, or longest ago, is first next time.
        turns =
            turns.filter { servedAt[$0] != round && lines[$0] != nil }
            + pickers.filter { !$0.taken.isEmpty }.map(\.tenant).filter { lines[$0] != nil }
        return turn
    }

    /// How far one tenant's line has been looked at in one call.
    private struct Picker {
        let tenant: TenantID
        let isQuiet: Bool
        var position = 0
        /// Positions of what leaves, ascending.
        var taken: [Int] = []
        /// A request whose earlier event stays must not be overtaken by its later one.
        var held: Set<ServiceRequestID> = []

        init(tenant: TenantID, isQuiet: Bool) {
            self.tenant = tenant
            self.isQuiet = isQuiet
        }
    }

    /// - Returns: false when nothing more of this tenant may leave now.
    private mutating func pick(_ picker: inout Picker, share: Int, bytes: Int, into chosen: inout [OutboxEntry]) -> Bool {
        guard perTenant[picker.tenant, default: 0] < share, let count = lines[picker.tenant]?.count else { return false }
        while picker.position < count {
            guard let entry = lines[picker.tenant]?[picker.position] else { return false }
            // One event larger than the whole window still leaves, alone.
            guard bytesInFlight + entry.body.count <= bytes || inFlight.isEmpty else { return false }
            picker.position += 1
            if let request = entry.requestID {
                if picker.held.contains(request) || requestsInFlight.contains(request) {
                    picker.held.insert(request)
                    continue
                }
                requestsInFlight.insert(request)
            }
            picker.taken.append(picker.position - 1)
            inFlight[entry.seq] = entry
            bytesInFlight += entry.body.count
            perTenant[entry.tenant, default: 0] += 1
            waitingSeqs.remove(entry.seq)
            chosen.append(entry)
            return true
        }
        return false
    }

    private mutating func take(_ picker: Picker) {
        guard let last = picker.taken.last, var line = lines.removeValue(forKey: picker.tenant) else { return }
        if last + 1 == picker.taken.count {
            line.removeFirst(picker.taken.count)
        } else {
            let taken = Set(picker.taken)
            line = line.indices.filter { !taken.contains($0) }.map { line[$0] }
        }
        if !line.isEmpty { lines[picker.tenant] = line }
    }

    /// The broker has it: remembered until the database knows.
    mutating func confirmed(_ seq: Int64) -> OutboxEntry? {
        guard let entry = land(seq) else { return nil }
        unsettled.insert(seq)
        return entry
    }

    /// The database knows.
    mutating func settled(_ seqs: [Int64]) {
        unsettled.subtract(seqs)
        settledLately.new.formUnion(seqs)
        if settledLately.new.count >= Self.remembered { settledLately = ([], settledLately.new) }
    }

    /// Takes in what another session than the settling one has read.
    mutating func addFound(_ entries: [OutboxEntry]) {
        add(entries.filter { !settledLately.new.contains($0.seq) && !settledLately.old.contains($0.seq) })
    }

    /// Not delivered: the database still has it pending and will give it again.
    mutating func returned(_ seq: Int64) -> OutboxEntry? { land(seq) }

    /// Everything in flight is unknown: the connection is gone.
    mutating func abandonAll() { for seq in Array(inFlight.keys) { _ = land(seq) } }

    /// Forgets what waits of these tenants; the database keeps it.
    mutating func forget(_ tenants: Set<TenantID>) {
        for tenant in tenants {
            for entry in lines.removeValue(forKey: tenant) ?? [] { waitingSeqs.remove(entry.seq) }
        }
        turns.removeAll { tenants.contains($0) }
    }

    /// The requests of what waits.
    var waitingRequests: Set<ServiceRequestID> { lines.values.reduce(into: []) { $0.formUnion($1.lazy.compactMap(\.requestID)) } }

    /// Forgets what waits of these requests, but the word that they were erased; the database has settled the rest.
    mutating func forget(erased requests: Set<ServiceRequestID>) {
        func isForgotten(_ entry: OutboxEntry) -> Bool {
            entry.type != ServiceRequestEvent.Kind.erased.rawValue && entry.requestID.map(requests.contains) ?? false
        }
        for (tenant, line) in lines where line.contains(where: isForgotten) {
            for entry in line where isForgotten(entry) { waitingSeqs.remove(entry.seq) }
            let kept = line.filter { !isForgotten($0) }
            lines[tenant] = kept.isEmpty ? nil : kept
        }
        turns.removeAll { lines[$0] == nil }
    }

    private mutating func land(_ seq: Int64) -> OutboxEntry? {
        guard let entry = inFlight.removeValue(forKey: seq) else { return nil }
        bytesInFlight -= entry.body.count
        if let request = entry.requestID { requestsInFlight.remove(request) }
        let left = perTenant[entry.tenant, default: 1] - 1
        perTenant[entry.tenant] = left > 0 ? left : nil
        return entry
    }
}

extension [OutboxEntry] {
    /// Nearly always at the end: only what was read late, or came back unsent, goes before others.
    fileprivate mutating func insertBySeq(_ entry: OutboxEntry) {
        guard let last, last.seq > entry.seq else { return append(entry) }
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].seq < entry.seq { low = middle + 1 } else { high = middle }
        }
        insert(entry, at: low)
    }
}
