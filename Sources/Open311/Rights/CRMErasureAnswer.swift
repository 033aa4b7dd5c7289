import Foundation

/// What a CRM did when it was told that a person is to be forgotten.
public enum CRMErasureOutcome: String, Sendable, CaseIterable {
    /// It has forgotten too.
    case erased
    /// It may not, for a reason.
    case kept
}

/// A CRM's answer to `service_request.erased`.
public struct CRMErasureAnswer: Sendable, Equatable {
    public let outcome: CRMErasureOutcome
    /// A code of lower-case letters and underscores, as in `legal_obligation`: it is kept, and a sentence might name the person.
    public let reason: String?

    /// - Throws: ``InvalidValue`` when what is kept has no reason, or a reason is no code.
    public init(outcome: CRMErasureOutcome, reason: String?) throws(InvalidValue) {
        if let reason {
            guard (1...64).contains(reason.utf8.count), reason.utf8.allSatisfy({ (97...122).contains($0) || $0 == UInt8(ascii: "_") })
            else {
                throw InvalidValue(name: "reason", problem: "must be a code of lower-case letters and underscores, as in legal_obligation")
            }
        }
        guard outcome == .erased || reason != nil else {
            throw InvalidValue(name: "reason", problem: "must say why the data are kept, as in legal_obligation")
        }
        self.outcome = outcome
        self.reason = reason
    }

    /// As both doors get it: `outcome`, and `reason` where the data are kept.
    ///
    /// - Parameter members: of a JSON object.
    /// - Throws: ``InvalidValue`` for the first member at fault.
    public init(members: [JSONValue.Member]) throws(InvalidValue) {
        let object = JSONValue.object(members)
        guard let outcome = object["outcome"]?.string.flatMap({ CRMErasureOutcome(rawValue: $0) }) else {
            let known = CRMErasureOutcome.allCases.map(\.rawValue).joined(separator: ", ")
            throw InvalidValue(name: "outcome", problem: "must be one of: \(known)")
        }
        let reason = object["reason"] ?? .null
        guard reason == .null || reason.string != nil else { throw InvalidValue(name: "reason", problem: "must be a string") }
        try self.init(outcome: outcome, reason: reason.string)
    }
}
