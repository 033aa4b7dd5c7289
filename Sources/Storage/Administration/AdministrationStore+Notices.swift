import Open311
import Postgres

enum NoticeSQL {
    static let all = [send]

    static let send = Statement(
        "notice_send",
        """
        insert into outbox (event_id, tenant_id, shard, request_sequence, type, body)
        values ($1::uuid, $2::integer, $3::smallint, 0, $4::text, $5::bytea)
        """)

    static func steps(_ notice: OperatorNotice, to tenant: Tenant) -> [(statement: Statement, parameters: [Parameter])] {
        [
            (
                send,
                [
                    .uuid(high: notice.id.high, low: notice.id.low), .int32(tenant.id.rawValue), .int16(tenant.shard),
                    .text(notice.kind.rawValue), .bytes(notice.body),
                ]
            ), (IngestSQL.notify, []),
        ]
    }
}

extension AdministrationStore {
    /// Puts a notice into the tenant's outbox; the relay publishes it like any event.
    public func send(_ notice: OperatorNotice, to tenant: Tenant) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in _ = try session.pipeline(NoticeSQL.steps(notice, to: tenant)) }
    }
}
