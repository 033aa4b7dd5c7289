import Open311
import TestSupport
import Testing

@Suite("A catalogue")
struct CatalogueTests {
    private let tenant: Tenant

    init() throws {
        tenant = Tenant(
            id: TenantID(1),
            key: try TenantKey(validating: "valmont-7f3a9c"),
            name: "Valmont",
            jurisdictions: [],
            language: .french,
            timeZone: "Europe/Paris",
            shard: 0,
            virtualHost: "open311",
            contact: "-",
            keyService: "-",
            policies: TenantPolicies(),
            fallbackLanguages: [.english]
        )
    }

    @Test(
        "languages are looked for as the caller weighs them, then as the tenant falls back",
        arguments: [
            (nil, nil, "fr en"), ("en", nil, "en fr"), ("EN_gb", nil, "en fr"), ("xx", nil, "fr en"), ("", "en", "en fr"),
            (nil, "de, en;q=0.5", "en fr"), (nil, "fr;q=0.5, en;q=0.9", "en fr"), (nil, "en;q=0", "fr en"), ("fr", "en", "fr en"),
            (nil, "nl", "nl-BE fr en"), (nil, "nl, en", "nl-BE en fr"), (nil, ";;,,q=", "fr en"), (nil, "*", "fr en"),
        ] as [(String?, String?, String)]
    )
    func languageOrder(locale: String?, accept: String?, expected: String) throws {
        let available: Set<Language> = [.french, .english, try #require(Language(parsing: "nl-BE"))]
        let order = LanguagePreferences(locale: locale, accept: accept).order(for: tenant, available: available)
        #expect(order.map(\.rawValue).joined(separator: " ") == expected)
    }

    @Test("few orders exist, whatever callers send")
    func fewOrders() throws {
        let available = Set(["fr", "en", "nl", "de", "es", "it"].compactMap { Language(parsing: $0) })
        var orders: Set<[Language]> = []
        for _ in 0..<5_000 {
            let header = available.shuffled().map(\.rawValue).joined(separator: ",")
            orders.insert(LanguagePreferences(locale: nil, accept: header).order(for: tenant, available: available))
        }
        #expect(orders.count <= 30)
    }

    @Test("a whole catalogue has no findings")
    func whole() throws { #expect(CatalogueCheck.findings(try Fixtures.services(), languages: tenant.languages) == []) }

    @Test("each text that is missing in a language is named with its place")
    func missingTranslations() throws {
        var services = try Fixtures.services()
        services[0].name.translations[.english] = nil
        services[0].attributes[1].choices[2].name.translations[.english] = nil
        let findings = CatalogueCheck.findings(services, languages: tenant.languages)
        #expect(findings.map(\.kind) == [.missingTranslation, .missingTranslation])
        #expect(findings.map(\.place) == ["service_name", "attribute shape: value triangle"])
        #expect(findings.first?.description == "POT: service_name: no text in en")
    }

    @Test("what no app could use is a fault; what is only unwise is advice")
    func faults() throws {
        var services = try Fixtures.services()
        services[0].attributes[1].choices = []
        services[0].attributes[0].order = 2
        services[1].keywords = ["a,b", "private"]
        services[1].group = LocalizedText([:])
        services.append(services[0])
        let findings = CatalogueCheck.findings(services, languages: [])
        let faults = Set(findings.filter { $0.kind == .fault }.map(\.place))
        #expect(faults == ["attribute shape", "keywords", "service_code"])
        #expect(Set(findings.filter { $0.kind == .advice }.map(\.place)) == ["group", "keywords"])
    }
}
