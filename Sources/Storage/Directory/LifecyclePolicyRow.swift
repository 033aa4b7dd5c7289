import Open311

/// A tenant's choices for the way back, from its row. The mapping of its CRM's codes is what the reference store
/// has published.
enum LifecyclePolicyRow {
    /// - Parameter mapping: JSON; what cannot be read counts as empty, and only a hand-made row has that.
    static func policy(mapping: [UInt8], tokens: Int64?) -> LifecyclePolicy {
        LifecyclePolicy(mapping: Self.mapping(mapping), tokenMinutes: tokens.map { Int($0) })
    }

    private static func mapping(_ bytes: [UInt8]) -> StatusMapping {
        guard bytes.count > 2, let value = try? JSONReader.value(bytes) else { return .empty }
        return (try? StatusMappingRules.mapping(value)) ?? .empty
    }
}
