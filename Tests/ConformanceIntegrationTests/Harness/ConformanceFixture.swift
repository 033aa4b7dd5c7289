import Open311
import TestSupport

/// The catalogues that the rows name.
enum ConformanceFixture {
    static func services() throws -> [Service] {
        var services = try Fixtures.services()
        services += [
            try plain("BAT", kind: .batch), try plain("BBX", kind: .blackbox), try plain("A.12"), try plain("Voirie & Eau"),
            try plain("S17", name: "Arbre tombé & <gênant> \"danger\""),
        ]
        return services
    }

    static func servicesOfB() throws -> [Service] { [try plain("CITY-B")] }

    static func plain(_ code: String, kind: ServiceKind = .realtime, name: String? = nil) throws -> Service {
        Service(
            code: try ServiceCode(validating: code),
            kind: kind,
            name: Fixtures.text(name ?? "Service \(code)", name ?? "Service \(code)"),
            summary: Fixtures.text("Description", "Description"),
            group: Fixtures.text("Divers", "Other"),
            keywords: ["divers"],
            attributes: []
        )
    }
}
