import Open311

/// In which language to answer.
struct Languages {
    let wanted: Language
    let fallback: [Language]

    /// `locale` first, then `Accept-Language`, then the tenant's own; an unknown one never fails.
    init(tenant: Tenant, locale: String?, accept: String?) {
        let accepted = (accept ?? "").split(separator: ",").first.map { $0.prefix { $0 != ";" } }.flatMap { Language(parsing: String($0)) }
        wanted = locale.flatMap { Language(parsing: $0) } ?? accepted ?? tenant.language
        fallback = [tenant.language, .french, .english]
    }
}
