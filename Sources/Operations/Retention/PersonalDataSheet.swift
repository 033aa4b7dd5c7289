import Open311
import Storage

/// The sheet of the register of processing (GDPR, article 30): what, why, how long, who. Made of the rules that retention goes by and of
/// what the tenants have chosen, so that it says what happens.
public struct PersonalDataSheet: Sendable {
    public enum Language: String, Sendable, CaseIterable {
        case french = "fr"
        case english = "en"
    }

    /// One line for a tenant.
    public struct City: Sendable {
        let name: String
        let retention: RetentionPolicy
        let namesReporters: Bool
        let photosShownDays: Int?

        public init(_ tenant: Tenant) {
            name = tenant.name
            retention = tenant.service.retention
            namesReporters = tenant.policies.sendsPersonalData
            photosShownDays = tenant.policies.photos.shownDays
        }
    }

    private let cities: [City]
    private let takesPhotos: Bool
    private let rules: [RetentionRule]
    private let words: PersonalDataWords

    public init(cities: [City], takesPhotos: Bool, language: Language, rules: [RetentionRule] = RetentionRule.all) {
        self.cities = cities.sorted { $0.name < $1.name }
        self.takesPhotos = takesPhotos
        self.rules = rules
        words = PersonalDataWords(language)
    }

    /// Markdown.
    public var text: String {
        var lines = ["# \(words.title)", "", words.preface, "", "## \(words.registerTitle)", ""]
        lines += table(
            words.registerColumns,
            RetentionRule.Subject.allCases.filter(isShown).map { subject in
                let row = words.row(subject)
                return [row.what, row.why, duration(subject), row.who]
            } + words.outside)
        lines += ["", "## \(words.citiesTitle)", "", words.citiesPreface, ""]
        lines += table(words.citiesColumns, cities.map(row))
        lines += ["", "## \(words.tablesTitle)", "", words.tablesPreface, ""]
        lines += table(words.tablesColumns, rules.map { ["`\($0.relation)`", words.disposal($0.disposal)] })
        lines += ["", "## \(words.rightsTitle)", "", words.rights, ""]
        return lines.joined(separator: "\n")
    }

    private func isShown(_ subject: RetentionRule.Subject) -> Bool {
        rules.contains { $0.subject == subject } && (subject != .photos || takesPhotos)
    }

    /// Each rule of the subject once.
    private func duration(_ subject: RetentionRule.Subject) -> String {
        var said: [String] = []
        for rule in rules where rule.subject == subject {
            let sentence = words.disposal(rule.disposal)
            if !said.contains(sentence) { said.append(sentence) }
        }
        return said.joined(separator: "; ")
    }

    private func row(_ city: City) -> [String] {
        let services = city.retention.services.map { words.term($0.code.rawValue, $0.months) }.joined(separator: ", ")
        return [
            city.name, words.months(city.retention.months) + (services.isEmpty ? "" : "; \(services)"), words.days(city.retention.restDays),
            words.yes(city.retention.tellsCRM), words.yes(city.namesReporters),
            city.photosShownDays.map(words.days) ?? words.asLongAsTheRequest,
        ]
    }

    private func table(_ columns: [String], _ rows: [[String]]) -> [String] {
        func line(_ cells: [String]) -> String {
            "| " + cells.map { $0.replacing("|", with: "\\|").replacing("\n", with: " ") }.joined(separator: " | ") + " |"
        }
        return [line(columns), line(columns.map { _ in "---" })] + rows.map(line)
    }
}
