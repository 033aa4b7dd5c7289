import HTTPTypes
import Hummingbird
import NIOCore
import Open311
import Storage

extension StatusIngestService {
    /// `GET /v1/statistics?from=…&to=…&format=json|csv|html&by=hour|day|month&language=fr|en&public=true`: the tenant's own. Without a
    /// period: twelve months, the running one included. By the hour it is at most a month, by the day a year.
    func statistics(_ request: Request, _ tenant: Tenant) async throws(Problem) -> Response {
        guard request.method == .get else { throw Self.notAllowed("GET") }
        guard let usage else {
            throw Problem(404, "no-such-resource", "No such resource", "This installation does not serve its statistics here.")
        }
        let query = try FormFields(of: request, knowing: ["from", "to", "format", "by", "language", "public"], Self.unusable)
        let period: UsagePeriod
        do {
            period = try UsagePeriod(from: query["from"], to: query["to"], today: LocalClock(tenant.timeZone).local(.now).day)
        } catch {
            throw Self.unusable("\(error.name) \(error.problem).")
        }
        let language = try query["language"].map { (text) throws(Problem) in
            guard let known = Language(parsing: text), [.french, .english].contains(known.primary) else {
                throw Self.unusable("language must be fr or en.")
            }
            return known
        }
        let isPublic = try query["public"].map { (text) throws(Problem) in
            guard ["true", "false"].contains(text) else { throw Self.unusable("public must be true or false.") }
            return text == "true"
        }
        let format = query["format"] ?? "json"
        guard ["json", "csv", "html"].contains(format) else { throw Self.unusable("format must be json, csv or html.") }
        let body: [UInt8]
        let report: UsageReport
        do {
            let full = try await usage.report(of: tenant, period, language: language ?? tenant.language)
            report = isPublic == true ? full.forPublic(other: full.language.primary == .french ? "Autres" : "Others") : full
        } catch {
            throw Self.problem(.storage(error))
        }
        var headers = HTTPFields()
        headers[.cacheControl] = "no-store"
        switch format {
        case "html":
            headers[.contentType] = "text/html; charset=utf-8"
            headers[.contentSecurityPolicy] = UsagePage.contentSecurityPolicy
            headers[.xContentTypeOptions] = "nosniff"
            body = Array(UsagePage.html(report, isPublic: isPublic == true).utf8)
        case "csv":
            guard isPublic != true else { throw Self.unusable("public is for json and html: each line of the CSV is as small as it is.") }
            headers[.contentType] = UsageTable.contentType
            body = try await table(tenant, period, report, by: query["by"], usage)
        default:
            headers[.contentType] = "application/json; charset=utf-8"
            body = report.json
        }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }

    private func table(
        _ tenant: Tenant, _ period: UsagePeriod, _ report: UsageReport, by text: String?, _ usage: UsageStore
    ) async throws(Problem) -> [UInt8] {
        guard let step = UsageTable.Step(rawValue: text ?? "month") else { throw Self.unusable("by must be hour, day or month.") }
        let longest =
            switch step {
            case .hour: 31
            case .day: 366
            case .month: UsagePeriod.longestDays
            }
        guard period.to.number - period.from.number <= longest else {
            throw Self.unusable(
                "from and to may be at most \(longest) days apart with by=\(step.rawValue). Ask for one part after the other.")
        }
        var bytes = UsageTable.heading
        do {
            for line in try await usage.lines(of: tenant, from: period.from, to: period.to, by: step) {
                bytes += UsageTable.csv(line, tenant: tenant.key, names: report.serviceNames, labels: report.keyLabels)
            }
        } catch {
            throw Self.problem(.storage(error))
        }
        return bytes
    }

    private static func unusable(_ text: String) -> Problem { Problem(400, "invalid-query", "Invalid query", text) }
}
