import Logging
import Open311
import Postgres

/// One group of submissions on its way into the database.
struct SubmissionBatch: Sendable {
    typealias Item = SubmissionRecorder.Item
    typealias Outcome = SubmissionRecorder.Outcome

    let origin: ServiceRequestEvent.Origin
    let numbers: NumberBlocks
    let logger: Logger

    struct Entry: Sendable {
        let position: Int
        let item: Item
        let request: ServiceRequestID
        /// One in each version of the contract that the tenant receives.
        let events: [ServiceRequestEvent]
    }

    /// The events of a submission under the next number; none when no number is at hand.
    func events(of submission: Submission, tenant: Tenant) -> [ServiceRequestEvent] {
        var random = SystemRandomNumberGenerator()
        return numbers.take().map { events(of: submission, tenant: tenant, number: $0, random: &random) } ?? []
    }

    private func events(
        of submission: Submission, tenant: Tenant, number: Int64, random: inout some RandomNumberGenerator
    ) -> [ServiceRequestEvent] {
        let id = ServiceRequestID(number: number, at: submission.receivedAt)
        return tenant.policies.contract.majors.map { major in
            ServiceRequestEvent.created(submission, as: id, tenant: tenant, origin: origin, in: major, random: &random)
        }
    }

    /// - Returns: one outcome for each item, in order, and what relays are told of the events that were written.
    func record(_ items: [Item], on connection: isolated PostgresConnection) -> (outcomes: [Outcome], hints: [OutboxHint]) {
        var fresh: [Int64]
        do {
            fresh = try newNumbers(items.count { $0.events.isEmpty }, on: connection)
        } catch {
            return ([Outcome](repeating: .failure(StorageError(error)), count: items.count), [])
        }
        var outcomes = [Outcome](repeating: .failure(StorageError(.internalFault)), count: items.count)
        var entries: [Entry] = []
        var random = RandomBlock()
        for (position, item) in items.enumerated() {
            var events = item.events
            if events.isEmpty, let number = fresh.popLast() {
                events = self.events(of: item.submission, tenant: item.tenant, number: number, random: &random)
            }
            guard let request = events.first?.requestID else { continue }
            if events.contains(where: { $0.body.count > ServiceRequestEvent.maximumSize }) {
                outcomes[position] = .failure(StorageError(.tooLarge))
            } else {
                entries.append(Entry(position: position, item: item, request: request, events: events))
            }
        }
        var hints: [OutboxHint] = []
        for (position, outcome) in store(entries, on: connection, &hints) { outcomes[position] = outcome }
        return (outcomes, hints)
    }

    /// Fetches numbers for those who found none; what is left of their blocks goes to the callers of the next group.
    private func newNumbers(_ count: Int, on connection: isolated PostgresConnection) throws(PostgresError) -> [Int64] {
        guard count > 0 else { return [] }
        let starts = try connection.run { (session) throws(PostgresError) in
            try session.execute(IngestSQL.numbers, [.int32(NumberBlocks.blocks(for: count))]).map { (row) throws(PostgresError) in
                try row.int64(0)
            }
        }
        var own: [Int64] = []
        for start in starts {
            let taken = min(Int64(count - own.count), NumberBlocks.blockSize)
            own.append(contentsOf: start..<(start + taken))
            if taken < NumberBlocks.blockSize { numbers.add((start + taken)...(start + NumberBlocks.blockSize - 1)) }
        }
        return own
    }

    private func store(
        _ entries: [Entry], on connection: isolated PostgresConnection, _ hints: inout [OutboxHint]
    ) -> [(Int, Outcome)] {
        guard !entries.isEmpty else { return [] }
        let steps = Self.steps(entries)
        do {
            let (recorded, written) = try connection.run { (session) throws(PostgresError) in
                let answers = try session.pipeline(steps)
                var written: [OutboxHint] = []
                if let events = steps.firstIndex(where: { $0.statement.name.hasPrefix(IngestSQL.events.plain.name) }) {
                    written = try answers[events].map(OutboxHint.init)
                }
                // References were asked for last.
                guard entries.contains(where: { $0.item.submission.clientReference != nil }), let rows = answers.last else {
                    return ([RecordedReference](), written)
                }
                return (try rows.map(RecordedReference.init), written)
            }
            hints += written
            return Self.outcomes(entries, recorded)
        } catch {
            if error.isRetriable || entries.count == 1 {
                logger.warning("submissions not stored", metadata: ["count": "\(entries.count)", "error": "\(error)"])
                return entries.map { ($0.position, .failure(StorageError(error))) }
            }
            // One of them is refused: each alone shows which, and the others are stored.
            var outcomes: [(Int, Outcome)] = []
            for entry in entries { outcomes.append(contentsOf: store([entry], on: connection, &hints)) }
            return outcomes
        }
    }

    private struct RecordedReference: Sendable {
        let tenant: Int32
        let key: String
        let fingerprint: [UInt8]
        let request: Int64
        let token: String?

        init(_ row: Row) throws(PostgresError) {
            tenant = try row.int32(0)
            key = try row.text(1)
            fingerprint = try row.byteString(2)
            request = try row.int64(3)
            token = row.optionalText(4)
        }
    }

    private static func outcomes(_ entries: [Entry], _ recorded: [RecordedReference]) -> [(Int, Outcome)] {
        entries.map { entry in
            let own = entry.request
            guard let reference = entry.item.submission.clientReference,
                let kept = recorded.first(where: { $0.tenant == entry.item.tenant.id.rawValue && $0.key == reference.key })
            else { return (entry.position, .success(RecordedSubmission(id: own, token: entry.item.submission.token, isRepetition: false))) }
            guard kept.fingerprint == reference.fingerprint else { return (entry.position, .failure(StorageError(.conflict))) }
            let id = ServiceRequestID(stored: kept.request)
            return (entry.position, .success(RecordedSubmission(id: id, token: kept.token, isRepetition: id != own)))
        }
    }

    private static func steps(_ entries: [Entry]) -> [(statement: Statement, parameters: [Parameter])] {
        let submissions = entries.map(\.item.submission)
        let ids = entries.map(\.request.rawValue)
        let tenants = entries.map(\.item.tenant.id.rawValue)
        let references = submissions.map(\.clientReference?.key)
        let moments = submissions.map { Int64?.some($0.receivedAt.microseconds) }
        var steps: [(statement: Statement, parameters: [Parameter])] = []

        let referenced = entries.indices.filter { references[$0] != nil }
        let insert = { (insert: IngestSQL.Insert) in referenced.isEmpty ? insert.plain : insert.referenced }
        if !referenced.isEmpty {
            steps.append(
                (
                    IngestSQL.references,
                    [
                        .int32s(referenced.map { tenants[$0] }), .texts(referenced.map { references[$0] }),
                        .byteStrings(referenced.map { submissions[$0].clientReference?.fingerprint }), .int64s(referenced.map { ids[$0] }),
                        .texts(referenced.map { submissions[$0].token }),
                    ]
                ))
        }
        steps.append(
            (
                insert(IngestSQL.requests),
                [
                    .int64s(ids), .int32s(tenants), .texts(submissions.map(\.serviceCode.rawValue)), .texts(submissions.map(\.serviceName)),
                    .texts(submissions.map(\.description)), .timestamps(moments),
                    .doubles(submissions.map(\.location.coordinate?.latitude)), .doubles(submissions.map(\.location.coordinate?.longitude)),
                    .texts(submissions.map(\.location.address)), .texts(submissions.map(\.location.addressID)),
                    .texts(submissions.map(\.location.zipcode)),
                    .texts(submissions.map(media)),
                    .jsons(submissions.map { answersJSON($0.answers) }), .texts(submissions.map(\.receivedVia)),
                    .texts(submissions.map(\.language.rawValue)), .texts(references), .jsons(submissions.map(more)),
                    .byteStrings(submissions.map { $0.trace?.traceID }),
                    // 0 for none.
                    .int32s(submissions.map { $0.catalogueVersion ?? 0 }),
                ]
            ))
        let identified = entries.indices.filter { submissions[$0].reporter != nil }
        if !identified.isEmpty {
            let people = identified.compactMap { submissions[$0].reporter }
            steps.append(
                (
                    insert(IngestSQL.reporters),
                    [
                        .int64s(identified.map { ids[$0] }), .int32s(identified.map { tenants[$0] }), .texts(people.map(\.firstName)),
                        .texts(people.map(\.lastName)), .texts(people.map(\.email)), .texts(people.map(\.phone)),
                        .texts(people.map(\.accountID)), .texts(people.map(\.deviceID)), .texts(identified.map { references[$0] }),
                        .texts(people.map(\.organisation)), .texts(people.map(\.siret)),
                    ]
                ))
        }
        if entries.contains(where: { !$0.item.submission.photos.isEmpty || !$0.item.submission.copiedLinks.isEmpty }) {
            steps.append((insert(PhotoSQL.insert), photos(entries)))
        }
        // No CRM hears of what a test endpoint took.
        let published = entries.filter { !$0.item.tenant.id.isTest }
        if !published.isEmpty { steps.append((insert(IngestSQL.events), events(published))) }
        if !referenced.isEmpty {
            steps.append((IngestSQL.recorded, [.int32s(referenced.map { tenants[$0] }), .texts(referenced.map { references[$0] })]))
        }
        return steps
    }

    /// Photos first, then links; no URL has a space.
    private static func media(_ submission: Submission) -> String? {
        guard !submission.photos.isEmpty || !submission.mediaURLs.isEmpty else { return nil }
        let photos = submission.photos.map { StoredMedia.entry($0.token, until: submission.photosExpireAt) }
        return (photos + submission.mediaURLs).joined(separator: " ")
    }

    private static func events(_ entries: [Entry]) -> [Parameter] {
        let all = entries.flatMap { entry in entry.events.map { (item: entry.item, event: $0) } }
        return [
            .uuids(all.map { ($0.event.id.high, $0.event.id.low) }), .int32s(all.map(\.item.tenant.id.rawValue)),
            .int16s(all.map(\.item.tenant.shard)), .int64s(all.map(\.event.requestID.rawValue)),
            .texts(all.map(\.event.kind.rawValue)), .byteStrings(all.map(\.event.body)),
            .timestamps(all.map { $0.item.submission.receivedAt.microseconds }),
            .texts(all.map { $0.item.submission.clientReference?.key }), .texts(all.map { $0.item.submission.trace?.description }),
        ]
    }

    /// What few submissions have, in one value, so that the others pay for one null.
    private static func more(_ submission: Submission) -> [UInt8]? {
        guard submission.title != nil || submission.object != nil || submission.token != nil || !submission.isListed else { return nil }
        var writer = JSONWriter(capacity: 256)
        writer.beginObject()
        writer.name("title")
        writer.value(submission.title)
        writer.name("object_type")
        writer.value(submission.object?.type)
        writer.name("object_id")
        writer.value(submission.object?.id)
        writer.name("token")
        writer.value(submission.token)
        writer.name("listed")
        writer.value(submission.isListed)
        writer.endObject()
        return writer.bytes
    }

    private static func answersJSON(_ answers: [Answer]) -> [UInt8] {
        if answers.isEmpty { return Array("[]".utf8) }
        var writer = JSONWriter(capacity: 256)
        writer.answers(answers)
        return writer.bytes
    }
}
