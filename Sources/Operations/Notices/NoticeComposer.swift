import Curl
import Foundation
import Open311
import Storage

/// Writes the mail of a notice.
public struct NoticeComposer: Sendable {
    private let sender: MailAddress
    private let secret: LinkSecret
    /// The gateway's root as citizens see it, without a slash at the end.
    private let rootURL: String

    /// How long a link opens, in days. Unsubscribing must work for as long as somebody finds the mail.
    static let personDays: Int64 = 180
    static let unsubscribeDays: Int64 = 400

    public init(sender: MailAddress, secret: LinkSecret, rootURL: String) {
        self.sender = sender
        self.secret = secret
        self.rootURL = rootURL
    }

    /// - Parameter address: whom they are sent to; the link to unsubscribe carries its keyed hash.
    func links(
        _ request: ServiceRequestID, of tenant: TenantID, to address: String, from now: Timestamp
    ) -> NoticeWording.Links {
        func url(_ purpose: SignedLink.Purpose, _ path: String, _ days: Int64) -> String {
            let link = SignedLink(
                purpose, tenant: tenant, request: request, expiresAt: now.adding(days: days),
                address: purpose == .unsubscribe ? secret.hash(address: address) : nil)
            return "\(rootURL)/\(path)/\(link.token(secret))"
        }
        return NoticeWording.Links(
            person: url(.person, "report", Self.personDays), unsubscribe: url(.unsubscribe, "unsubscribe", Self.unsubscribeDays))
    }

    /// What a notice says, without whom it goes to.
    public struct Text: Sendable {
        public let language: Language
        public let fromName: String
        public let subject: String
        public let body: String
    }

    public static func text(
        _ kind: NoticeKind, _ content: WaitingNotice.Content, note: String?, links: NoticeWording.Links
    ) -> Text {
        let wording = NoticeWording(
            kind, own: content.templates, wanted: content.language, fallback: content.tenantLanguage, tellsDone: content.tellsDone)
        var values: [NoticeTemplate.Place: String] = [
            .city: content.tenantName, .service: content.serviceName,
            .date: day(content.requestedAt, in: wording.language, zone: content.timeZone),
        ]
        values[.number] = content.number
        values[.parent] = content.parent
        values[.note] = note.flatMap { $0.contains { !$0.isWhitespace } ? $0 : nil }
        let (subject, body) = wording.template.filled(values)
        return Text(
            language: wording.language, fromName: content.fromName ?? content.tenantName, subject: subject,
            body: body + "\n\n" + wording.footer(links) + "\n")
    }

    /// - Throws: ``MailValueError`` when the address is none that mail can be sent to.
    func message(_ notice: WaitingNotice, _ content: WaitingNotice.Content, at now: Timestamp) throws(MailValueError) -> MailMessage {
        let to = try MailAddress(validating: content.email)
        // Of the day of the event, so that a second attempt has the same text and the same name.
        let links = links(notice.request, of: notice.tenant, to: content.email, from: notice.createdAt)
        let text = Self.text(notice.kind, content, note: notice.note, links: links)
        return MailMessage(
            from: sender, fromName: HeaderText(cleaning: text.fromName), to: to,
            replyTo: try content.replyTo.map { (address) throws(MailValueError) in try MailAddress(validating: address.rawValue) },
            subject: HeaderText(cleaning: text.subject), text: text.body,
            id: try MailMessageID(name: "notice.\(content.tenantKey).\(notice.id)", domain: sender.domain), date: now.seconds,
            language: HeaderText(cleaning: text.language.rawValue), unsubscribe: try OneClickUnsubscribe(url: links.unsubscribe))
    }

    private static func day(_ moment: Timestamp, in language: Language, zone: String) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: language.rawValue.replacingOccurrences(of: "-", with: "_"))
        formatter.timeZone = TimeZone(identifier: zone) ?? TimeZone(secondsFromGMT: 0)
        formatter.dateStyle = .long
        formatter.timeStyle = .none
        return formatter.string(from: Date(timeIntervalSince1970: TimeInterval(moment.seconds)))
    }
}
