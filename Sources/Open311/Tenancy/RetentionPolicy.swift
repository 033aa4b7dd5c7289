/// How long a tenant's requests are kept (charter: one rolling year), counted from when each was made.
public struct RetentionPolicy: Sendable, Hashable {
    /// Of one service, where it differs from the tenant's.
    public struct ServiceTerm: Sendable, Hashable {
        public let code: ServiceCode
        public let months: Int

        public init(_ code: ServiceCode, months: Int) {
            self.code = code
            self.months = months
        }

        /// Reads `NOISE 6`: the service's code, and months.
        ///
        /// - Returns: nil for anything else, and for months out of range.
        public init?(_ text: String) {
            // A code may have spaces in it; the months have none.
            guard let space = text.lastIndex(of: " ") else { return nil }
            let number = text[text.index(after: space)...]
            guard (1...2).contains(number.utf8.count), number.utf8.allSatisfy({ (48...57).contains($0) }), let months = Int(number),
                RetentionPolicy.monthRange.contains(months), let code = try? ServiceCode(validating: String(text[..<space]))
            else { return nil }
            self.init(code, months: months)
        }

        public var description: String { "\(code.rawValue) \(months)" }
    }

    public static let monthRange = 1...24
    /// Days between the moment when the person is forgotten and the one when the row goes.
    public static let restRange = 0...90

    public var months = 12
    public var services: [ServiceTerm] = []
    /// Whether the CRM is told by `service_request.erased` that the time of a request is over.
    public var tellsCRM = true
    public var restDays = 30

    public init() {}
}
