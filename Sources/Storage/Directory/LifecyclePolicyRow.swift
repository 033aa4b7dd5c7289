import Open311

/// A tenant's choices for the way back, from its row. The mapping of its CRM's codes is what the reference store
/// has published.
enum LifecyclePolicyRow {
    /// - Parameter mapping: JSON; what cannot be read counts as empty, and only a hand-made row has that.
    static func policy(mapping: [UInt8], tokens: Int64?) -> LifecyclePolicy {
        LifecyclePolicy(mapping: Self.mapping(mapping), tokenMinutes: tokens.map { Int($0) })
    }

    private static func mapping(_ bytes: [UInt8]) -> StatusMapping {
        guard bytes.count > 2, let entries = try? JSONReader.value(bytes).array else { return .empty }
        // Published under the rules of then: an entry that today's would refuse does not take the others away.
        return StatusMapping(
            entries.compactMap { entry in
                guard let code = entry["code"]?.string, let word = entry["status"]?.string,
                    let status = try? StatusUpdate.RequestedStatus(stored: word)
                else { return nil }
                return StatusMapping.Entry(
                    code: code, status: status.resolved(from: DetailedStatus(.received)), statusNotes: entry["status_notes"]?.string)
            })
    }
}
