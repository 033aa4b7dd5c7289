import AMQP
import Foundation
import Open311
import PrivateServers
import Testing

@testable import Bus

extension WithBroker {
    @Suite("A tenant that logs in with a client certificate", .timeLimit(.minutes(5)))
    struct CertificateCredentialTests {
        /// Over TLS, with the certificate of `name`, whatever user it claims to be.
        private func login(_ tenant: BusTenant, certificate name: String, claiming user: String? = nil) async throws -> AMQPConfiguration {
            let server = try #require(SharedBrokerTrait.broker)
            let authority = try #require(server.authority)
            let made = try await authority.clientCertificate(for: name)
            var configuration = AMQPConfiguration(
                host: "localhost", port: UInt16(try #require(server.ports.amqps)), virtualHost: tenant.virtualHost, user: user ?? name,
                password: "", tls: .init(caFile: authority.caFile.path))
            configuration.tls?.identity = .init(certificateFile: made.certificate.path, keyFile: made.key.path)
            configuration.logsInByCertificate = true
            return configuration
        }

        @Test("needs no password, has the rights of its slot, is shown as such, and the plan finds nothing to repair")
        func issues() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                try await fixture.provisioner.apply(tenant)
                let user = try await fixture.provisioner.issueCertificateCredential(tenant, slot: .b)
                #expect(user == tenant.topology.user(.b))
                let channel = try AMQPChannel(configuration: try await login(tenant, certificate: user))
                #expect(try await channel.get(queue: tenant.topology.requestQueue) == nil)
                await channel.close()
                #expect(try await fixture.canLogIn(user, "") == false)
                let state = try #require(try await fixture.provisioner.credentials(tenant).first { $0.slot == .b })
                #expect(state.isIssued && state.byCertificate)
                #expect(try await fixture.provisioner.plan(tenant).isEmpty)
                await #expect(throws: ProvisioningError.credentialInUse(user: user, other: .a)) {
                    try await fixture.provisioner.issueCredential(tenant, slot: .b)
                }
            }
        }

        @Test("stands beside a tenant with a password on the same port")
        func besidePasswords() async throws {
            try await withBroker { fixture in
                let server = try #require(SharedBrokerTrait.broker)
                let tenant = try fixture.tenant()
                try await fixture.provisioner.apply(tenant)
                var byPassword = try await fixture.login(tenant, slot: .a)
                byPassword.host = "localhost"
                byPassword.port = UInt16(try #require(server.ports.amqps))
                byPassword.tls = .init(caFile: try #require(server.authority).caFile.path)
                let channel = try AMQPChannel(configuration: byPassword)
                _ = try await channel.get(queue: tenant.topology.requestQueue)
                await channel.close()
            }
        }

        @Test("is nobody else: the name in the certificate counts, whatever the client claims; revoking ends it")
        func cannotBeAnother() async throws {
            try await withBroker { fixture in
                let (tenant, stranger) = (try fixture.tenant(), try fixture.tenant())
                for each in [tenant, stranger] { try await fixture.provisioner.apply(each) }
                let user = try await fixture.provisioner.issueCertificateCredential(tenant, slot: .b)
                let other = try await fixture.provisioner.issueCertificateCredential(stranger, slot: .b)
                let channel = try AMQPChannel(configuration: try await login(tenant, certificate: other, claiming: user))
                let denied = await #expect(throws: AMQPError.self) {
                    try await channel.get(queue: tenant.topology.requestQueue)
                }
                #expect(denied?.kind == .accessRefused)
                await channel.close()
                try await fixture.provisioner.revokeCredential(tenant, slot: .b)
                let ended = try AMQPChannel(configuration: try await login(tenant, certificate: user))
                let error = await #expect(throws: AMQPError.self) {
                    try await ended.get(queue: tenant.topology.requestQueue)
                }
                #expect(error?.kind == .authenticationRefused)
                await ended.close()
            }
        }
    }
}
