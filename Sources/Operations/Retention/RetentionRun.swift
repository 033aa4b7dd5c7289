import Open311
import Storage

/// One pass of retention over everything, in small transactions with pauses between them: cut anywhere, the next pass goes on.
public struct RetentionRun: Sendable {
    /// How much of the database's time it takes.
    public struct Pace: Sendable {
        /// A transaction takes about so long: then the next is made smaller, or larger.
        public var goal = Duration.milliseconds(60)
        /// After each, so many times as long nothing is asked.
        public var pauses = 2.0
        /// Rows of a transaction.
        public var rows = 20...500
        /// Requests of a tenant in one run whose CRM is told: they go through the same queue as what citizens send.
        public var told = 20_000

        public static let standard = Pace()
        /// For who waits for the end, with nobody else there.
        public static let hurried = Pace(goal: .milliseconds(200), pauses: 0, rows: 200...1_000, told: .max)

        public init(goal: Duration = .milliseconds(60), pauses: Double = 2, rows: ClosedRange<Int> = 20...500, told: Int = 20_000) {
            self.goal = goal
            self.pauses = pauses
            self.rows = rows
            self.told = told
        }
    }

    public struct Report: Sendable {
        public let number: Int64
        public let steps: [RetentionStep]
        /// What is left for the next run: sentences.
        public let left: [String]
        /// Of the ledger's last entry.
        public let digest: [UInt8]?
    }

    private let store: RetentionStore
    private let origin: ServiceRequestEvent.Origin
    private let pace: Pace

    public init(store: RetentionStore, origin: ServiceRequestEvent.Origin, pace: Pace = .standard) {
        self.store = store
        self.origin = origin
        self.pace = pace
    }

    /// - Parameters:
    ///   - moment: terms are counted from it; a clock ahead of the database's is refused.
    ///   - progress: told what is being done, and of how many rows until now.
    /// - Returns: nil while another process is at it.
    /// - Throws: ``RetentionError``; `CancellationError` between two transactions.
    public func callAsFunction(
        at moment: Timestamp, by who: String, afterGap: Bool = false, progress: @escaping @Sendable (String, Int) -> Void = { _, _ in }
    ) async throws -> Report? {
        guard let number = try await store.begin(at: moment, by: who, afterGap: afterGap) else { return nil }
        var work = RetentionWork(store: store, origin: origin, pace: pace, moment: moment, number: number, progress: progress)
        do {
            try await work.everything()
        } catch {
            _ = try? await store.end(number, "interrupted")
            throw error
        }
        let digest = try await store.end(number, work.left.isEmpty ? "finished" : "partial")
        return Report(number: number, steps: try await store.steps(of: number), left: work.left, digest: digest)
    }
}

/// The steps of one run.
private struct RetentionWork {
    let store: RetentionStore
    let origin: ServiceRequestEvent.Origin
    let pace: RetentionRun.Pace
    let moment: Timestamp
    let number: Int64
    let progress: @Sendable (String, Int) -> Void
    var left: [String] = []
    private var size: Int

    /// What somebody else holds at this moment is asked for again so often, then left for the next run.
    private static let attempts = 10

    init(
        store: RetentionStore, origin: ServiceRequestEvent.Origin, pace: RetentionRun.Pace, moment: Timestamp, number: Int64,
        progress: @escaping @Sendable (String, Int) -> Void
    ) {
        self.store = store
        self.origin = origin
        self.pace = pace
        self.moment = moment
        self.number = number
        self.progress = progress
        size = pace.rows.lowerBound
    }

    mutating func everything() async throws {
        let tenants = Dictionary(try await store.tenants().map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for id in try await store.tenantsWithRequests() {
            try await anonymise(id, tenants[id.production])
            try await delete(id)
        }
        try await emptyEvents()
        try await deleteReferences()
        for relation in try await store.tablesByAge() { try await expire(relation) }
        for month in try await store.monthsOver(at: moment) { try await remove(month) }
    }

    private mutating func anonymise(_ id: TenantID, _ tenant: Tenant?) async throws {
        let told = tenant.flatMap { !id.isTest && $0.service.retention.tellsCRM ? $0 : nil }
        var last: DueRequest?
        var (done, seen) = (0, 0)
        while true {
            guard told == nil || done < pace.told else {
                left.append(
                    "\(tenant?.key.rawValue ?? "\(id.rawValue)"): its CRM was told of \(done) requests; the others are the next run's")
                return
            }
            let requests = try await store.due(at: moment, of: id, deletes: false, after: last, limit: size)
            guard let end = requests.last else { break }
            let events = told.map { tenant in
                requests.map {
                    ServiceRequestEvent.erased(
                        $0.id, because: .retention, at: .now, sequence: $0.sequence + 1, tenant: tenant, origin: origin)
                }
            }
            let (store, number) = (self.store, self.number)
            done +=
                try await batch("anonymised") { () async throws(RetentionError) in
                    try await store.anonymise(requests, of: id, shard: tenant?.shard ?? 0, events: events ?? [], run: number)
                } ?? 0
            seen += requests.count
            last = end
            progress("requests anonymised", done)
        }
        if done < seen { left.append("\(seen - done) requests were in use") }
    }

    private mutating func delete(_ id: TenantID) async throws {
        var last: DueRequest?
        var (done, seen) = (0, 0)
        while true {
            let requests = try await store.due(at: moment, of: id, deletes: true, after: last, limit: size)
            guard let end = requests.last else { break }
            let (store, number) = (self.store, self.number)
            done +=
                try await batch("deleted") { () async throws(RetentionError) in
                    try await store.delete(requests, of: id, run: number)
                } ?? 0
            seen += requests.count
            last = end
            progress("requests deleted", done)
        }
        if done < seen { left.append("\(seen - done) rows of requests were in use") }
    }

    private mutating func emptyEvents() async throws {
        var (after, done): (Int64, Int) = (0, 0)
        while true {
            let (start, rows) = (after, size * 4)
            let (store, number) = (self.store, self.number)
            guard
                let page = try await batch(
                    "emptied",
                    { () async throws(RetentionError) in
                        try await store.emptyEvents(after: start, limit: rows, run: number)
                    })
            else { return left.append("events after \(start) were in use") }
            guard page.seen > 0 else { return }
            after = page.last
            done += page.emptied
            progress("events emptied", done)
        }
    }

    private mutating func deleteReferences() async throws {
        var last: (tenant: Int32, key: String) = (.min, "")
        var done = 0
        while true {
            let (start, rows) = (last, size * 4)
            let (store, number) = (self.store, self.number)
            guard
                let page = try await batch(
                    "references",
                    { () async throws(RetentionError) in
                        try await store.deleteReferences(after: start, limit: rows, run: number)
                    })
            else { return left.append("references of apps were in use") }
            guard let page else { return }
            last = (page.tenant, page.key)
            done += page.deleted
            progress("references of apps deleted", done)
        }
    }

    private mutating func expire(_ relation: String) async throws {
        var done = 0
        while true {
            let rows = size
            let (store, number) = (self.store, self.number)
            guard
                let count = try await batch(
                    relation,
                    { () async throws(RetentionError) in
                        try await store.expire(relation, limit: rows, run: number)
                    })
            else { return left.append("rows of \(relation) were in use") }
            guard count > 0 else { return }
            done += count
            progress("rows of \(relation) deleted", done)
        }
    }

    /// Takes the month out of its table, then removes it: what is large is done where nobody waits for it.
    private mutating func remove(_ month: RetentionMonth) async throws {
        let (store, number) = (self.store, self.number)
        if month.isAttached {
            guard
                let isOut = try await batch(
                    month.relation,
                    { () async throws(RetentionError) in
                        try await store.detach(month, run: number)
                    })
            else { return left.append("\(month.relation)_\(month.month) is in use") }
            guard isOut else { return left.append("\(month.relation)_\(month.month) has rows that wait for a person") }
        }
        _ = try await batch(month.relation) { () async throws(RetentionError) in try await store.drop(month, run: number) }
        progress("months removed", 1)
    }

    /// One transaction, again while somebody is in its way; then the pause.
    ///
    /// - Returns: nil when somebody was in its way each time.
    private mutating func batch<Value>(_ what: String, _ work: () async throws(RetentionError) -> Value) async throws -> Value? {
        for attempt in 1...Self.attempts {
            try Task.checkCancellation()
            let start = ContinuousClock.now
            do {
                let value = try await work()
                let took = start.duration(to: .now)
                if took > pace.goal { size = max(pace.rows.lowerBound, size / 2) }
                if took < pace.goal / 2 { size = min(pace.rows.upperBound, size * 2) }
                if pace.pauses > 0 { try await Task.sleep(for: took * pace.pauses) }
                return value
            } catch let error as RetentionError {
                guard error.isRetriable else { throw error }
                size = pace.rows.lowerBound
                try await Task.sleep(for: .milliseconds(100 * attempt))
            }
        }
        return nil
    }
}
