/// An exchange as it is declared.
public struct Exchange: Sendable, Hashable, Codable {
    public var name: String
    /// `topic` or `fanout`.
    public var type: String
    public var durable = true
    public var autoDelete = false
    /// Whether only the broker itself may publish to it.
    public var isInternal = false
    public var arguments: BrokerArguments = [:]

    enum CodingKeys: String, CodingKey {
        case name, type, durable, arguments
        case autoDelete = "auto_delete"
        case isInternal = "internal"
    }
}

/// A queue as it is declared.
public struct Queue: Sendable, Hashable, Codable {
    public var name: String
    public var durable = true
    public var autoDelete = false
    public var arguments: BrokerArguments

    enum CodingKeys: String, CodingKey {
        case name, durable, arguments
        case autoDelete = "auto_delete"
    }

    /// Replicated and always on disk. Every other property of our queues is a policy, because an argument can never change.
    static func quorum(_ name: String) -> Queue { Queue(name: name, arguments: ["x-queue-type": "quorum"]) }
}

/// The way from an exchange to a queue.
public struct Binding: Sendable, Hashable, Codable {
    public var exchange: String
    public var queue: String
    public var routingKey: String
    public var arguments: BrokerArguments = [:]

    enum CodingKeys: String, CodingKey {
        case arguments
        case exchange = "source"
        case queue = "destination"
        case routingKey = "routing_key"
    }
}

/// Properties of all queues or exchanges whose name matches.
public struct Policy: Sendable, Hashable, Codable {
    public var name: String
    /// A regular expression over names.
    public var pattern: String
    /// `queues` or `exchanges`.
    public var appliesTo: String
    /// Of the policies that match, only the highest applies.
    public var priority: Int
    public var definition: BrokerArguments

    enum CodingKeys: String, CodingKey {
        case name, pattern, priority, definition
        case appliesTo = "apply-to"
    }
}

/// What a user may do in the virtual host: three regular expressions over names of exchanges and queues.
public struct Permission: Sendable, Hashable, Codable {
    public var user: String
    public var configure: String
    public var write: String
    public var read: String
}

/// What routing keys a user may use on a topic exchange.
public struct TopicPermission: Sendable, Hashable, Codable {
    public var user: String
    public var exchange: String
    public var write: String
    public var read: String
}

/// How many connections and channels a user may have at a time.
public struct UserLimits: Sendable, Hashable, Codable {
    public var user: String
    public var maximumConnections: Int
    public var maximumChannels: Int
}

/// A user's name and rights over the broker; never its password.
public struct BrokerUser: Sendable, Hashable {
    public var name: String
    /// `administrator`, `monitoring`…; none for a tenant but `certificate`.
    public var tags: [String] = []
    /// Whether a password is set. A user without cannot log in, unless by a certificate.
    public var hasPassword = false
}
