/// One difference between what a tenant needs and what the broker has, and how it is removed.
public struct ProvisioningChange: Sendable, Hashable, Encodable, CustomStringConvertible {
    public enum Action: String, Sendable, Encodable {
        case create
        case update
        case delete
        /// Cannot be changed in place: ``ProvisioningChange/remedy`` says what a person has to do first.
        case conflict
        /// A person's own doing, which applying leaves as it is.
        case notice
    }

    public enum Object: String, Sendable, Encodable {
        case virtualHost = "virtual_host"
        case policy
        case operatorPolicy = "operator_policy"
        case exchange
        case queue
        case binding
        case user
        case permission
        case topicPermission = "topic_permission"
        case limits
    }

    public let action: Action
    public let object: Object
    /// The object's name as `rabbitmqctl` shows it.
    public let name: String
    /// What differs, for people; empty for what is simply missing.
    public let details: [String]
    /// Of a conflict or a notice only.
    public let remedy: String?
    let step: ProvisioningStep

    init(
        _ action: Action,
        _ object: Object,
        _ name: String,
        details: [String] = [],
        remedy: String? = nil,
        step: ProvisioningStep
    ) {
        self.action = action
        self.object = object
        self.name = name
        self.details = details
        self.remedy = remedy
        self.step = step
    }

    /// One line, as in `~ policy o311-requests: max-length is 5, wanted 200000`.
    public var description: String {
        let sign =
            switch action {
            case .create: "+"
            case .update: "~"
            case .delete: "-"
            case .conflict: "!"
            case .notice: "?"
            }
        let kind = object.rawValue.replacing("_", with: " ")
        let difference = details.isEmpty ? "" : ": " + details.joined(separator: "; ")
        return "\(sign) \(kind) \(name)\(difference)\(remedy.map { ". \($0)" } ?? "")"
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(action, forKey: .action)
        try container.encode(object, forKey: .object)
        try container.encode(name, forKey: .name)
        try container.encode(details, forKey: .details)
        try container.encode(remedy, forKey: .remedy)
    }

    private enum CodingKeys: CodingKey { case action, object, name, details, remedy }
}

/// What removes a difference. Each can be done again without harm.
enum ProvisioningStep: Hashable {
    case putVirtualHost
    case putPolicy(Policy)
    case putOperatorPolicy(Policy)
    case deletePolicy(String)
    case putExchange(Exchange)
    case putQueue(Queue)
    case addBinding(Binding)
    case deleteBinding(FoundBinding)
    /// Without a password: nobody can log in until a credential is issued.
    case putUser(String)
    case clearTags(user: String)
    case putPermission(Permission)
    case deletePermission(user: String, virtualHost: String)
    /// Of the user in one virtual host: these; and no other, when the rest is cleared first.
    case setTopicPermissions(user: String, virtualHost: String, [TopicPermission], clearsFirst: Bool)
    case putLimits(UserLimits)
    /// Nothing that could be done without a person's decision.
    case none
}

/// The ordered changes that bring the broker to what is wanted. Empty when it is there.
public struct ProvisioningPlan: Sendable, Equatable, Encodable, CustomStringConvertible {
    public let virtualHost: String
    /// Policies first: a queue that existed before its policy would drop what it should keep.
    public let changes: [ProvisioningChange]

    public var isEmpty: Bool { changes.isEmpty }
    /// What applying would change.
    public var work: [ProvisioningChange] { changes.filter { $0.step != .none } }
    public var conflicts: [ProvisioningChange] { changes.filter { $0.action == .conflict } }

    /// One line a change.
    public var description: String {
        isEmpty ? "nothing to change" : changes.map(\.description).joined(separator: "\n")
    }

    private enum CodingKeys: String, CodingKey {
        case changes
        case virtualHost = "virtual_host"
    }
}
