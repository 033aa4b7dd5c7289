extension Fault.Problem {
    /// For statistics and the audit: never a text of the caller's.
    public var code: String {
        switch self {
        case .missing: "missing"
        case .attributeRequired: "attribute-required"
        case .noLocation: "no-location"
        case .incompletePosition: "incomplete-position"
        case .notACoordinate: "not-a-coordinate"
        case .tooLong: "too-long"
        case .tooMany: "too-many-values"
        case .tooMuchText: "too-much-text"
        case .notANumber: "not-a-number"
        case .notADate: "not-a-date"
        case .notAChoice: "not-a-choice"
        case .severalValues: "several-values"
        case .notAnAbsoluteURL: "not-a-url"
        case .undeclaredAttribute: "undeclared-attribute"
        case .unknownValue: "unknown-value"
        case .malformed: "malformed"
        case .notASIRET: "not-a-siret"
        case .unknownObject: "unknown-object"
        case .outsideBoundary: "outside-boundary"
        // Of searches, and what is seldom: the statistics need no more.
        default: "malformed-query"
        }
    }
}
