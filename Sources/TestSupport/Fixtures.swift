import Open311
import Storage

/// A small city that tests agree on.
public enum Fixtures {
    public static let french = Language.french

    public static func text(_ french: String, _ english: String) -> LocalizedText { LocalizedText([.french: french, .english: english]) }

    /// `POT` with attributes of every kind, `BIN` without any.
    public static func services() throws -> [Service] {
        func attribute(_ code: String, _ type: ServiceAttribute.DataType, required: Bool = false, order: Int, choices: [String] = [])
            -> ServiceAttribute
        {
            ServiceAttribute(
                code: code, isVariable: code != "note", dataType: type, isRequired: required, order: order,
                question: text("Question \(code)", "Question \(code)"), hint: text("Aide", "Help"),
                choices: choices.map { ServiceAttribute.Choice(key: $0, name: text("Choix \($0)", "Choice \($0)")) })
        }
        return [
            Service(
                code: try ServiceCode(validating: "POT"), kind: .realtime, name: text("Nid-de-poule", "Pothole"),
                summary: text("Trou dans la chaussée", "Hole in the road"), group: text("Voirie", "Roads"), keywords: ["trou", "chaussée"],
                attributes: [
                    attribute("depth", .number, required: true, order: 1),
                    attribute("shape", .singlevaluelist, order: 2, choices: ["circle", "square", "triangle"]),
                    attribute("tags", .multivaluelist, order: 3, choices: ["a", "b", "c"]),
                    attribute("note", .text, order: 4),
                    attribute("seen_at", .datetime, order: 5),
                ]),
            Service(
                code: try ServiceCode(validating: "BIN"), kind: .realtime, name: text("Corbeille pleine", "Full bin"),
                summary: text("Corbeille qui déborde", "Overflowing bin"), group: text("Propreté", "Waste"), keywords: [], attributes: []),
        ]
    }

    public static func newTenant(_ name: String, jurisdiction: String) throws -> NewTenant {
        NewTenant(
            key: try TenantKey(validating: name), name: "Ville de \(name)", jurisdictions: [try JurisdictionID(validating: jurisdiction)],
            language: .french, timeZone: "Europe/Paris", virtualHost: "open311", contact: "mairie@\(jurisdiction)",
            keyService: "https://\(jurisdiction)/cles")
    }

    public static let origin = ServiceRequestEvent.Origin(
        typePrefix: "org.bus311", schemaBase: "https://schemas.bus311.example", gatewayURL: "http://127.0.0.1:8311/open311/v2",
        statusIngestURL: "http://127.0.0.1:8312")

    public static func submission(
        for tenant: Tenant, description: String = "Un trou", reporter: Reporter? = nil, reference: ClientReference? = nil
    ) throws -> Submission {
        Submission(
            tenant: tenant.id, serviceCode: try ServiceCode(validating: "BIN"), serviceName: "Corbeille pleine", description: description,
            location: Location(coordinate: Coordinate(latitude: 43.6, longitude: 3.2), address: nil, addressID: nil), answers: [],
            reporter: reporter, mediaURLs: ["https://img.example/a.jpg"], receivedVia: "tests", language: .french, receivedAt: .now,
            clientReference: reference)
    }
}
