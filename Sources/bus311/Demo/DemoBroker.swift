import Foundation
import PrivateServers

/// The demonstration's broker: one alone, or a cluster of three nodes.
struct DemoBroker {
    /// In the order of their numbers.
    let nodes: [PrivateRabbitMQ]
    let cluster: PrivateBrokerCluster?

    init(_ home: DemoHome, isCluster: Bool) {
        let configuration = home.repository.appendingPathComponent("broker-config")
        if isCluster {
            let cluster = PrivateBrokerCluster(directory: home.folder("rabbitmq"), ports: home.ports, configuration: configuration)
            self.cluster = cluster
            nodes = cluster.nodes
        } else {
            cluster = nil
            nodes = [PrivateRabbitMQ(directory: home.folder("rabbitmq"), ports: home.ports.rabbitMQ, configuration: configuration)]
        }
    }

    /// Ends what an earlier run left behind.
    func endLeftover() async throws {
        if let cluster { try await cluster.endLeftover() } else { for node in nodes { try await node.endLeftover() } }
    }

    /// `host:port` of each node.
    var addresses: [String] { nodes.map { "127.0.0.1:\($0.ports.amqp)" } }
    /// One URI for the services, which try its hosts one after the other.
    func uri(for user: ServiceUser) throws -> String {
        "amqp://\(user.rawValue):\(try password(of: user))@\(addresses.joined(separator: ","))/\(PrivateRabbitMQ.vhost)"
    }
    /// The same on every node.
    func password(of user: ServiceUser) throws -> String { try nodes[0].password(of: user) }
    /// Who signed the certificate of AMQP over TLS, the same on every node; nil where there is none.
    var authority: PrivateAuthority? { nodes[0].authority }
    var managementURL: String { nodes[0].managementURL }
}
