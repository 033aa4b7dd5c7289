/// What a tenant has chosen for the way back from its CRM.
public struct LifecyclePolicy: Sendable, Equatable {
    /// What its CRM's codes mean.
    public var mapping: StatusMapping
    /// After so many minutes a token is answered our own id; nil: only the CRM resolves it.
    public var tokenMinutes: Int?

    /// Minutes of a year.
    public static let tokenRange = 1...525_600

    public init(mapping: StatusMapping = .empty, tokenMinutes: Int? = nil) {
        self.mapping = mapping
        self.tokenMinutes = tokenMinutes
    }
}
