import HTTPTypes
import Hummingbird
import NIOCore
import Open311
import Storage

/// How many places of a parking are free, minute by minute: a light road beside the reference data, without versions.
extension StatusIngestService {
    /// `PUT /v1/live-counts` with up to 1,000, `PUT /v1/live-counts/{id}` with one, `GET /v1/live-counts` for what is known.
    func liveCounts(_ request: Request, _ words: [Substring], _ trail: RequestTrail) async throws(Problem) -> Response {
        guard words.count <= 3 else {
            throw Problem(
                404, "no-such-resource", "No such resource",
                "Use PUT /v1/live-counts, PUT /v1/live-counts/{id} or GET /v1/live-counts.")
        }
        trail.route = "live-counts"
        let tenant = try await authenticated(request, trail)
        if words.count == 2, request.method == .get { return try await knownCounts(of: tenant) }
        guard request.method == .put || words.count == 2 && request.method == .post else {
            throw Self.notAllowed(words.count == 2 ? "GET, POST, PUT" : "PUT")
        }
        let type = ReferenceSource.Format(contentType: request.headers[.contentType] ?? "")
        guard let type, type == .json || words.count == 2 else {
            throw Problem(
                415, "unsupported-media-type", "Unsupported media type",
                "Content-Type must be application/json\(words.count == 2 ? " or text/csv" : "").")
        }
        let body = try await collect(request, trail, atMost: LiveCountForm.maximumSize)
        let form = LiveCountForm(receivedAt: .now)
        do {
            if words.count == 2 {
                return try await record(try Self.counts(body, type, form), of: tenant)
            }
            guard let id = FormReader.pathSegment(words[2]).flatMap({ PlaceID($0) }) else { throw Self.unknownParking }
            return try await record(try form.count(of: id, json: body), of: tenant)
        } catch let faults as ReferenceFaults {
            throw Problem(
                400,
                StatusUpdateFault(
                    "invalid-live-counts", "Invalid live counts", "Nothing was stored: correct the members listed.",
                    members: faults.listed.map { StatusUpdateFault.Member(pointer: $0.pointer, text: $0.text) }))
        } catch let problem as Problem {
            throw problem
        } catch {
            throw Problem(500, "internal", "Internal error", "An internal error occurred. Send the same counts again later.")
        }
    }

    private static func counts(
        _ body: [UInt8], _ type: ReferenceSource.Format, _ form: LiveCountForm
    ) throws(ReferenceFaults) -> [GivenCount] {
        switch type {
        case .json: try form.counts(json: body)
        case .csv(let charset): try form.counts(table: body, charset: charset)
        }
    }

    private static var unknownParking: Problem {
        Problem(404, "unknown-parking", "Unknown parking", "No parking of your published reference data has this id.")
    }

    private func record(_ counts: [GivenCount], of tenant: Tenant) async throws(Problem) -> Response {
        let outcomes = try await outcomes(counts, tenant)
        var writer = JSONWriter(capacity: 64 + counts.count * 64)
        writer.beginObject()
        writer.name("stored")
        writer.value(Int64(outcomes.count { $0 == .stored }))
        writer.name("counts")
        writer.beginArray()
        for (count, outcome) in zip(counts, outcomes) {
            writer.beginObject()
            writer.name("id")
            writer.value(count.id.rawValue)
            writer.name("outcome")
            switch outcome {
            case .stored: writer.value("stored")
            case .superseded: writer.value("superseded")
            case .unknown:
                writer.value("unknown-parking")
            case .beyondCapacity(let capacity):
                writer.value("beyond-capacity")
                writer.name("detail")
                writer.value(Self.beyond(count, capacity))
            }
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return Self.answer(writer)
    }

    private func record(_ count: GivenCount, of tenant: Tenant) async throws(Problem) -> Response {
        let outcome = try await outcomes([count], tenant).first ?? .unknown
        switch outcome {
        case .unknown: throw Self.unknownParking
        case .beyondCapacity(let capacity): throw Problem(409, "beyond-capacity", "Beyond capacity", Self.beyond(count, capacity))
        case .stored, .superseded:
            var writer = JSONWriter(capacity: 128)
            writer.beginObject()
            writer.name("id")
            writer.value(count.id.rawValue)
            writer.name("outcome")
            writer.value(outcome == .stored ? "stored" : "superseded")
            writer.endObject()
            return Self.answer(writer)
        }
    }

    private static func beyond(_ count: GivenCount, _ capacity: Int) -> String {
        "free is \(count.free), and the parking has a capacity of \(capacity): correct one of them."
    }

    private func outcomes(_ counts: [GivenCount], _ tenant: Tenant) async throws(Problem) -> [LiveCountOutcome] {
        do { return try await liveCountStore.record(counts, of: tenant.id) } catch { throw Self.problem(.storage(error)) }
    }

    private func knownCounts(of tenant: Tenant) async throws(Problem) -> Response {
        let known: [KnownCount]
        do { known = try await liveCountStore.current(of: tenant.id) } catch { throw Self.problem(.storage(error)) }
        let now = Timestamp.now
        var writer = JSONWriter(capacity: 64 + known.count * 128)
        writer.beginObject()
        writer.name("counts")
        writer.beginArray()
        for entry in known {
            writer.beginObject()
            writer.name("id")
            writer.value(entry.id)
            writer.name("free")
            writer.value(Int64(entry.count.free))
            writer.name("counted_datetime")
            writer.value(entry.count.countedAt)
            writer.name("received_datetime")
            writer.value(entry.count.receivedAt)
            writer.name("is_stale")
            writer.value(entry.count.countedAt.adding(seconds: Int64(entry.staleAfter) * 60) < now)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return Self.answer(writer)
    }

    private static func answer(_ writer: JSONWriter) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = "application/json; charset=utf-8"
        headers[.cacheControl] = "no-store"
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: writer.bytes)))
    }
}
