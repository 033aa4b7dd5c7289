import ArgumentParser
import Curl
import Foundation
import Open311
import Operations
import Storage

struct NoticeTemplateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "template", abstract: "A tenant's own words for its notices.",
        discussion: "Example: bus311 notices template set valmont-7f3a9c --kind done --language fr --file done-fr.txt",
        subcommands: [Set.self, List.self, Remove.self])

    static func language(_ text: String) throws -> Language {
        guard let language = Language(parsing: text) else {
            throw ValidationError("--language \(text) is no language tag, as in fr or nl-BE.")
        }
        return language
    }

    static func template(at path: String) throws -> NoticeTemplate {
        guard let data = FileManager.default.contents(atPath: path), data.count <= 65_536 else {
            throw ValidationError("--file: \(path) cannot be read, or is larger than 64 kB.")
        }
        guard let text = String(bytes: data, encoding: .utf8) else { throw ValidationError("--file: \(path) is not UTF-8.") }
        do throws(InvalidValue) { return try NoticeTemplate(file: text) } catch { throw ValidationError("\(path): \(error).") }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put a tenant's words in place of ours, for one kind of notice in one language.",
            discussion: """
                The file's first line is Subject: …, then an empty line, then the text. Places: {{city}}, {{service}}, {{number}}, {{date}},
                {{note}}, {{parent}}; a line whose place has nothing is left out. What leads to the person's rights and stops the notices is always added.
                Example: bus311 notices template set valmont-7f3a9c --kind done --language fr --file done-fr.txt
                """)
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Option(help: "received, accepted, done, rejected or duplicate.") var kind: NoticeKind
        @Option(help: "As in fr or nl-BE.") var language: String
        @Option(help: "The words, UTF-8.") var file: String

        func run() async throws {
            let language = try NoticeTemplateCommand.language(language)
            let template = try NoticeTemplateCommand.template(at: file)
            try await common.administer { administration in
                let tenant = try await administration.tenant(tenant)
                try await administration.store.setNoticeTemplate(template, kind, language, of: tenant.id)
                try common.show(
                    text: "\(tenant.key) writes \(kind.rawValue) in its own words (\(language)).",
                    json: View(kind: kind.rawValue, language: language.rawValue, subject: template.subject, changed_datetime: nil))
            }
        }
    }

    struct View: Encodable {
        let kind: String
        let language: String
        let subject: String
        let changed_datetime: String?
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Which words are the tenant's own.", discussion: "Example: bus311 notices template list valmont-7f3a9c")
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String

        func run() async throws {
            try await common.administer { administration in
                let tenant = try await administration.tenant(tenant)
                let views = try await administration.store.noticeTemplates(of: tenant.id).map {
                    View(
                        kind: $0.kind.rawValue, language: $0.language.rawValue, subject: $0.template.subject,
                        changed_datetime: $0.changedAt.iso8601)
                }
                try common.show(
                    text: views.isEmpty
                        ? "No words of its own: ours are sent, in French or English."
                        : views.map { "\($0.kind)  \($0.language)  \($0.subject)" }.joined(separator: "\n"), json: views)
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send our words again.",
            discussion: "Example: bus311 notices template remove valmont-7f3a9c --kind done --language fr")
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Option(help: "received, accepted, done, rejected or duplicate.") var kind: NoticeKind
        @Option(help: "As in fr or nl-BE.") var language: String

        func run() async throws {
            let language = try NoticeTemplateCommand.language(language)
            try await common.administer { administration in
                let tenant = try await administration.tenant(tenant)
                guard try await administration.store.removeNoticeTemplate(kind, language, of: tenant.id) else {
                    throw ValidationError(
                        "\(tenant.key) has no words of its own for \(kind.rawValue) in \(language). List them: bus311 notices template list \(tenant.key)"
                    )
                }
                try common.show(text: "Removed.", json: ["removed": true])
            }
        }
    }
}

struct NoticePreviewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "preview", abstract: "What a citizen would read, with made-up values; nothing is sent.",
        discussion: """
            Examples: bus311 notices preview valmont-7f3a9c --kind rejected --language en --note 'It is a private road'
                      bus311 notices preview valmont-7f3a9c --kind done --language fr --file done-fr.txt
            """)
    @OptionGroup var common: CommonOptions
    @Argument var tenant: String
    @Option(help: "received, accepted, done, rejected or duplicate.") var kind: NoticeKind
    @Option(help: "The citizen's; the tenant's when it is not said.") var language: String?
    @Option(help: "What the city says with the status.") var note: String?
    @Option(help: "Words to try before they are set.") var file: String?
    @Flag(help: "As a citizen reads it who has only a token.") var token = false

    struct View: Encodable {
        let kind: String
        let language: String
        let from_name: String
        let subject: String
        let body: String
        /// Whether the words are the tenant's.
        let own_words: Bool
    }

    func run() async throws {
        let wanted = try language.map(NoticeTemplateCommand.language)
        let tried = try file.map(NoticeTemplateCommand.template)
        try await common.administer { administration in
            let tenant = try await administration.tenant(tenant)
            let policy = try await administration.store.noticePolicy(of: tenant.id)
            var templates: [Language: NoticeTemplate] = [:]
            for one in try await administration.store.noticeTemplates(of: tenant.id) where one.kind == kind {
                templates[one.language] = one.template
            }
            if let tried { templates[wanted ?? tenant.language] = tried }
            let service = try await administration.store.services(of: tenant.id).first
            let content = WaitingNotice.Content(
                email: "citizen@example.org", number: token ? nil : "2611000004217",
                serviceName: service?.name.text(in: wanted, fallback: tenant.languages) ?? "Lampadaire", requestedAt: .now,
                language: wanted ?? tenant.language, tenantKey: tenant.key, tenantName: tenant.name, tenantLanguage: tenant.language,
                timeZone: tenant.timeZone, fromName: policy?.fromName, replyTo: policy?.replyTo, templates: templates,
                parent: kind == .duplicate ? "2611000004216" : nil, tellsDone: policy?.kinds.contains(.done) ?? true)
            let root = administration.settings.origin.rootURL
            let links = NoticeWording.Links(person: "\(root)/report/…", unsubscribe: "\(root)/unsubscribe/…")
            let text = NoticeComposer.text(kind, content, note: note, links: links)
            try common.show(
                text: "From: \(text.fromName)\nSubject: \(text.subject)\n\n\(text.body)",
                json: View(
                    kind: kind.rawValue, language: text.language.rawValue, from_name: text.fromName, subject: text.subject, body: text.body,
                    own_words: templates[text.language] != nil))
        }
    }
}

struct NoticeTestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Send one test mail at once, and say what the mail server answered.",
        discussion: "Needs no database. Example: bus311 notices test admin@valmont.example --config /etc/bus311/mailer.json")
    @OptionGroup var common: CommonOptions
    @Argument(help: "Whom it goes to: yourself.") var address: String

    func run() async throws {
        let settings = try await common.settings()
        guard let server = try settings.mailServer else {
            throw ValidationError("mail.url is not set: the server that takes mails over. \(Settings.place(of: "mail.url"))")
        }
        let sender = try settings.mailSender
        let message: MailMessage
        do throws(MailValueError) {
            message = MailMessage(
                from: sender, fromName: HeaderText(cleaning: "Bus311"), to: try MailAddress(validating: address),
                subject: HeaderText(cleaning: "Bus311: test / essai"),
                text: "This mail server takes mails of Bus311 over.\nCe serveur de courriel accepte les messages de Bus311.\n",
                id: try MailMessageID(name: "test.\(UInt64.random(in: 0...UInt64.max))", domain: sender.domain), date: Timestamp.now.seconds
            )
        } catch { throw ValidationError("The \(error).") }
        let client = try SMTPClient(name: "bus311-mail", server: server)
        let failure: MailError?
        do throws(MailError) {
            try await client.send(message)
            failure = nil
        } catch { failure = error }
        await client.close()
        if let failure { throw failure }
        try common.show(text: "\(server) took the mail over.", json: ["server": server.description, "outcome": "taken"])
    }
}
