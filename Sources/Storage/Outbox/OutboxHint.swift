import Open311
import Postgres

/// Which events were just committed, as a notification tells relays: whose, in which shard, under which seq. A relay that works off a
/// backlog can so fetch another tenant's lone event without reading what lies between. Hints may be lost; the outbox is the truth.
public struct OutboxHint: Sendable, Equatable {
    public let shard: Int16
    public let tenant: TenantID
    public let seq: Int64

    public init(shard: Int16, tenant: TenantID, seq: Int64) {
        self.shard = shard
        self.tenant = tenant
        self.seq = seq
    }

    init(_ row: Row) throws(PostgresError) {
        self.init(shard: try row.int16(0), tenant: TenantID(try row.int32(1)), seq: try row.int64(2))
    }

    /// PostgreSQL takes payloads of fewer than 8,000 bytes.
    static let longestPayload = 7_900

    /// `shard:tenant:seq`, separated by spaces, in as many payloads as it takes; one empty payload for no hint at all.
    static func payloads(_ hints: [OutboxHint]) -> [String] {
        var payloads = [""]
        for hint in hints {
            let word = "\(hint.shard):\(hint.tenant.rawValue):\(hint.seq)"
            let last = payloads.count - 1
            if payloads[last].utf8.count + word.utf8.count + 1 > longestPayload {
                payloads.append(word)
            } else {
                payloads[last] += payloads[last].isEmpty ? word : " " + word
            }
        }
        return payloads
    }

    /// What a payload says; words that are no hint are left out.
    public static func all(in payload: String) -> [OutboxHint] {
        payload.utf8.prefix(8_000).split(separator: UInt8(ascii: " ")).compactMap { word in
            let parts = word.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            guard parts.count == 3, let shard = Int16(Substring(parts[0])), let tenant = Int32(Substring(parts[1])),
                let seq = Int64(Substring(parts[2])), shard >= 0, seq > 0
            else { return nil }
            return OutboxHint(shard: shard, tenant: TenantID(tenant), seq: seq)
        }
    }
}
