import Foundation

/// Which node of a cluster a broker is.
///
/// Each node has a loopback address of its own and sends from it, so that the traffic between two nodes can be told from all
/// other: a test cuts it as a failing switch would.
struct ClusterMember: Sendable, Equatable {
    /// 1 to 3.
    let number: Int
    /// Of all nodes, by number.
    let nodeNames: [String]
    /// The folder of what all nodes share.
    let shared: URL

    /// - Parameter shared: the cluster's folder; the nodes' names are made from it.
    init(number: Int, of size: Int, shared: URL) {
        self.number = number
        self.shared = shared
        let name = BrokerDefinitions.nodeName(for: shared).prefix { $0 != "@" }
        nodeNames = (1...size).map { "\(name)-\($0)@\(Self.address($0))" }
    }

    var nodeName: String { nodeNames[number - 1] }

    /// The loopback address of a node.
    static func address(_ number: Int) -> String { "127.0.0.\(number + 1)" }

    /// Where the port mapper listens.
    static func addresses(of member: ClusterMember?) -> String {
        guard let member else { return "127.0.0.1" }
        return (["127.0.0.1"] + member.nodeNames.indices.map { address($0 + 1) }).joined(separator: ",")
    }

    /// Arguments of Erlang's kernel: where to listen for other nodes, and from where to call them.
    static func kernelSettings(of member: ClusterMember?) -> String {
        guard let member else { return "inet_dist_use_interface {127,0,0,1}" }
        let own = "{127,0,0,\(member.number + 1)}"
        return "inet_dist_use_interface \(own) inet_dist_connect_options [{ip,\(own)}]"
    }

    /// What a site's rabbitmq-env.conf has in its `SERVER_ADDITIONAL_ERL_ARGS`; the file lies in the node's own folder, where it runs: a
    /// whole path might have a blank in it, which RabbitMQ's script would take for the end.
    static func watchArguments(of member: ClusterMember?) -> String { member == nil ? "" : " -eval file:eval(\"\(rejoin)\")." }
    static let rejoin = "rejoin.erl"

    /// A file of `broker-config` with the example's node names replaced by the real ones.
    ///
    /// - Parameter own: the file names one node, whichever it is on: it becomes this one.
    func render(_ text: String, own: Bool = false) -> String {
        var rendered = text
        for (index, name) in nodeNames.enumerated() {
            rendered = rendered.replacingOccurrences(of: "rabbit@bus-\(index + 1).example.org", with: own ? nodeName : name)
        }
        return rendered
    }
}
