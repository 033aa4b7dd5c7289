import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Open311
import Storage

/// Plain HTML that any reader of pages can read aloud: headings, a list of what is known, one form for each thing to do. No script.
struct LinkPage {
    private let texts: LinkTexts
    private let title: String
    private let body: String

    private static let style =
        "body{font-family:sans-serif;line-height:1.5;max-width:40rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}"
        + "dt{font-weight:bold}dd{margin:0 0 .5rem}button{font:inherit;padding:.6rem 1rem;margin-top:.5rem}"
        + "[role=status]{border:2px solid #111;padding:.5rem 1rem}"
    private static let styleHash = Data(SHA256.hash(data: Data(style.utf8))).base64EncodedString()

    private static let referrerPolicy = HTTPField.Name("Referrer-Policy") ?? .from
    private static let robots = HTTPField.Name("X-Robots-Tag") ?? .from

    /// Of everything behind a link: its address is a key, and what it shows is one person's.
    static var headers: HTTPFields {
        var headers = HTTPFields()
        headers[.cacheControl] = "no-store"
        headers[.xContentTypeOptions] = "nosniff"
        headers[.contentSecurityPolicy] =
            "default-src 'none'; style-src 'sha256-\(styleHash)'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        headers[referrerPolicy] = "no-referrer"
        headers[robots] = "noindex"
        return headers
    }

    func response(_ status: Int) -> Response {
        var headers = Self.headers
        headers[.contentType] = "text/html; charset=utf-8"
        headers[.contentLanguage] = texts.language.rawValue
        return Response(
            status: HTTPResponse.Status(code: status), headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: html)))
    }

    private var html: String {
        let other = texts.other
        return """
            <!DOCTYPE html>
            <html lang="\(texts.language.rawValue)">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="robots" content="noindex">
            <title>\(HTMLText.escaped(title))</title>
            <style>\(Self.style)</style>
            </head>
            <body>
            <p><a href="?lang=\(other.tag)" hreflang="\(other.tag)" lang="\(other.tag)">\(other.name)</a></p>
            <main>
            <h1>\(HTMLText.escaped(title))</h1>
            \(body)
            </main>
            </body>
            </html>

            """
    }

    // MARK: Pages

    static func message(_ texts: LinkTexts, _ said: String) -> LinkPage {
        LinkPage(texts: texts, title: texts.title, body: status(said))
    }

    static func unsubscribe(_ texts: LinkTexts, _ city: String) -> LinkPage {
        LinkPage(
            texts: texts, title: texts.unsubscribeTitle,
            body: "<p>\(HTMLText.escaped(texts.unsubscribeText(city)))</p>\n" + form("unsubscribe", texts.unsubscribeButton))
    }

    /// - Parameters:
    ///   - others: how many reports of the same person there are, this one counted.
    ///   - said: what has just been done.
    static func report(_ texts: LinkTexts, _ subject: LinkSubject, _ tenant: Tenant, others: Int, said: String?) -> LinkPage {
        var body = said.map { status($0) + "\n" } ?? ""
        body += facts(texts, subject, tenant)
        body += "<h2>\(HTMLText.escaped(texts.rights))</h2>\n"
        if let erased = subject.erasedAt {
            body += "<p>\(HTMLText.escaped(texts.erasedOn(texts.day(erased))))</p>\n"
            // No CRM heard of what a test endpoint took.
            if !tenant.id.isTest {
                body += "<p>\(HTMLText.escaped(texts.crm(subject.crmOutcome, subject.crmAnsweredAt.map(texts.day))))</p>\n"
            }
        } else {
            body += "<h3>\(HTMLText.escaped(texts.seeHeading(others)))</h3>\n<p>\(HTMLText.escaped(texts.seeText))</p>\n"
            body += form("export", texts.seeButton)
            if !subject.isHidden {
                body +=
                    "<h3>\(HTMLText.escaped(texts.withdrawHeading))</h3>\n<p>\(HTMLText.escaped(texts.withdrawText))</p>\n"
                    + form("withdraw", texts.withdrawButton)
            }
            body += "<h3>\(HTMLText.escaped(texts.eraseHeading))</h3>\n<p>\(HTMLText.escaped(texts.eraseText))</p>\n"
            body += form("erase", texts.eraseButton, confirm: texts.confirm)
            if others > 1 { body += form("erase_all", texts.eraseAllButton(others), confirm: texts.confirm) }
        }
        return LinkPage(texts: texts, title: "\(texts.title) – \(tenant.name)", body: body)
    }

    private static func facts(_ texts: LinkTexts, _ subject: LinkSubject, _ tenant: Tenant) -> String {
        var facts = [(texts.service, subject.serviceName), (texts.date, texts.day(subject.requestedAt))]
        if let number = subject.number { facts.insert((texts.number, number), at: 0) }
        facts.append((texts.status, texts.status(subject.status.general)))
        if let note = subject.statusNotes { facts.append((texts.note, note)) }
        let list = facts.map { "<dt>\(HTMLText.escaped($0.0))</dt><dd>\(HTMLText.escaped($0.1))</dd>" }.joined(separator: "\n")
        let hidden = subject.isHidden && subject.erasedAt == nil ? "<p>\(HTMLText.escaped(texts.hidden))</p>\n" : ""
        return "<dl>\n\(list)\n</dl>\n\(hidden)"
    }

    private static func status(_ said: String) -> String { "<p role=\"status\">\(HTMLText.escaped(said))</p>" }

    private static func form(_ action: String, _ button: String, confirm: String? = nil) -> String {
        let box =
            confirm.map {
                "<p><label><input type=\"checkbox\" name=\"confirm\" value=\"yes\" required> \(HTMLText.escaped($0))</label></p>\n"
            } ?? ""
        return """
            <form method="post">
            <input type="hidden" name="action" value="\(action)">
            \(box)<button type="submit">\(HTMLText.escaped(button))</button>
            </form>

            """
    }
}
