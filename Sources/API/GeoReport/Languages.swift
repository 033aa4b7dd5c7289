import HTTPTypes
import Hummingbird
import Open311

/// In which language to answer.
struct Languages {
    /// Of sentences that the gateway itself writes, such as errors.
    let wanted: Language
    private let preferences: LanguagePreferences
    private let tenant: Tenant

    /// `locale` first, then `Accept-Language`, then the tenant's own; an unknown one never fails.
    init(tenant: Tenant, locale: String?, accept: String?) {
        preferences = LanguagePreferences(locale: locale, accept: accept)
        self.tenant = tenant
        wanted = preferences.wanted.first ?? tenant.language
    }

    init(tenant: Tenant, _ query: FormFields, _ request: Request) {
        self.init(tenant: tenant, locale: query["locale"], accept: request.headers[.acceptLanguage])
    }

    /// In which order to look for each text of a catalogue.
    func order(in catalogue: Catalogue) -> [Language] { preferences.order(for: tenant, available: catalogue.languages) }

    /// In which order to look for each text that exists in some of these.
    func order(among available: Set<Language>) -> [Language] { preferences.order(for: tenant, available: available) }
}
