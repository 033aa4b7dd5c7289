/// One thing that is wrong with what a citizen's app sent. Every fault of a form is told at once.
public struct Fault: Error, Sendable, Equatable {
    /// The field's name as the app knows it: `lat`, `attribute[depth]`.
    public let field: String
    public let problem: Problem

    public enum Problem: Sendable, Equatable {
        case missing
        /// The code of a required attribute that has no answer.
        case attributeRequired(code: String)
        /// None of the ways to say where.
        case noLocation
        /// One of a pair without the other, named here.
        case incompletePosition(missing: String)
        case notACoordinate(minimum: Int, maximum: Int)
        /// In characters.
        case tooLong(maximum: Int)
        case tooMany(maximum: Int)
        /// Of all values together, in bytes.
        case tooMuchText(maximum: Int)
        case notANumber
        case notADate
        case notAChoice(value: String, choices: [String])
        case severalValues
        case notAnAbsoluteURL
        case undeclaredAttribute
        case unknownValue(value: String, allowed: [String])
        case malformed(expectation: String)
        case windowTooLong(days: Int64)
        case windowReversed
        /// No whole number of a page.
        case notAPage
        /// So many requests may be passed over by a page's number.
        case pageTooFar(maximum: Int)
        /// No cursor that an answer gave, or none in this order.
        case notACursor
        /// In metres.
        case notARadius(maximum: Int)
        case notABox
        /// Not one address, or with something in it that no address has.
        case notAnEmailAddress
        /// The check digit is wrong, or there are not 14.
        case notASIRET
        /// None of the city's published objects has this id, or none any more.
        case unknownObject(id: String, isRetired: Bool)
        /// Outside of the ground that the city answers for.
        case outsideBoundary(city: String)
    }

    public init(field: String, problem: Problem) {
        self.field = field
        self.problem = problem
    }
}
