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

    public var description: String { "\(service): \(place): \(text)" }
}

extension Service {
    /// Every text that citizens see, with its place.
    public var texts: [(place: String, text: LocalizedText)] {
        var texts = [("service_name", name), ("description", summary), ("group", group)]
        for attribute in attributes {
            texts.append(("attribute \(attribute.code): description", attribute.question))
            if !attribute.hint.translations.isEmpty { texts.append(("attribute \(attribute.code): datatype_description", attribute.hint)) }
            for choice in attribute.choices { texts.append(("attribute \(attribute.code): value \(choice.key)", choice.name)) }
        }
        return texts.map { (place: $0.0, text: $0.1) }
    }
}

/// Reads a catalogue as a careful colleague would.
public enum CatalogueCheck {
    /// Words that FixMyStreet takes for instructions.
    private static let reservedKeywords: Set<String> = ["private", "inactive", "staff", "waste_only"]

    /// - Parameter languages: in which every text should exist.
    public static func findings(_ services: [Service], languages: [Language]) -> [CatalogueFinding] {
        var findings: [CatalogueFinding] = []
        var codes: Set<ServiceCode> = []
        for service in services {
            if !codes.insert(service.code).inserted {
                findings.append(CatalogueFinding(kind: .fault, service: service.code, place: "service_code", text: "occurs twice"))
            }
            findings += faults(service) + advice(service) + missing(service, languages)
        }
        return findings
    }

    private static func faults(_ service: Service) -> [CatalogueFinding] {
        var faults: [CatalogueFinding] = []
        func fault(_ place: String, _ text: String) {
            faults.append(CatalogueFinding(kind: .fault, service: service.code, place: place, text: text))
        }
        if service.name.translations.isEmpty { fault("service_name", "is missing") }
        for keyword in service.keywords where keyword.contains(",") { fault("keywords", "“\(keyword)” holds a comma: make it two") }
        var codes: Set<String> = []
        var orders: Set<Int> = []
        for attribute in service.attributes {
            let place = "attribute \(attribute.code)"
            if attribute.code.isEmpty || attribute.code.count > 64 || attribute.code.contains("]") {
                fault(place, "code must be 1 to 64 characters without a closing bracket")
            }
            if !codes.insert(attribute.code).inserted { fault(place, "code occurs twice") }
            if attribute.order < 1 || !orders.insert(attribute.order).inserted { fault(place, "order must be 1 or more, and its own") }
            if attribute.dataType.isList, attribute.choices.isEmpty { fault(place, "is a list without values") }
            if !attribute.dataType.isList, !attribute.choices.isEmpty { fault(place, "has values but is no list") }
            if Set(attribute.choices.map(\.key)).count < attribute.choices.count { fault(place, "a value's key occurs twice") }
            if attribute.choices.contains(where: \.key.isEmpty) { fault(place, "a value's key is empty") }
            if attribute.question.translations.isEmpty { fault(place, "description is missing") }
        }
        return faults
    }

    private static func advice(_ service: Service) -> [CatalogueFinding] {
        var advice: [CatalogueFinding] = []
        if service.group.translations.isEmpty {
            advice.append(
                CatalogueFinding(
                    kind: .advice,
                    service: service.code,
                    place: "group",
                    text: "is empty: apps show groups as their first screen"
                )
            )
        }
        for keyword in service.keywords where reservedKeywords.contains(keyword.lowercased()) {
            advice.append(
                CatalogueFinding(
                    kind: .advice,
                    service: service.code,
                    place: "keywords",
                    text: "“\(keyword)” is an instruction to FixMyStreet, not a word"
                )
            )
        }
        return advice
    }

    private static func missing(_ service: Service, _ languages: [Language]) -> [CatalogueFinding] {
        service.texts.flatMap { place, text in
            languages.filter { text.translations[$0] == nil && text.translations[$0.primary] == nil }.map { language in
                CatalogueFinding(kind: .missingTranslation, service: service.code, place: place, text: "no text in \(language)")
            }
        }
    }
}
