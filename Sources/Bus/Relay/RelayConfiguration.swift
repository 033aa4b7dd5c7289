import AMQP
import Open311

/// What the relay is told.
public struct RelayConfiguration: Sendable {
    /// The relay's user; each tenant's virtual host replaces the one named here.
    public var broker: AMQPConfiguration
    /// Which shards this process may lead.
    public var shards: [Int16]
    /// Events in flight, unconfirmed: more than 256 only adds latency.
    public var window: Int
    /// Events besides that wait in the publisher for room in a full window.
    public var staged: Int
    /// Bytes in flight: what a broker that stopped reading can hold up.
    public var windowBytes: Int
    /// A tenant's share of the window while others wait too.
    public var windowPerTenant: Int
    /// How long a confirm may take before the connection is suspect.
    public var confirmTimeout: Duration
    /// The net under notifications.
    public var pollInterval: Duration
    /// The product's name and version, in each message.
    public var applicationID: String
    /// Reverse-DNS prefix of CloudEvents types, as in the bodies.
    public var typePrefix: String
    public var failPoint: FailPoint?

    public init(broker: AMQPConfiguration, applicationID: String, typePrefix: String, failPoint: FailPoint? = nil) {
        self.broker = broker
        self.applicationID = applicationID
        self.typePrefix = typePrefix
        self.failPoint = failPoint
        shards = Array(0..<Tenant.shardCount)
        window = 256
        staged = 64
        windowBytes = 1_048_576
        windowPerTenant = 50
        confirmTimeout = .seconds(15)
        pollInterval = .seconds(1)
    }
}
