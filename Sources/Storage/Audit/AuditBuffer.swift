import Open311

/// What waits to be written, as a value: bounded, numbered, and with a flood of equal calls counted together.
///
/// Every row gets the next number of its process, the ones given up too: what is missing in the database is a gap.
struct AuditBuffer: Sendable {
    struct Row: Sendable {
        let number: Int64
        var entry: AuditEntry
    }

    /// What calls of a flood have in common.
    private struct Kind: Hashable {
        let tenant: TenantID?
        let direction: AuditDirection
        let actor: String?
        let operation: String
        let request: ServiceRequestID?
        let objects: String?
        let result: String
    }

    private let capacity: Int
    private var rows: [Row] = []
    /// By kind: how many rows of their own it has here, and the place of the last.
    private var kinds: [Kind: (count: Int, last: Int)] = [:]
    private(set) var lastNumber: Int64 = 0
    /// Rows that were given up.
    private(set) var lost: Int64 = 0
    /// Taken and not yet written.
    private var underWay = 0

    /// Equal calls between two writings that are rows of their own; more are counted in the last of these.
    static let singles = 32

    /// - Parameter capacity: rows that may wait.
    init(capacity: Int) { self.capacity = capacity }

    var waiting: Int { rows.count + underWay }
    /// Up to here every number is in the database, or given up.
    var lastWritten: Int64 { lastNumber - Int64(waiting) }

    /// - Parameter mayMerge: whether it may be counted together with others that differ in nothing but time and size.
    /// - Returns: false when there is no room.
    mutating func add(_ entry: AuditEntry, mayMerge: Bool) -> Bool {
        let kind =
            mayMerge
            ? Kind(
                tenant: entry.tenant, direction: entry.direction, actor: entry.actor, operation: entry.operation, request: entry.request,
                objects: entry.objects, result: entry.result) : nil
        if let kind, let (count, last) = kinds[kind], count >= Self.singles {
            rows[last].entry.merge(entry)
            return true
        }
        guard waiting < capacity else { return false }
        lastNumber += 1
        rows.append(Row(number: lastNumber, entry: entry))
        if let kind { kinds[kind] = ((kinds[kind]?.count ?? 0) + 1, rows.count - 1) }
        return true
    }

    /// It will never be written: its number stays empty.
    mutating func giveUp() {
        lastNumber += 1
        lost += 1
    }

    /// Rows that the database refuses.
    mutating func giveUp(refused rows: Int) { lost += Int64(rows) }

    /// What waits, oldest first, at most `limit` rows; to be said to be ``done(_:)``.
    mutating func take(_ limit: Int) -> [Row] {
        let taken = Array(rows.prefix(limit))
        rows.removeFirst(taken.count)
        // Places have changed, and a new interval begins.
        kinds.removeAll(keepingCapacity: true)
        underWay += taken.count
        return taken
    }

    mutating func done(_ count: Int) { underWay -= count }
}

extension AuditEntry {
    /// Counts another one in: sizes add up, the longest duration stays, what was of one call alone goes.
    fileprivate mutating func merge(_ other: AuditEntry) {
        calls += other.calls
        bytesIn += other.bytesIn
        bytesOut += other.bytesOut
        duration = max(duration, other.duration)
        correlationID = nil
        traceID = nil
        bodyHash = nil
    }
}
