/// In which words a notice is written: the tenant's own where it has some, else ours, in French or English.
public struct NoticeWording: Sendable {
    public let template: NoticeTemplate
    public let language: Language

    /// Looks for the tenant's words in the citizen's language, ours in that language, then likewise in the tenant's language; a citizen
    /// whose language nobody has words in is written to in English.
    ///
    /// - Parameters:
    ///   - own: the tenant's templates of this kind.
    ///   - wanted: the citizen's language.
    ///   - fallback: the tenant's.
    ///   - tellsDone: whether a duplicate's author hears when its parent is done.
    public init(
        _ kind: NoticeKind, own: [Language: NoticeTemplate], wanted: Language, fallback: Language, tellsDone: Bool = true
    ) {
        for language in [wanted, wanted.primary, fallback, fallback.primary] {
            if let template = own[language] ?? StandardNotices.template(kind, language, tellsDone: tellsDone) {
                self.template = template
                self.language = language
                return
            }
        }
        // English is always there.
        language = .english
        template = StandardNotices.english(kind, tellsDone)
    }

    /// What stands below every notice, whoever wrote it: a reader can always follow, object and leave.
    public func footer(_ links: Links) -> String {
        let lines =
            language.primary == .french
            ? [
                "Suivre ce signalement, le retirer, consulter ou faire effacer vos données :", links.person, "",
                "Ne plus recevoir ces messages :", links.unsubscribe,
            ]
            : [
                "Follow this report, withdraw it, see your data or have them erased:", links.person, "", "Stop these messages:",
                links.unsubscribe,
            ]
        return "-- \n" + lines.joined(separator: "\n")
    }

    public struct Links: Sendable {
        public let person: String
        public let unsubscribe: String

        public init(person: String, unsubscribe: String) {
            self.person = person
            self.unsubscribe = unsubscribe
        }
    }
}

/// Our own words.
public enum StandardNotices {
    /// - Parameter tellsDone: whether the words for a duplicate may promise another notice.
    /// - Returns: nil for a language that we have no words in.
    public static func template(_ kind: NoticeKind, _ language: Language, tellsDone: Bool = true) -> NoticeTemplate? {
        switch language {
        case .french: french(kind, tellsDone)
        case .english: english(kind, tellsDone)
        default: nil
        }
    }

    static func english(_ kind: NoticeKind, _ tellsDone: Bool) -> NoticeTemplate {
        switch kind {
        case .received:
            make(
                "Report received: {{service}}",
                """
                Hello,

                {{city}} has received your report of {{date}}: {{service}}.
                Its number: {{number}}

                We will write to you when it is taken up.
                """)
        case .accepted:
            make(
                "Report taken up: {{service}}",
                """
                Hello,

                {{city}} is working on your report of {{date}}: {{service}}.
                Its number: {{number}}

                The city says: {{note}}
                """)
        case .done:
            make(
                "Report done: {{service}}",
                """
                Hello,

                {{city}} has dealt with your report of {{date}}: {{service}}.
                Its number: {{number}}

                The city says: {{note}}

                Thank you for having told us.
                """)
        case .rejected:
            make(
                "Report not taken up: {{service}}",
                """
                Hello,

                {{city}} cannot take up your report of {{date}}: {{service}}.
                Its number: {{number}}

                The reason: {{note}}
                """)
        case .duplicate:
            make(
                "Already reported: {{service}}",
                """
                Hello,

                What you reported to {{city}} on {{date}} had been reported before: {{service}}.
                The report that the city works with: {{parent}}
                Your own number: {{number}}

                The city says: {{note}}

                \(tellsDone ? "You need not do anything: we will write to you when it is done." : "You need not do anything.")
                """)
        }
    }

    private static func french(_ kind: NoticeKind, _ tellsDone: Bool) -> NoticeTemplate {
        switch kind {
        case .received:
            make(
                "Signalement reçu : {{service}}",
                """
                Bonjour,

                {{city}} a bien reçu votre signalement du {{date}} : {{service}}.
                Son numéro : {{number}}

                Nous vous écrirons quand il sera pris en charge.
                """)
        case .accepted:
            make(
                "Signalement pris en charge : {{service}}",
                """
                Bonjour,

                {{city}} traite votre signalement du {{date}} : {{service}}.
                Son numéro : {{number}}

                La ville précise : {{note}}
                """)
        case .done:
            make(
                "Signalement traité : {{service}}",
                """
                Bonjour,

                {{city}} a traité votre signalement du {{date}} : {{service}}.
                Son numéro : {{number}}

                La ville précise : {{note}}

                Merci de nous avoir prévenus.
                """)
        case .rejected:
            make(
                "Signalement non retenu : {{service}}",
                """
                Bonjour,

                {{city}} ne peut pas donner suite à votre signalement du {{date}} : {{service}}.
                Son numéro : {{number}}

                La raison : {{note}}
                """)
        case .duplicate:
            make(
                "Déjà signalé : {{service}}",
                """
                Bonjour,

                Ce que vous avez signalé à {{city}} le {{date}} l’avait déjà été : {{service}}.
                Le signalement que la ville traite : {{parent}}
                Votre propre numéro : {{number}}

                La ville précise : {{note}}

                \(tellsDone ? "Vous n’avez rien à faire : nous vous écrirons quand ce sera traité." : "Vous n’avez rien à faire.")
                """)
        }
    }

    /// Our own words are right; a test reads each.
    private static func make(_ subject: String, _ body: String) -> NoticeTemplate { NoticeTemplate(written: subject, body) }
}

extension NoticeTemplate {
    /// Words of this program, which a test reads.
    init(written subject: String, _ body: String) {
        self.subject = subject
        self.body = body
    }
}
