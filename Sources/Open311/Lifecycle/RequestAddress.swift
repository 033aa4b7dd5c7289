/// How a CRM names a service request.
public enum RequestAddress: Sendable, Hashable {
    /// By our number.
    case number(ServiceRequestID)
    /// By the service_request_id that it gave itself in place of ours.
    case given(GivenID)
    /// By its own reference, told before.
    case reference(String)

    /// A service_request_id from a path or a body; nil when it can be neither of the two.
    public init?(serviceRequestID text: String) {
        if let id = ServiceRequestID(parsing: text) {
            self = .number(id)
        } else if let id = try? GivenID(validating: text) {
            self = .given(id)
        } else {
            return nil
        }
    }
}

extension RequestAddress {
    /// Nil when it is named otherwise.
    public var number: ServiceRequestID? {
        if case .number(let id) = self { id } else { nil }
    }
}

/// A service_request_id that a CRM chose: `[A-Za-z0-9_-]`, 1 to 64, for it stands in addresses and in lists with commas. Never of the
/// form of ours, which might be another request's.
public struct GivenID: Sendable, Hashable, CustomStringConvertible {
    public let text: String

    /// - Throws: ``InvalidValue``.
    public init(validating text: String) throws(InvalidValue) {
        let isSafe = { (byte: UInt8) in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: "_")
        }
        guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy(isSafe) else {
            throw InvalidValue(name: "service_request_id", problem: "must have 1 to 64 letters, digits, hyphens or underscores")
        }
        guard ServiceRequestID(parsing: text) == nil else {
            throw InvalidValue(
                name: "service_request_id", problem: "has the form of a number of ours: give another one, or none to have ours")
        }
        self.text = text
    }

    /// From the database, which only holds valid ones.
    public init(stored: String) { text = stored }

    public var description: String { text }
}
