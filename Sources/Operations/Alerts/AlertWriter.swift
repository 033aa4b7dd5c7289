import Open311
import Storage

/// How and in which language alerts are told.
public struct AlertSettings: Sendable {
    /// Of the installation's own administrator.
    public var language = Language.french
    public var timeZone = "Europe/Paris"
    /// Whether there is a mail server, and an address of the installation's own administrator.
    public var sendsMail = false
    public var hasOperatorAddress = false
    public var hasWebhook = false
    /// Where runbooks stand; a page's name follows.
    public var runbooks = "docs/operators/runbooks/"
    /// Where links that acknowledge lead: the gateway as people see it, without a slash at the end.
    public var publicRoot = ""

    public init() {}
}

/// Makes of one notice the texts for everybody who hears of it.
public struct AlertWriter: Sendable {
    static let linkDays: Int64 = 14

    private let settings: AlertSettings

    public init(_ settings: AlertSettings) { self.settings = settings }

    /// - Parameters:
    ///   - tenant: nil for the installation.
    ///   - signatures: of the links; none for a test.
    ///   - expires: when the links end, in seconds since 1970.
    public func deliveries(
        _ notice: AlertNotice, tenant: AlertTenant?, signatures: [AlertRecipient: String], expires: Int64
    ) -> [NewAlertDelivery] {
        var deliveries: [NewAlertDelivery] = []
        for recipient in recipients(notice.audience, tenant) {
            let text = text(notice, tenant, to: recipient, link(notice, recipient, signatures, expires, language(recipient, tenant)))
            deliveries.append(
                NewAlertDelivery(channel: .email, recipient: recipient, kind: notice.kind, subject: text.subject, body: text.body))
        }
        if settings.hasWebhook {
            let link = link(notice, notice.audience == .manager ? .manager : .operator, signatures, expires, settings.language)
            let text = text(notice, tenant, to: .operator, link)
            deliveries.append(
                NewAlertDelivery(
                    channel: .webhook, recipient: notice.audience == .manager ? .manager : .operator, kind: notice.kind,
                    subject: text.subject,
                    body: text.body, payload: payload(notice, tenant, text, link)))
        }
        return deliveries
    }

    private func recipients(_ audience: AlertAudience, _ tenant: AlertTenant?) -> [AlertRecipient] {
        guard settings.sendsMail else { return [] }
        return switch audience {
        case .administrator:
            (settings.hasOperatorAddress ? [.operator] : []) + (tenant?.hasAdministrator == true ? [.tenantAdministrator] : [])
        case .manager: tenant?.hasManager == true ? [.manager] : []
        }
    }

    private func link(
        _ notice: AlertNotice, _ recipient: AlertRecipient, _ signatures: [AlertRecipient: String], _ expires: Int64,
        _ language: Language
    ) -> String? {
        guard notice.kind != .recovered, let number = notice.episode.number, let signature = signatures[recipient] else { return nil }
        return settings.publicRoot + AlertLink(alert: number, recipient: recipient, expires: expires, signature: signature).path
            + "?language=\(language.primary.rawValue)"
    }

    private func language(_ recipient: AlertRecipient, _ tenant: AlertTenant?) -> Language {
        recipient == .operator ? settings.language : tenant?.language ?? settings.language
    }

    private func text(_ notice: AlertNotice, _ tenant: AlertTenant?, to recipient: AlertRecipient, _ link: String?) -> AlertText {
        AlertText(
            notice, tenant: tenant.map { (name: $0.name, key: $0.key.rawValue) },
            language: language(recipient, tenant),
            zone: recipient == .operator ? settings.timeZone : tenant?.timeZone ?? settings.timeZone,
            links: AlertText.Links(runbooks: settings.runbooks, acknowledge: link))
    }

    private func payload(_ notice: AlertNotice, _ tenant: AlertTenant?, _ text: AlertText, _ link: String?) -> [UInt8] {
        let episode = notice.episode
        var writer = JSONWriter()
        writer.beginObject()
        writer.name("kind")
        writer.value(notice.kind.rawValue)
        writer.name("code")
        writer.value(episode.key.code.rawValue)
        writer.name("severity")
        writer.value(episode.severity.name)
        writer.name("audience")
        writer.value(notice.audience.rawValue)
        writer.name("tenant")
        writer.value(tenant?.key.rawValue)
        writer.name("alert")
        if let number = episode.number { writer.value(number) } else { writer.null() }
        writer.name("since")
        writer.value(episode.since)
        writer.name("fired_at")
        writer.value(episode.firedAt)
        writer.name("ended_at")
        writer.value(notice.kind == .recovered ? episode.clearSince ?? episode.endedAt : nil)
        writer.name("duration_seconds")
        writer.value(episode.duration(at: notice.at))
        writer.name("facts")
        writer.beginObject()
        let facts = notice.kind == .recovered ? episode.peaks : episode.facts
        for fact in AlertFact.allCases {
            guard let value = facts[fact] else { continue }
            writer.name(escaping: fact.rawValue)
            writer.value(value)
        }
        writer.endObject()
        writer.name("objects")
        writer.beginArray()
        for name in episode.names.prefix(20) { writer.value(name) }
        writer.endArray()
        writer.name("runbook")
        writer.value(settings.runbooks + episode.key.code.runbook)
        writer.name("acknowledge_url")
        writer.value(link)
        writer.name("subject")
        writer.value(text.subject)
        writer.name("text")
        writer.value(text.body)
        writer.endObject()
        return writer.bytes
    }
}
