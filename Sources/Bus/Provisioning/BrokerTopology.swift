/// Objects of one virtual host, wanted or found. Comparing the two makes a ``ProvisioningPlan``.
public struct BrokerTopology: Sendable, Equatable {
    public var virtualHost: String
    public var virtualHostExists: Bool
    public var policies: [Policy] = []
    /// Ceilings that no policy can lift.
    public var operatorPolicies: [Policy] = []
    public var exchanges: [Exchange] = []
    public var queues: [Queue] = []
    public var bindings: [Binding] = []
    public var users: [BrokerUser] = []
    public var permissions: [Permission] = []
    public var topicPermissions: [TopicPermission] = []
    public var limits: [UserLimits] = []

    public init(virtualHost: String, virtualHostExists: Bool) {
        self.virtualHost = virtualHost
        self.virtualHostExists = virtualHostExists
    }
}
