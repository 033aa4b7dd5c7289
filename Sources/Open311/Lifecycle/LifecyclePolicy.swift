/// What a tenant has chosen for the way back from its CRM.
public struct LifecyclePolicy: Sendable, Equatable {
    /// What its CRM's codes mean.
    public var mapping: StatusMapping
    /// After so many minutes a token is answered our own id; nil: only the CRM resolves it.
    public var tokenMinutes: Int32?
    /// Within so many minutes the CRM should have acknowledged a request; nil: nobody waits for it.
    public var acknowledgementMinutes: Int32?

    public init(mapping: StatusMapping = .empty, tokenMinutes: Int32? = nil, acknowledgementMinutes: Int32? = nil) {
        self.mapping = mapping
        self.tokenMinutes = tokenMinutes
        self.acknowledgementMinutes = acknowledgementMinutes
    }
}
