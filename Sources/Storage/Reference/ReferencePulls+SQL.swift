import Postgres

enum ReferencePullSQL {
    static let all = [set, remove, list, hurry, take, settle]

    private static let columns = """
        p.tenant_id, p.kind, p.url, p.allows_http, p.every_seconds, p.set_by, p.next_at, p.etag, p.last_modified, p.failures, p.last_at,
        p.last_outcome, p.last_detail, p.last_version
        """

    /// A new address has no validators yet.
    static let set = Statement(
        "reference_pull_set",
        """
        insert into reference_pulls (tenant_id, kind, url, allows_http, every_seconds, set_by)
        values ($1::integer, $2::text, $3::text, $4::boolean, $5::integer, $6::text)
        on conflict (tenant_id, kind) do update
        set url = excluded.url, allows_http = excluded.allows_http, every_seconds = excluded.every_seconds, set_by = excluded.set_by,
            set_at = now(), next_at = now(), failures = 0,
            etag = case when reference_pulls.url = excluded.url then reference_pulls.etag end,
            last_modified = case when reference_pulls.url = excluded.url then reference_pulls.last_modified end
        """)

    static let remove = Statement(
        "reference_pull_remove", "delete from reference_pulls where tenant_id = $1::integer and kind = $2::text")

    static let list = Statement(
        "reference_pull_list",
        "select \(columns) from reference_pulls p where p.tenant_id = $1::integer order by p.kind")

    /// Not before somebody else who is at it has ended.
    static let hurry = Statement(
        "reference_pull_hurry",
        """
        update reference_pulls p set taken_until = now() + $3::integer * interval '1 second'
        where p.tenant_id = $1::integer and p.kind = $2::text and (p.taken_until is null or p.taken_until < now())
        returning \(columns)
        """)

    static let take = Statement(
        "reference_pull_take",
        """
        update reference_pulls p set taken_until = now() + $1::integer * interval '1 second'
        where (p.tenant_id, p.kind) = (
            select q.tenant_id, q.kind from reference_pulls q
            where q.next_at <= now() and (q.taken_until is null or q.taken_until < now())
            order by q.next_at limit 1 for update skip locked)
        returning \(columns)
        """)

    /// Not when another address was set meanwhile.
    static let settle = Statement(
        "reference_pull_settle",
        """
        update reference_pulls
        set taken_until = null, next_at = now() + $4::integer * interval '1 second', failures = $5::integer, last_at = now(),
            last_outcome = $6::text, last_detail = $7::text, last_version = coalesce($8::integer, last_version),
            etag = nullif($9::text, ''), last_modified = nullif($10::text, '')
        where tenant_id = $1::integer and kind = $2::text and url is not distinct from $3::text
        """)
}
