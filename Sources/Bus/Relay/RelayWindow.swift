import Open311
import Storage

/// Which events are read, in flight, done: the relay's memory as a value, without clock or I/O.
///
/// Promises: an event is in flight once at a time; at most one event of a request is unconfirmed, so a request's events are
/// confirmed in order; the window is bounded in events, bytes and, while several tenants wait, per tenant.
struct RelayWindow: Sendable {
    private let maximumCount: Int
    private let maximumBytes: Int
    private let maximumPerTenant: Int

    private var waiting: [OutboxEntry] = []
    private var waitingSeqs: Set<Int64> = []
    private(set) var inFlight: [Int64: OutboxEntry] = [:]
    private var bytesInFlight = 0
    private var requestsInFlight: Set<ServiceRequestID> = []
    private var perTenant: [TenantID: Int] = [:]
    /// Confirmed by the broker, not yet in the database: the database still calls them pending.
    private(set) var unsettled: Set<Int64> = []

    init(count: Int, bytes: Int, perTenant: Int) {
        maximumCount = count
        maximumBytes = bytes
        maximumPerTenant = perTenant
    }

    var waitingCount: Int { waiting.count }

    /// Takes in what was read; what is known already is left out.
    mutating func add(_ entries: [OutboxEntry]) {
        for entry in entries where inFlight[entry.seq] == nil && !unsettled.contains(entry.seq) {
            if waitingSeqs.insert(entry.seq).inserted { waiting.append(entry) }
        }
    }

    /// The events that may leave now, lowest first; they are in flight from here on.
    mutating func next() -> [OutboxEntry] {
        guard !waiting.isEmpty, inFlight.count < maximumCount else { return [] }
        let tenants = Set(waiting.lazy.map(\.tenant)).union(perTenant.keys)
        let share = tenants.count > 1 ? maximumPerTenant : maximumCount
        var chosen: [OutboxEntry] = []
        var kept: [OutboxEntry] = []
        // A request whose earlier event stays must not be overtaken by its later one.
        var heldRequests: Set<ServiceRequestID> = []
        for entry in waiting {
            let isHeld = entry.requestID.map { requestsInFlight.contains($0) || heldRequests.contains($0) } ?? false
            // One event larger than the whole window still leaves, alone.
            let fits = bytesInFlight + entry.body.count <= maximumBytes || inFlight.isEmpty
            if isHeld || !fits || inFlight.count >= maximumCount || perTenant[entry.tenant, default: 0] >= share {
                kept.append(entry)
                if let request = entry.requestID { heldRequests.insert(request) }
                continue
            }
            chosen.append(entry)
            inFlight[entry.seq] = entry
            bytesInFlight += entry.body.count
            perTenant[entry.tenant, default: 0] += 1
            if let request = entry.requestID { requestsInFlight.insert(request) }
        }
        waiting = kept
        for entry in chosen { waitingSeqs.remove(entry.seq) }
        return chosen
    }

    /// The broker has it: remembered until the database knows.
    mutating func confirmed(_ seq: Int64) -> OutboxEntry? {
        guard let entry = land(seq) else { return nil }
        unsettled.insert(seq)
        return entry
    }

    /// The database knows.
    mutating func settled(_ seqs: [Int64]) { unsettled.subtract(seqs) }

    /// Not delivered: the database still has it pending and will give it again.
    mutating func returned(_ seq: Int64) -> OutboxEntry? { land(seq) }

    /// Everything in flight is unknown: the connection is gone.
    mutating func abandonAll() { for seq in Array(inFlight.keys) { _ = land(seq) } }

    /// Forgets what waits of these tenants; the database keeps it.
    mutating func forget(_ tenants: Set<TenantID>) {
        for entry in waiting where tenants.contains(entry.tenant) { waitingSeqs.remove(entry.seq) }
        waiting.removeAll { tenants.contains($0.tenant) }
    }

    /// The requests of what waits.
    var waitingRequests: Set<ServiceRequestID> { Set(waiting.compactMap(\.requestID)) }

    /// Forgets what waits of these requests, but the word that they were erased; the database has settled the rest.
    mutating func forget(erased requests: Set<ServiceRequestID>) {
        func isForgotten(_ entry: OutboxEntry) -> Bool {
            entry.type != ServiceRequestEvent.Kind.erased.rawValue && entry.requestID.map(requests.contains) ?? false
        }
        for entry in waiting where isForgotten(entry) { waitingSeqs.remove(entry.seq) }
        waiting.removeAll(where: isForgotten)
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
