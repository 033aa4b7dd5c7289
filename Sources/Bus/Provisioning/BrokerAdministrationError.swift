import Curl

/// Why the broker's management interface did not do what was asked.
public enum BrokerAdministrationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// No answer. The change may have been made all the same.
    case unreachable(operation: String, CurlError)
    /// 401: the management user or its password is wrong.
    case notAuthenticated(operation: String)
    /// 401 or 403 with a reason: the user has not the rights.
    case notAllowed(operation: String, reason: String)
    /// Any other refusal, in the broker's own words.
    case refused(operation: String, status: Int, reason: String)
    /// An answer this version does not understand.
    case malformedAnswer(operation: String, detail: String)

    /// Whether trying again later may help without anyone changing anything.
    public var isRetriable: Bool {
        switch self {
        case .unreachable(_, let error): error.isRetriable
        case .refused(_, let status, _): status >= 500
        case .notAuthenticated, .notAllowed, .malformedAnswer: false
        }
    }

    public var description: String {
        switch self {
        case .unreachable(let operation, let error):
            "the broker's management interface did not answer \(operation): \(error)"
        case .notAuthenticated(let operation):
            "the broker refused the management user or its password at \(operation): check the settings of the management interface"
        case .notAllowed(let operation, let reason):
            "the management user may not do \(operation): \(reason); svc.monitor needs"
                + " a permission in the virtual host (bus311 tenant apply gives it), svc.provisioner the tag administrator"
        case .refused(let operation, let status, let reason):
            "the broker refused \(operation) with status \(status): \(reason)"
        case .malformedAnswer(let operation, let detail):
            "the broker's answer to \(operation) cannot be read: \(detail)"
        }
    }
}
