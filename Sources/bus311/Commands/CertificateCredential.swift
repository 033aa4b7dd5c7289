import ArgumentParser
import Bus

extension CredentialCommand.Issue {
    /// Opens a slot to a client certificate and says which one to order.
    func issueByCertificate(_ tenant: BusTenant, slot: CredentialSlot, _ administration: Administration) async throws {
        let user = try await administration.provisioner().issueCertificateCredential(tenant, slot: slot)
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
