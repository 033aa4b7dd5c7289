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

        @Test("a certificate for another host, or from another authority, is refused")
        func refused() async throws {
            for (host, authority) in [("127.0.0.1", "ca.pem"), ("localhost", "stranger.pem")] {
                let publisher = try ConfirmedPublisher(configuration: try await configuration(host: host, authority: authority))
                let error = try await failure { () async throws(AMQPError) in try await publisher.connect() }
                guard case .tls = error.kind else {
                    Issue.record("\(host) with \(authority): \(error)")
                    continue
                }
                #expect(!error.isRetriable)
                await publisher.close()
            }
        }

        private func configuration(host: String, authority: String) async throws -> AMQPConfiguration {
            let broker = try await PrivateBroker.shared.value
            var configuration = await broker.configuration()
            configuration.host = host
            configuration.port = broker.tlsPort
            configuration.tls = .init(caFile: broker.directory.appendingPathComponent(authority).path)
            return configuration
        }
    }
}
