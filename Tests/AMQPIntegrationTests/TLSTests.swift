import AMQP
import Foundation
import Testing

extension BrokerTests {
    @Suite("Over TLS")
    struct TLSTests {
        @Test("a broker whose certificate fits is trusted")
        func trusted() async throws {
            let configuration = try await self.configuration(host: "localhost", authority: "ca.pem")
            let publisher = try ConfirmedPublisher(configuration: configuration)
            try await publisher.connect()
            let batch = (0..<300).map { publication($0, to: "no.such.queue", body: [UInt8](repeating: 1, count: 2_000)) }
            let outcomes = try await publisher.exchange(batch, minimum: 300, wait: .seconds(10))
            #expect(outcomes.count == 300)
            #expect(outcomes.allSatisfy { $0.outcome == .returned(code: 312, text: "NO_ROUTE") })
            await publisher.close()
        }

        @Test("a certificate for another host, or from another authority, is refused, and the error says whose it is and what to do")
        func refused() async throws {
            for (host, authority, words) in [
                ("127.0.0.1", "ca.pem", ["for another host", "\"localhost\"", "connect under a name that the certificate has"]),
                ("localhost", "stranger.pem", ["signed by \"ca\"", "cacertfile", "intercepts TLS"]),
            ] {
                try await expectRefusal(try await configuration(host: host, authority: authority), words)
            }
        }

        @Test("an expired certificate is refused, and so is TLS 1.1")
        func oldServers() async throws {
            let broker = try await PrivateBroker.shared.value
            for (certificate, options, words) in [
                ("expired", [], ["has expired", "renew the certificate"]),
                ("server", ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], ["TLS 1.2 or 1.3"]),
            ] {
                let server = try OpenSSLServer(in: broker.directory, certificate: certificate, options: options)
                defer { server.stop() }
                var configuration = try await configuration(host: "localhost", authority: "ca.pem")
                configuration.port = try await server.port()
                try await expectRefusal(configuration, words)
            }
        }

        @Test("a client certificate logs its own user in, without a password, beside users with one on the same port")
        func certificate() async throws {
            var configuration = try await identified(by: "guest")
            configuration.password = "not the password"
            try await logIn(configuration)
            try await logIn(try await self.configuration(host: "localhost", authority: "ca.pem"))
        }

        @Test("a certificate cannot be another user: its name is not in the broker, its authority is a stranger, or a password is wanted")
        func otherNames() async throws {
            var unknown = try await identified(by: "unknown")
            unknown.user = "guest"
            let unknownError = try await failure(unknown)
            #expect(unknownError.kind == .authenticationRefused)
            let forged = try await identified(by: "forged")
            let forgedError = try await failure(forged)
            guard case .tls = forgedError.kind else { throw PrivateBroker.Failure(description: "not refused by TLS: \(forgedError)") }
            var password = try await identified(by: "unknown")
            (password.logsInByCertificate, password.password) = (false, "guessed")
            let passwordError = try await failure(password)
            #expect(passwordError.kind == .authenticationRefused)
        }

        @Test("a key that is not the certificate's is told before anything is sent")
        func keyMismatch() async throws {
            var configuration = try await identified(by: "guest")
            configuration.tls?.identity?.keyFile = try await PrivateBroker.shared.value.directory.appendingPathComponent("server.key").path
            try await expectRefusal(configuration, ["do not belong together"])
        }

        // MARK: Pieces

        private func configuration(host: String, authority: String) async throws -> AMQPConfiguration {
            let broker = try await PrivateBroker.shared.value
            var configuration = await broker.configuration()
            configuration.host = host
            configuration.port = broker.tlsPort
            configuration.tls = .init(caFile: broker.directory.appendingPathComponent(authority).path)
            return configuration
        }

        private func identified(by name: String) async throws -> AMQPConfiguration {
            let folder = try await PrivateBroker.shared.value.directory
            var configuration = try await configuration(host: "localhost", authority: "ca.pem")
            configuration.tls?.identity = .init(
                certificateFile: folder.appendingPathComponent("\(name).pem").path,
                keyFile: folder.appendingPathComponent("\(name).key").path)
            configuration.logsInByCertificate = true
            return configuration
        }

        private func logIn(_ configuration: AMQPConfiguration) async throws {
            let channel = try AMQPChannel(configuration: configuration)
            try await channel.passiveDeclare(exchange: "amq.direct")
            await channel.close()
        }

        private func failure(_ configuration: AMQPConfiguration) async throws -> AMQPError {
            let channel = try AMQPChannel(configuration: configuration)
            defer { Task { await channel.close() } }
            do throws(AMQPError) {
                try await channel.passiveDeclare(exchange: "amq.direct")
            } catch {
                return error
            }
            throw PrivateBroker.Failure(description: "logged in where a refusal was expected")
        }

        private func expectRefusal(_ configuration: AMQPConfiguration, _ words: [String]) async throws {
            let error = try await failure(configuration)
            guard case .tls = error.kind else {
                Issue.record("not about TLS: \(error)")
                return
            }
            #expect(!error.isRetriable)
            for word in words { #expect(error.description.contains(word), "\(error)") }
        }
    }
}
