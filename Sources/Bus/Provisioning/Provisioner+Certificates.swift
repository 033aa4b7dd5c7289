import Open311

/// Mutual TLS: a slot whose user has no password and logs in with a client certificate that bears its name. Rotation is the same
/// as with passwords, from slot to slot; what ends a certificate is the end of its user, not a revocation list.
extension Provisioner {
    /// Opens the slot to whoever has a certificate with the user's name, signed by the authority that the broker trusts.
    ///
    /// - Returns: the user's name, which is the common name to order.
    /// - Throws: ``ProvisioningError``: `credentialInUse` when the slot is issued already, `notProvisioned` before the first apply.
    public func issueCertificateCredential(_ tenant: BusTenant, slot: CredentialSlot) async throws(ProvisioningError) -> String {
        try await issue(slot, of: tenant) { user throws(BrokerAdministrationError) in try await broker.putCertificateUser(user) }
    }
}

extension BrokerUser {
    /// Says in `rabbitmqctl list_users` how the user logs in; gives no right.
    static let certificateTag = "certificate"

    var logsInByCertificate: Bool { tags.contains(Self.certificateTag) }
    /// Whether somebody is meant to log in.
    var isIssued: Bool { hasPassword || logsInByCertificate }
    /// Tags that a tenant's user must not have.
    var foreignTags: [String] { foreignTags(beside: []) }

    func foreignTags(beside own: Set<String>) -> [String] { tags.filter { $0 != Self.certificateTag && !own.contains($0) } }
}

extension BrokerAdministration {
    /// Makes the user, or takes the password of one that is there away.
    func putCertificateUser(_ name: String) async throws(BrokerAdministrationError) {
        let user: BrokerArguments = ["password_hash": "", "tags": .text(BrokerUser.certificateTag)]
        try await put(["users", name], user)
    }
}
