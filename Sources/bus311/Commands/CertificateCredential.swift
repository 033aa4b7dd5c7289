import Bus
import Open311
import Storage

extension Administration {
    /// Mutual TLS: there is nothing secret to show, only what the certificate has to say.
    func issueByCertificate(_ slot: CredentialSlot, of tenant: Tenant, _ common: CommonOptions) async throws {
        let user = try await provisioner().issueCertificateCredential(BusTenant(tenant), slot: slot)
        try await store.credentialIssued(slot.rawValue, of: tenant.id)
        try await store.record("credential issued", by: Operator.name, of: tenant.id, detail: "slot \(slot.rawValue), by certificate")
        try common.show(
            text: """
                user \(user)
                vhost \(tenant.virtualHost)
                There is no password. Have a client certificate signed by the authority that the broker trusts (ssl_options.cacertfile), with
                the common name (CN) \(user) and extended key usage clientAuth; the CRM logs in with it over amqps, SASL mechanism EXTERNAL.
                """,
            json: ["user": user, "common_name": user, "vhost": tenant.virtualHost, "mechanism": "EXTERNAL"])
    }
}
