import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Open311
import Storage

/// The page behind the signed link of an alert's mail. Looking changes nothing, for mail programs look at every link; its button acts.
struct AlertPages: Sendable {
    let links: AlertLinkStore
    let logger: Logger

    static func isAlert(_ path: String) -> Bool { path.hasPrefix(AlertLink.prefix) }

    /// - Parameter trail: whose alert it is, and which, is written down: a look at it too.
    func response(to request: Request, _ tenants: DirectorySnapshot, _ trail: RequestTrail) async -> Response {
        // The mail that the link stood in was written in its reader's language, which may not be the tenant's.
        let asked = request.uri.queryParameters["language"].flatMap { Language(parsing: String($0)) }
        let language = asked ?? .french
        guard let link = AlertLink(path: request.uri.path) else { return Self.page(404, .unknown, language) }
        func note(_ alert: LinkedAlert) {
            if let tenant = alert.tenantKey.flatMap({ tenants.tenant($0) }) { trail.note(tenant) }
            trail.objects = "alert \(link.alert) \(link.recipient.rawValue)"
        }
        do throws(StorageError) {
            switch request.method {
            case .get, .head:
                guard let alert = try await links.alert(of: link) else { return Self.page(404, .unknown, language) }
                note(alert)
                return Self.page(
                    200, alert.endedAt != nil ? .over : alert.acknowledgedAt != nil ? .done : .ask, asked ?? alert.language, alert)
            case .post:
                guard try await links.acknowledge(link), let alert = try await links.alert(of: link) else {
                    return Self.page(404, .unknown, language)
                }
                note(alert)
                return Self.page(200, alert.endedAt != nil ? .over : .done, asked ?? alert.language, alert)
            default:
                var response = Self.page(405, .unknown, language)
                response.headers[.allow] = "GET, HEAD, POST"
                return response
            }
        } catch {
            logger.warning("alert page without its database", metadata: ["error": "\(error)"])
            var response = Self.page(503, .unavailable, language)
            response.headers[.retryAfter] = "5"
            return response
        }
    }

    private enum State { case ask, done, over, unknown, unavailable }

    // MARK: Writing

    private static func page(_ status: Int, _ state: State, _ language: Language, _ alert: LinkedAlert? = nil) -> Response {
        let isFrench = language.primary == .french
        let words: (title: String, text: String) =
            switch (state, isFrench) {
            case (.ask, true): ("Prendre acte de cette alerte", "Les rappels s'arrêtent ; vous serez prévenu de la fin.")
            case (.done, true): ("Il est pris acte de cette alerte", "Il n'y aura plus de rappel ; vous serez prévenu de la fin.")
            case (.over, true): ("Cette alerte est terminée", "Il n'y a plus rien à faire.")
            case (.unknown, true): ("Ce lien n'est pas ou plus valable", "Utilisez celui du dernier message reçu.")
            case (.unavailable, true): ("Un instant", "Le service répond à nouveau sous peu.")
            case (.ask, false): ("Acknowledge this alert", "The reminders stop; you will hear of its end.")
            case (.done, false): ("This alert is acknowledged", "There will be no more reminders; you will hear of its end.")
            case (.over, false): ("This alert is over", "There is nothing left to do.")
            case (.unknown, false): ("This link is not valid, or not any more", "Use the one in the newest message.")
            case (.unavailable, false): ("One moment", "The service will answer again soon.")
            }
        var html = "<!doctype html>\n<html lang=\"\(isFrench ? "fr" : "en")\">\n<head><meta charset=\"utf-8\">"
        html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">"
        let title = HTMLText.escaped(words.title)
        html += "<title>\(title)</title>\n<style>\(style)</style></head>\n<body><main>\n<h1>\(title)</h1>\n"
        if let alert {
            let clock = LocalClock(alert.timeZone)
            html += "<p><strong>\(HTMLText.escaped(alert.tenant ?? "Bus311"))</strong> — <code>\(alert.code.rawValue)</code>, "
            let since = (isFrench ? "depuis le " : "since ") + AlertText.moment(alert.since, clock, isFrench)
            html += "\(since) (\(HTMLText.escaped(alert.timeZone)))</p>\n"
        }
        html += "<p>\(HTMLText.escaped(words.text))</p>\n"
        if state == .ask { html += "<form method=\"post\"><button>\(isFrench ? "J'en prends acte" : "Acknowledge")</button></form>\n" }
        html += "</main></body></html>\n"
        var headers = HTTPFields()
        headers[.contentType] = "text/html; charset=utf-8"
        headers[.cacheControl] = "no-store"
        headers[.xContentTypeOptions] = "nosniff"
        headers[.contentSecurityPolicy] =
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        if let referrer = HTTPField.Name("Referrer-Policy") { headers[referrer] = "no-referrer" }
        return Response(
            status: HTTPResponse.Status(code: status), headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: html)))
    }

    private static let style =
        "body{font:1.1rem/1.5 system-ui,sans-serif;margin:0;color:#1b1b1b;background:#f6f6f6}"
        + "main{max-width:34rem;margin:10vh auto;padding:2rem;background:#fff;border:1px solid #ddd;border-radius:8px}"
        + "h1{font-size:1.4rem;margin:0 0 1rem}button{font:inherit;padding:.7rem 1.2rem;border:0;border-radius:6px;background:#000091;color:#fff}"
        + "button:focus-visible{outline:3px solid #0a76f6;outline-offset:2px}code{background:#eee;padding:0 .3em}"
}
