/// Something about the broker that is not as it should be, with what to do about it.
public struct Finding: Sendable, Hashable, Encodable, CustomStringConvertible {
    public enum Severity: String, Sendable, Encodable, Comparable {
        /// To know; nothing fails.
        case notice
        /// Something will fail, or somebody is not served.
        case warning
        /// Something fails now.
        case error

        public static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }

        private var rank: Int {
            switch self {
            case .notice: 0
            case .warning: 1
            case .error: 2
            }
        }
    }

    public enum Code: String, Sendable, Encodable {
        case brokerUnreachable = "broker_unreachable"
        case checkRefused = "check_refused"
        case alarm
        case certificateExpires = "certificate_expires"
        case nodeDown = "node_down"
        case featureFlagDisabled = "feature_flag_disabled"
        case defaultUser = "default_user"
        case virtualHostMissing = "virtual_host_missing"
        case serviceAccountMissing = "service_account_missing"
        case installationDrift = "installation_drift"
        case tenantDrift = "tenant_drift"
        case stranger
        case policyNotEffective = "policy_not_effective"
        case noConsumer = "no_consumer"
        case deadLetters = "dead_letters"
        case purgeSuspected = "purge_suspected"
    }

    public let severity: Severity
    public let code: Code
    /// What is wrong, and with what.
    public let problem: String
    /// What repairs it: a command where there is one.
    public let remedy: String

    public init(_ severity: Severity, _ code: Code, _ problem: String, remedy: String) {
        self.severity = severity
        self.code = code
        self.problem = problem
        self.remedy = remedy
    }

    public var description: String { "\(severity.rawValue) \(code.rawValue): \(problem). Remedy: \(remedy)" }
}
