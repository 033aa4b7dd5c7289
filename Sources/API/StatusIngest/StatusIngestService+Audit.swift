import HTTPTypes
import Hummingbird
import NIOCore
import Open311
import Storage

extension StatusIngestService {
    private static let maximumRows = 1_000

    /// `GET /v1/audit?from=…&to=…&direction=…&request=…&format=csv|jsonl&limit=…`: the tenant's own rows, oldest first, a page at a time;
    /// `Link` leads to the next one. Without a period: the last day.
    func auditRows(_ request: Request, _ tenant: Tenant) async throws(Problem) -> Response {
        guard request.method == .get else { throw Self.notAllowed("GET") }
        guard let auditStore else {
            throw Problem(404, "no-such-resource", "No such resource", "This installation does not serve its audit here.")
        }
        let query = try FormFields(
            of: request, knowing: ["from", "to", "direction", "request", "format", "limit", "after"], Self.refused)
        let form = try query["format"].map { (text) throws(Problem) in
            guard let form = AuditExport(rawValue: text) else { throw Self.refused("format must be csv or jsonl.") }
            return form
        }
        let limit = try query["limit"].map { (text) throws(Problem) in
            guard let number = Int(text), (1...Self.maximumRows).contains(number) else {
                throw Self.refused("limit must be 1 to \(Self.maximumRows).")
            }
            return number
        }
        var filter = try Self.filter(query)
        if let text = query["request"] {
            guard let address = RequestAddress(serviceRequestID: text) else { throw Self.refused("request must be a service_request_id.") }
            filter.request = try await number(of: address, tenant)
        }
        let chosen = form ?? .jsonl
        let cursor = try query["after"].map { (text) throws(Problem) in try Self.cursor(text) } ?? .start
        let rows: [AuditRow]
        do {
            rows = try await auditStore.page(of: tenant.id, filter, after: cursor, limit: limit ?? Self.maximumRows)
        } catch {
            throw Self.problem(.storage(error))
        }
        var bytes = cursor == .start ? chosen.heading : []
        for row in rows { bytes += chosen.line(row, tenant: tenant.key.rawValue) }
        var headers = HTTPFields()
        headers[.contentType] = chosen.contentType
        headers[.cacheControl] = "no-store"
        if rows.count == limit ?? Self.maximumRows, let last = rows.last {
            // The period is written out: the next page must not end later than this one.
            let (from, to) = (AuditExport.moment(filter.from), AuditExport.moment(filter.to))
            var next = "/v1/audit?from=\(FormWriter.escaped(from))&to=\(FormWriter.escaped(to))"
            for name in ["direction", "request", "format", "limit"] {
                if let value = query[name] { next += "&\(name)=\(FormWriter.escaped(value))" }
            }
            headers[Self.link] = "<\(next)&after=\(last.storedAt.microseconds)-\(last.id)>; rel=\"next\""
        }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    static let link = HTTPField.Name("Link") ?? .location

    private static func filter(_ query: FormFields) throws(Problem) -> AuditFilter {
        func moment(_ name: String) throws(Problem) -> Timestamp? {
            guard let text = query[name] else { return nil }
            guard let moment = Timestamp(parsing: text) else {
                throw refused("\(name) must be a day or a moment with its zone, as in 2026-11-25T08:00:00Z.")
            }
            return moment
        }
        let end = try moment("to") ?? Timestamp.now.adding(seconds: 1)
        var filter = AuditFilter(from: try moment("from") ?? end.adding(days: -1), to: end)
        guard filter.from < filter.to else { throw refused("from must be before to.") }
        if let text = query["direction"] {
            guard let direction = AuditDirection(rawValue: text) else {
                throw refused("direction must be one of: \(AuditDirection.allCases.map(\.rawValue).joined(separator: ", ")).")
            }
            filter.direction = direction
        }
        return filter
    }

    private static func cursor(_ text: String) throws(Problem) -> AuditStore.Cursor {
        let parts = text.split(separator: "-").map { Int64($0) }
        guard parts.count == 2, let moment = parts[0], let id = parts[1] else { throw refused("after must be what the Link header gave.") }
        return AuditStore.Cursor(storedAt: Timestamp(microseconds: moment), id: id)
    }

    private static func refused(_ text: String) -> Problem { Problem(400, "invalid-query", "Invalid query", text) }
}
