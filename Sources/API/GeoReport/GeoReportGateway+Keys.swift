import HTTPTypes
import Hummingbird
import Open311
import Storage

/// Who calls.
extension GeoReportGateway {
    private static let keyHeaders = [HTTPField.Name("X-API-Key"), HTTPField.Name("Api-Key")].compactMap { $0 }

    /// Whether a header presents one, valid or not.
    func presentsKey(_ request: Request) -> Bool { Self.keyHeaders.contains { request.headers.contains($0) } }

    func presentedKey(_ request: Request, _ fields: FormFields) -> String? {
        fields["api_key"] ?? Self.keyHeaders.lazy.compactMap { request.headers[$0] }.first
    }

    /// The key presented as `api_key` or in a header, when it opens anything now; its use is noted.
    ///
    /// - Returns: nil for a missing, unknown, revoked or expired key.
    func accessKey(_ request: Request, _ fields: FormFields, at moment: Timestamp) async -> AccessKey? {
        guard let text = presentedKey(request, fields), let secret = AccessSecret(presented: text, kind: .apiKey),
            let key = await lookUp({ $0.accessKey(secret.publicID, .apiKey) }), key.isUsable(at: moment),
            secret.matches(storedHash: key.secretHash)
        else { return nil }
        keyUses.note(key, at: moment)
        return key
    }

    /// The key, when it may post to this endpoint of this tenant; 403 otherwise.
    func mayPost(_ key: AccessKey?, to tenant: Tenant, _ language: Language) throws(GeoReportError) -> AccessKey {
        guard let key, key.tenant == tenant.id.production else {
            throw GeoReportError(
                403, language, french: "api_key absente ou inconnue : demandez une clé (voir key_service dans le document discovery).",
                english: "api_key is missing or unknown: ask for a key (see key_service in the discovery document).")
        }
        guard key.scopes.contains(tenant.id.isTest ? .test : .write) else {
            if tenant.id.isTest {
                throw GeoReportError(
                    403, language, french: "Cette api_key n’ouvre pas le point d’accès de test : demandez une clé de portée « test ».",
                    english: "This api_key does not open the test endpoint: ask for a key with the scope “test”.")
            }
            throw GeoReportError(
                403, language,
                french: "Cette api_key n’ouvre que le point d’accès de test (type « test » du document discovery) ou la lecture : "
                    + "demandez une clé de portée « write ».",
                english: "This api_key opens only the test endpoint (type “test” in the discovery document) or reading: "
                    + "ask for a key with the scope “write”.")
        }
        return key
    }
}
