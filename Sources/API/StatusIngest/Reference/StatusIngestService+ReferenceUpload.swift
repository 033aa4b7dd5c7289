import HTTPTypes
import Hummingbird
import NIOConcurrencyHelpers
import NIOCore
import Open311
import Storage

/// How many documents are taken at a time: each may be 16 MiB, and its tree several times that.
final class ReferenceRoom: Sendable {
    private let taken = NIOLockedValueBox(0)
    private static let places = 4

    func enter() -> Bool {
        taken.withLockedValue { taken in
            guard taken < Self.places else { return false }
            taken += 1
            return true
        }
    }

    func leave() { taken.withLockedValue { $0 -= 1 } }
}

/// `PUT` and `PATCH` of a document: checked as a whole, then kept as a version, or not at all.
extension StatusIngestService {
    /// What a document became before it is kept.
    private struct Prepared: Sendable {
        let checked: CheckedReference
        let body: [UInt8]
        let differences: [ReferenceDifference]
    }

    func send(
        _ kind: ReferenceKind, _ request: Request, _ query: ReferenceQuery, _ tenant: Tenant, _ key: String,
        _ trail: RequestTrail
    ) async throws(Problem) -> Response {
        guard let format = ReferenceSource.Format(contentType: request.headers[.contentType] ?? ""),
            format == .json || kind.rules?.table != nil
        else {
            throw Problem(
                415, "unsupported-media-type", "Unsupported media type",
                "Content-Type must be application/json\(kind.rules?.table == nil ? "" : " or text/csv").")
        }
        guard room.enter() else {
            var problem = Problem(503, "unavailable", "Unavailable", "Other documents are being taken at this moment. Send it again.")
            problem.headers[.retryAfter] = "2"
            throw problem
        }
        defer { room.leave() }
        let bytes = try await document(request, trail)
        let precondition = ReferencePrecondition(request)
        let isPart = request.method == .patch
        // A part is made of what is live: when that changes meanwhile, the part is made anew.
        for attempt in 1... {
            let live = try await stored { () async throws(StorageError) in try await references.live(kind, of: tenant.id) }
            try precondition.check(live?.version, kind)
            let (candidate, before) = try await Self.candidate(bytes, format, kind, isPart, live, tenant)
            let findings = try await stored { () async throws(StorageError) in
                try await references.findings(on: candidate.document, of: kind, tenant: tenant.id)
            }
            let prepared = try await Self.prepared(candidate, findings, kind, before, tenant)
            let advice = prepared.checked.advice + candidate.placed(findings.advice)
            if query.isDryRun { return Self.preview(prepared.differences, advice, kind, live?.version.number) }
            let new = NewReference(kind: kind, body: prepared.body, author: "crm:" + key, note: query.note)
            do throws(ReferenceRefusal) {
                let change = try await references.put(
                    new, at: query.moment, expecting: isPart || precondition.isThere ? live?.version.number ?? 0 : nil, of: tenant.id)
                HTTPMetrics.referenceChange(kind: kind.rawValue, outcome: change.outcome.rawValue)
                await show(change, kind)
                return Self.answer(
                    change, kind, query, live: live?.version.number, differences: prepared.differences, advice: advice)
            } catch {
                if case .stale = error, isPart, !precondition.isThere, attempt < 5 { continue }
                throw ReferenceDocuments.problem(error, kind: kind)
            }
        }
        throw Problem(500, "internal", "Internal error", "An internal error occurred. Send the same document again later.")
    }

    private func document(_ request: Request, _ trail: RequestTrail) async throws(Problem) -> [UInt8] {
        var body = ByteBuffer()
        do {
            for try await chunk in request.body {
                trail.read(chunk)
                body.writeImmutableBuffer(chunk)
                if body.readableBytes > ReferenceSource.maximumBytes { break }
            }
        } catch {
            throw Problem(400, "unreadable-body", "Unreadable body", "The body could not be read to its end.")
        }
        guard body.readableBytes <= ReferenceSource.maximumBytes else {
            throw Problem(
                413, "too-large", "Too large",
                "A document may have \(ReferenceSource.maximumBytes) bytes at most. Send a part of it with PATCH, and then the next.")
        }
        trail.readToEnd()
        return Array(body.readableBytesView)
    }

    private static func candidate(
        _ bytes: [UInt8], _ format: ReferenceSource.Format, _ kind: ReferenceKind, _ isPart: Bool, _ live: ReferenceDocument?,
        _ tenant: Tenant
    ) async throws(Problem) -> (ReferenceCandidate, before: JSONValue?) {
        try await aside(kind) { () throws(ReferenceFaults) in
            let source = try ReferenceSource(bytes, format, kind: kind, tenant: tenant)
            let before = live.flatMap { try? JSONReader.value($0.body) }
            return (isPart ? try source.patched(before) : source.whole(), before)
        }
    }

    /// - Throws: the document's own faults together with what other documents say against it.
    private static func prepared(
        _ candidate: ReferenceCandidate, _ findings: PlaceFindings, _ kind: ReferenceKind, _ before: JSONValue?, _ tenant: Tenant
    ) async throws(Problem) -> Prepared {
        try await aside(kind) { () throws(ReferenceFaults) in
            let checked = try candidate.checked(of: tenant, with: findings.faults)
            return Prepared(
                checked: checked, body: checked.value.canonicalBytes,
                differences: ReferenceDifference.between(before, checked.value, key: kind.entryKey))
        }
    }

    static func preview(
        _ differences: [ReferenceDifference], _ advice: [ReferenceFault], _ kind: ReferenceKind, _ live: Int32?
    ) -> Response {
        ReferenceDocuments.answer { writer in
            writer.name("kind")
            writer.value(kind.pathName)
            writer.name("outcome")
            writer.value("dry_run")
            writer.name("live_version")
            if let live { writer.value(Int64(live)) } else { writer.null() }
            ReferenceDocuments.differences(differences, in: &writer)
            ReferenceDocuments.advice(advice, in: &writer)
        }
    }
}
