/// A tenant's catalogue as a document: an array of services, or an object whose member `services` is one.
public enum CatalogueRules: ReferenceRules {
    public static func check(_ value: JSONValue, of tenant: Tenant) throws(ReferenceFaults) -> CheckedReference {
        let (services, advice) = try services(value, languages: tenant.languages)
        return CheckedReference(value: document(services), advice: advice)
    }

    public static var table: (@Sendable (Table, Tenant) throws(ReferenceFaults) -> PlacedTree)? {
        { (table: Table, tenant: Tenant) throws(ReferenceFaults) in try CatalogueTable.tree(table, language: tenant.language) }
    }

    public static func csv(_ document: JSONValue) -> [UInt8]? { CatalogueTable.csv(document) }

    /// - Parameter languages: the tenant's, its own first: texts without a language are in that one, and each text should exist in all.
    /// - Returns: the services in their order, and what is not wrong but perhaps not meant.
    public static func services(
        _ value: JSONValue, languages: [Language]
    ) throws(ReferenceFaults) -> (services: [Service], advice: [ReferenceFault]) {
        var form = CatalogueForm(language: languages.first ?? .english)
        let services = form.services(value)
        let findings = CatalogueCheck.findings(services, languages: languages)
        if services.isEmpty, form.faults.isEmpty {
            // An export that failed looks like this, and would take every service away from the citizens.
            throw ReferenceFaults([
                ReferenceFault("", "A catalogue without a service is not taken: nothing could be reported. PATCH retires single services.")
            ])
        }
        let faults = form.faults + findings.filter { $0.kind == .fault }.map { form.fault($0) }
        guard faults.isEmpty else { throw ReferenceFaults(faults) }
        return (services, form.advice + findings.filter { $0.kind != .fault }.map { form.fault($0) })
    }

    /// The canonical form.
    public static func document(_ services: [Service]) -> JSONValue {
        .array(
            services.map { service in
                .object([
                    .init("service_code", .string(service.code.rawValue)), .init("type", .string(service.kind.rawValue)),
                    .init("service_name", texts(service.name)), .init("description", texts(service.summary)),
                    .init("group", texts(service.group)), .init("keywords", .array(service.keywords.map { .string($0) })),
                    .init("attributes", .array(service.attributes.map(attribute))),
                ])
            })
    }

    private static func attribute(_ attribute: ServiceAttribute) -> JSONValue {
        .object([
            .init("code", .string(attribute.code)), .init("variable", .bool(attribute.isVariable)),
            .init("datatype", .string(attribute.dataType.rawValue)), .init("required", .bool(attribute.isRequired)),
            .init("order", .number(Double(attribute.order))), .init("description", texts(attribute.question)),
            .init("datatype_description", texts(attribute.hint)),
            .init(
                "values",
                .array(attribute.choices.map { .object([.init("key", .string($0.key)), .init("name", texts($0.name))]) })),
        ])
    }

    private static func texts(_ text: LocalizedText) -> JSONValue {
        .object(
            text.translations.sorted { $0.key.rawValue < $1.key.rawValue }.map { JSONValue.Member($0.key.rawValue, .string($0.value)) })
    }
}
