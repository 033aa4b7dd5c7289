/// A notice as a person reads it: one line, and a plain text of some lines. Holds names of tenants and objects, numbers and moments;
/// never a person, never what a citizen wrote, never a credential.
public struct AlertText: Sendable, Equatable {
    public let subject: String
    public let body: String

    /// Where it points to.
    public struct Links: Sendable {
        /// Where the runbooks stand; a page's name follows.
        public var runbooks: String
        /// The signed link of this notice; nil for none.
        public var acknowledge: String?

        public init(runbooks: String = "docs/operators/runbooks/", acknowledge: String? = nil) {
            self.runbooks = runbooks
            self.acknowledge = acknowledge
        }
    }

    /// - Parameters:
    ///   - tenant: its name for people and its key; nil for the installation.
    ///   - zone: IANA name; moments are written in its time.
    public init(_ notice: AlertNotice, tenant: (name: String, key: String)?, language: Language, zone: String, links: Links) {
        let isFrench = language.primary == .french
        let episode = notice.episode
        let words = AlertWords.words(for: episode, notice.audience, in: language)
        let place = tenant.map { Self.oneLine($0.name) } ?? "Bus311"
        subject =
            "[Bus311] \(place)\(isFrench ? " : " : ": ")\(Self.prefix(notice.kind, isFrench))\(words.title) (\(episode.key.code.rawValue))"
        var lines: [String] = []
        if notice.kind == .test {
            lines.append(isFrench ? "Ceci est un essai : rien n'est en panne." : "This is a test: nothing is wrong.")
            lines.append("")
        }
        let clock = LocalClock(zone)
        func moment(_ moment: Timestamp) -> String { Self.moment(moment, clock, isFrench) + " (\(zone))" }
        if notice.kind == .recovered {
            lines.append((isFrench ? "C'est terminé : " : "It is over: ") + words.title + ".")
            lines.append(
                (isFrench ? "Durée : " : "Duration: ") + Self.duration(episode.duration(at: notice.at), isFrench)
                    + (isFrench ? ", du " : ", from ") + moment(episode.since) + (isFrench ? " au " : " to ")
                    + moment(episode.clearSince ?? notice.at) + ".")
            lines += Self.facts(episode.peaks, isFrench, isPeak: true)
        } else {
            lines.append(words.title.prefix(1).uppercased() + words.title.dropFirst() + ".")
            lines.append(words.meaning)
            lines.append((isFrench ? "Depuis le " : "Since ") + moment(episode.since) + ".")
            if notice.kind == .unstable {
                lines.append(
                    isFrench
                        ? "L'alerte va et vient : vous ne serez prévenu qu'après une demi-heure de calme."
                        : "The alert comes and goes: you will hear of it again after half an hour of calm.")
            }
            lines += Self.facts(episode.facts, isFrench, isPeak: false)
            if episode.key.code == .deadLetters {
                lines += Self.letters(episode.names, isFrench)
            } else if notice.audience == .administrator, !episode.names.isEmpty {
                lines.append((isFrench ? "Objets : " : "Objects: ") + Self.oneLine(episode.names.prefix(10).joined(separator: ", ")))
            }
            lines.append("")
            lines.append((isFrench ? "Que faire : " : "What to do: ") + words.remedy)
            if let link = links.acknowledge {
                lines.append((isFrench ? "En prendre acte (arrête les rappels) : " : "Acknowledge (stops the reminders): ") + link)
            }
        }
        lines.append("")
        if notice.audience == .administrator {
            let severity = isFrench ? (episode.severity == .critical ? "critique" : "avertissement") : episode.severity.name
            let whose = tenant.map { isFrench ? ", collectivité \($0.key)" : ", tenant \($0.key)" } ?? ""
            lines.append("Code\(isFrench ? " : " : ": ")\(episode.key.code.rawValue), \(severity)\(whose)")
            lines.append("\(isFrench ? "Procédure : " : "Runbook: ")\(links.runbooks)\(episode.key.code.runbook)")
        } else {
            lines.append("\(isFrench ? "Référence" : "Reference")\(isFrench ? " : " : ": ")\(episode.key.code.rawValue)")
        }
        body = lines.joined(separator: "\n") + "\n"
    }

    private static func prefix(_ kind: AlertNotice.Kind, _ isFrench: Bool) -> String {
        switch kind {
        case .fired: ""
        case .worsened: isFrench ? "aggravation, " : "worse, "
        case .repeated: isFrench ? "rappel, " : "reminder, "
        case .unstable: isFrench ? "instable, " : "unstable, "
        case .recovered: isFrench ? "terminé, " : "over, "
        case .test: isFrench ? "essai, " : "test, "
        }
    }

    private static func oneLine(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 })).prefix(300)
            .description
    }

    /// In a place's own time, as in `2026-03-01 10:05` or `01/03/2026 à 10:05`.
    public static func moment(_ moment: Timestamp, _ clock: LocalClock, _ isFrench: Bool) -> String {
        let (day, minute) = clock.local(moment)
        func two(_ value: Int) -> String { (value < 10 ? "0" : "") + "\(value)" }
        let time = "\(two(minute / 60)):\(two(minute % 60))"
        let date = day.civil
        return isFrench ? "\(two(date.day))/\(two(date.month))/\(date.year) à \(time)" : "\(day) \(time)"
    }

    /// As in `2 h 05 min`.
    static func duration(_ seconds: Int64, _ isFrench: Bool = false) -> String {
        let (days, hours, minutes) = (seconds / 86_400, seconds % 86_400 / 3_600, seconds % 3_600 / 60)
        if days > 0 { return "\(days) \(isFrench ? "j" : "d") \(hours) h" }
        if hours > 0 { return "\(hours) h \(minutes < 10 ? "0" : "")\(minutes) min" }
        return minutes > 0 ? "\(minutes) min" : "\(seconds) s"
    }

    private static func facts(_ facts: [AlertFact: Int64], _ isFrench: Bool, isPeak: Bool) -> [String] {
        let shown = AlertFact.allCases.compactMap { fact -> String? in
            guard let value = facts[fact], value > 0 || fact == .consumers || fact == .connections else { return nil }
            let isTime = fact == .ageSeconds || fact == .silenceSeconds
            return
                "\(label(fact, isFrench))\(isFrench ? " : " : ": ")\(isTime ? duration(value, isFrench) : "\(value)")\(fact == .percent ? " %" : "")"
        }
        guard !shown.isEmpty else { return [] }
        return [(isPeak ? (isFrench ? "Au plus fort – " : "At its worst – ") : "") + shown.joined(separator: ", ") + "."]
    }

    /// Reason, type and count of dead letters, for both audiences.
    private static func letters(_ kinds: [String], _ isFrench: Bool) -> [String] {
        kinds.prefix(5).compactMap { kind in
            let words = kind.split(separator: " ")
            guard words.count == 3 else { return nil }
            let reason: String =
                switch words[0] {
                case "rejected": isFrench ? "refusé par le logiciel" : "refused by the software"
                case "delivery_limit": isFrench ? "remis trop souvent sans être acquitté" : "delivered too often and never acknowledged"
                case "expired": isFrench ? "expiré" : "expired"
                case "maxlen": isFrench ? "file pleine" : "queue full"
                default: isFrench ? "autre motif" : "another reason"
                }
            let count = words[2].split(separator: "/")
            let number =
                count.count < 2 ? "\(words[2])" : "\(count[0])\(isFrench ? " des \(count[1]) plus anciens" : " of the \(count[1]) oldest")"
            return isFrench
                ? "Motif : \(reason) (\(words[0])) – type : \(words[1]) – nombre : \(number)."
                : "Reason: \(reason) (\(words[0])), type: \(words[1]), count: \(number)."
        }
    }

    private static func label(_ fact: AlertFact, _ isFrench: Bool) -> String {
        switch fact {
        case .consumers: isFrench ? "consommateurs" : "consumers"
        case .connections: isFrench ? "connexions" : "connections"
        case .messages: isFrench ? "messages en attente" : "messages waiting"
        case .unacknowledged: isFrench ? "non acquittés" : "unacknowledged"
        case .ageSeconds: isFrench ? "plus ancien" : "oldest"
        case .percent: isFrench ? "occupation" : "in use"
        case .deadLetters: isFrench ? "messages morts" : "dead letters"
        case .publishFailures: isFrench ? "publications en échec" : "failed publications"
        case .rejections: isFrench ? "statuts refusés" : "refused statuses"
        case .failedLogins: isFrench ? "connexions refusées" : "failed logins"
        case .requests: isFrench ? "demandes" : "requests"
        case .silenceSeconds: isFrench ? "silence" : "silence"
        case .shards: isFrench ? "partitions" : "shards"
        case .days: isFrench ? "jours restants" : "days left"
        case .incident: isFrench ? "incident" : "incident"
        }
    }
}
