/// What is wrong, or missing, in a catalogue.
public struct CatalogueFinding: Sendable, Equatable, CustomStringConvertible {
    public enum Kind: String, Sendable {
        /// No client can use the service as it is: it must not be loaded.
        case fault
        /// A text that does not exist in one of the tenant's languages.
        case missingTranslation = "missing-translation"
        /// Legal, and probably not what was meant.
        case advice
    }

    public let kind: Kind
    public let service: ServiceCode
    /// Where in the service, as in `attribute depth: description`.
    public let place: String
    public let text: String
    /// The same for programs.
    public var position = Position()

    /// Where in an array of services.
    public struct Position: Sendable, Equatable {
        public var service = 0
        /// In the order of the service's attributes.
        public var attribute: Int?
        /// What follows of a JSON pointer.
        public var rest = ""
    }

    public var description: String { "\(service): \(place): \(text)" }
}

/// A text that citizens see.
struct PlacedText {
    let place: String
    let attribute: Int?
    /// A JSON pointer from the service, or from its attribute.
    let rest: String
    let maximum: Int
    let text: LocalizedText
}

extension Service {
    /// Every text that citizens see, with its place.
    public var texts: [(place: String, text: LocalizedText)] { placedTexts.map { (place: $0.place, text: $0.text) } }

    var placedTexts: [PlacedText] {
        let (short, long) = (CatalogueCheck.maximumName, CatalogueCheck.maximumText)
        var texts = [
            PlacedText(place: "service_name", attribute: nil, rest: "/service_name", maximum: short, text: name),
            PlacedText(place: "description", attribute: nil, rest: "/description", maximum: long, text: summary),
            PlacedText(place: "group", attribute: nil, rest: "/group", maximum: short, text: group),
        ]
        for (position, attribute) in attributes.enumerated() {
            func add(_ place: String, _ rest: String, _ maximum: Int, _ text: LocalizedText) {
                texts.append(
                    PlacedText(
                        place: "attribute \(attribute.code): \(place)", attribute: position, rest: rest, maximum: maximum, text: text))
            }
            add("description", "/description", long, attribute.question)
            if !attribute.hint.translations.isEmpty { add("datatype_description", "/datatype_description", long, attribute.hint) }
            for (number, choice) in attribute.choices.enumerated() {
                add("value \(choice.key)", "/values/\(number)/name", short, choice.name)
            }
        }
        return texts
    }
}

/// Reads a catalogue as a careful colleague would.
public enum CatalogueCheck {
    public static let maximumServices = 5_000
    public static let maximumAttributes = 100
    public static let maximumChoices = 1_000
    public static let maximumKeywords = 50
    /// Characters of a name, a group, a keyword or the name of a choice.
    public static let maximumName = 255
    /// Characters of a description, a question or a hint.
    public static let maximumText = 4_000

    /// Words that FixMyStreet takes for instructions.
    private static let reservedKeywords: Set<String> = ["private", "inactive", "staff", "waste_only"]

    /// - Parameter languages: in which every text should exist.
    public static func findings(_ services: [Service], languages: [Language]) -> [CatalogueFinding] {
        var findings: [CatalogueFinding] = []
        var codes: [ServiceCode: Int] = [:]
        for (index, service) in services.enumerated() {
            var reader = ServiceReader(service: service, index: index)
            if let first = codes[service.code] {
                reader.fault("service_code", "/service_code", "occurs twice: entries \(first + 1) and \(index + 1) have it")
            } else {
                codes[service.code] = index
            }
            reader.readFaults()
            reader.readAdvice(reservedKeywords)
            reader.readMissing(languages)
            findings += reader.findings
        }
        if services.count > maximumServices, let last = services.last {
            findings.append(
                CatalogueFinding(
                    kind: .fault, service: last.code, place: "catalogue",
                    text: "\(services.count) services are too many, \(maximumServices) at most",
                    position: CatalogueFinding.Position(service: maximumServices)))
        }
        return findings
    }
}

/// Looks at one service.
private struct ServiceReader {
    let service: Service
    let index: Int
    var findings: [CatalogueFinding] = []

    private mutating func find(_ kind: CatalogueFinding.Kind, _ place: String, _ attribute: Int?, _ rest: String, _ text: String) {
        findings.append(
            CatalogueFinding(
                kind: kind, service: service.code, place: place, text: text,
                position: CatalogueFinding.Position(service: index, attribute: attribute, rest: rest)))
    }

    mutating func fault(_ place: String, _ rest: String, _ text: String, attribute: Int? = nil) {
        find(.fault, place, attribute, rest, text)
    }

    mutating func readFaults() {
        if service.name.translations.isEmpty { fault("service_name", "/service_name", "is missing") }
        if service.keywords.count > CatalogueCheck.maximumKeywords {
            fault("keywords", "/keywords", "are too many, \(CatalogueCheck.maximumKeywords) at most")
        }
        for (position, keyword) in service.keywords.enumerated() {
            let rest = "/keywords/\(position)"
            if keyword.contains(",") { fault("keywords", rest, "“\(keyword)” holds a comma: make it two") }
            check(keyword, CatalogueCheck.maximumName, "keywords", rest)
        }
        if service.attributes.count > CatalogueCheck.maximumAttributes {
            fault("attributes", "/attributes", "are too many, \(CatalogueCheck.maximumAttributes) at most")
        }
        for text in service.placedTexts {
            for (language, value) in text.text.translations {
                check(value, text.maximum, text.place, text.rest + "/" + language.rawValue, attribute: text.attribute)
            }
        }
        readAttributes()
    }

    private mutating func readAttributes() {
        var codes: Set<String> = []
        var orders: Set<Int> = []
        for (position, attribute) in service.attributes.enumerated() {
            let place = "attribute \(attribute.code)"
            func fault(_ rest: String, _ text: String) { self.fault(place, rest, text, attribute: position) }
            if attribute.code.isEmpty || attribute.code.count > 64 || attribute.code.contains("]")
                || attribute.code.utf8.contains(where: { $0 < 32 || $0 == 127 })
            {
                fault("/code", "code must be 1 to 64 characters without a closing bracket or a control character")
            }
            if !codes.insert(attribute.code).inserted { fault("/code", "code occurs twice") }
            if attribute.order < 1 || !orders.insert(attribute.order).inserted { fault("/order", "order must be 1 or more, and its own") }
            if attribute.dataType.isList, attribute.choices.isEmpty { fault("/values", "is a list without values") }
            if !attribute.dataType.isList, !attribute.choices.isEmpty { fault("/values", "has values but is no list") }
            if attribute.choices.count > CatalogueCheck.maximumChoices {
                fault("/values", "has too many values, \(CatalogueCheck.maximumChoices) at most")
            }
            var keys: Set<String> = []
            for (number, choice) in attribute.choices.enumerated() {
                if !keys.insert(choice.key).inserted {
                    fault("/values/\(number)/key", "a value's key occurs twice: \(choice.key.prefix(64))")
                }
                if choice.key.isEmpty { fault("/values/\(number)/key", "a value's key is empty") }
                check(choice.key, CatalogueCheck.maximumName, place, "/values/\(number)/key", attribute: position)
            }
            if attribute.question.translations.isEmpty { fault("/description", "description is missing") }
        }
    }

    private mutating func check(_ text: String, _ maximum: Int, _ place: String, _ rest: String, attribute: Int? = nil) {
        if CleanText.isLonger(text, than: maximum) {
            fault(place, rest, "is too long: \(maximum) characters at most", attribute: attribute)
        }
        if CleanText.withoutControls(text) != text {
            fault(place, rest, "holds a control character: take it out", attribute: attribute)
        }
    }

    mutating func readAdvice(_ reserved: Set<String>) {
        if service.group.translations.isEmpty {
            find(.advice, "group", nil, "/group", "is empty: apps show groups as their first screen")
        }
        for (position, keyword) in service.keywords.enumerated() where reserved.contains(keyword.lowercased()) {
            find(.advice, "keywords", nil, "/keywords/\(position)", "“\(keyword)” is an instruction to FixMyStreet, not a word")
        }
    }

    mutating func readMissing(_ languages: [Language]) {
        guard !languages.isEmpty else { return }
        for text in service.placedTexts {
            for language in languages
            where text.text.translations[language] == nil && text.text.translations[language.primary] == nil {
                find(.missingTranslation, text.place, text.attribute, text.rest, "no text in \(language)")
            }
        }
    }
}
