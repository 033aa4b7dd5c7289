import Postgres

enum RefusedUpdateSQL {
    static let all = [keep, count, read]

    static let keep = Statement(
        "refused_updates_keep",
        """
        select bus311_keep_refusals($1::text, $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::uuid[])
        """)

    /// For the tenant that the transaction names.
    static let count = Statement("refused_updates_count", "select bus311_count_refusals($1::integer)")

    /// The newest first: of one request, of all, or one of an id; those before a number. What was accepted under the same id later is marked.
    static let read = Statement(
        "refused_updates_read",
        """
        select r.request_id, r.update_id, r.received_at, r.door, r.code, r.title, r.detail, r.errors, r.receipt_id, r.times, r.number,
               exists (select from status_updates s
                       where s.request_id = r.request_id and s.update_id = r.update_id and s.tenant_id = r.tenant_id
                         and s.received_at > r.received_at)
        from refused_updates r
        where r.tenant_id = $1::integer and ($2::bigint is null or r.request_id = $2) and ($3::text is null or r.update_id = $3)
          and r.number < $4::bigint
        order by r.number desc limit $5::integer
        """)
}
