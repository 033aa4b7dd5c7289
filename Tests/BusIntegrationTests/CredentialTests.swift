import Curl
import Open311
import Testing

@testable import Bus

extension WithBroker {
    @Suite("A tenant's credentials on a real broker", .timeLimit(.minutes(5)))
    struct CredentialTests {
        @Test("a user made by apply cannot log in before its credential is issued")
        func noPasswordAtFirst() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                try await fixture.provisioner.apply(tenant)
                let states = try await fixture.provisioner.credentials(tenant)
                #expect(states.map(\.slot) == [.a])
                #expect(states.first?.isIssued == false)
                #expect(try await fixture.canLogIn(tenant.topology.user(.a), "") == false)
            }
        }

        @Test("an issued password opens the broker, changes nothing else, and is not replaced by issuing again")
        func issues() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                try await fixture.provisioner.apply(tenant)
                let issued = try await fixture.provisioner.issueCredential(tenant, slot: .a)
                #expect(issued.user == tenant.topology.user(.a))
                #expect(try await fixture.canLogIn(issued.user, issued.password.clearText))
                #expect(try await fixture.canLogIn(issued.user, issued.password.clearText + "x") == false)
                #expect(try await fixture.provisioner.plan(tenant).isEmpty)
                await #expect(throws: ProvisioningError.credentialInUse(user: issued.user, other: .b)) {
                    try await fixture.provisioner.issueCredential(tenant, slot: .a)
                }
                #expect(try await fixture.canLogIn(issued.user, issued.password.clearText))
            }
        }

        @Test("rotates: the other slot is issued with the same rights, then the first is revoked")
        func rotates() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                try await fixture.provisioner.apply(tenant)
                let first = try await fixture.provisioner.issueCredential(tenant, slot: .a)
                let second = try await fixture.provisioner.issueCredential(tenant, slot: .b)
                #expect(try await fixture.provisioner.plan(tenant).isEmpty, "both slots have all they need")
                try await fixture.provisioner.revokeCredential(tenant, slot: .a)
                #expect(try await fixture.canLogIn(first.user, first.password.clearText) == false)
                #expect(try await fixture.canLogIn(second.user, second.password.clearText))
                #expect(try await fixture.provisioner.credentials(tenant).map(\.slot) == [.b])
                #expect(try await fixture.provisioner.plan(tenant).isEmpty, "the slot that is not in use is not missed")
                try await fixture.provisioner.revokeCredential(tenant, slot: .a)
            }
        }

        @Test("is not issued for a tenant that has no queues")
        func needsObjects() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                let error = await #expect(throws: ProvisioningError.self) {
                    try await fixture.provisioner.issueCredential(tenant, slot: .a)
                }
                #expect(error?.description.contains("apply the tenant first") == true)
                #expect(try await fixture.provisioner.broker.user(tenant.topology.user(.a)) == nil)
            }
        }
    }
}
