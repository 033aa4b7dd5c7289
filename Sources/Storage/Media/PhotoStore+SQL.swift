import Postgres

enum PhotoSQL {
    static let all =
        [insert.plain, insert.referenced, published, redact, take, settle, again, putBack, unknownOriginals, unknownCopies, files]
        + CopyLock.all

    static let insert = IngestSQL.Insert(
        "ingest_photos",
        """
        insert into photos (request_id, tenant_id, position, token, original_type, original_bytes, original_sha256, lat, long, taken_at,
                            orientation)
        select request_id, tenant_id, position, token, type, bytes, sha256, lat, long, taken_at, nullif(orientation, 0)
        from unnest($1::bigint[], $2::integer[], $3::smallint[], $4::text[], $5::text[], $6::integer[], $7::bytea[],
                    $8::double precision[], $9::double precision[], $10::text[], $11::text[], $12::smallint[])
            as given (request_id, tenant_id, position, token, type, bytes, sha256, lat, long, taken_at, reference, orientation)
        """, request: "request_id")

    static let published = Statement("photos_published", "select * from bus311_photos($1::text[])")

    static let redact = Statement("photos_redact", "select bus311_redact_photo($1::text, $2::jsonb)")

    /// The lease is the next attempt's moment: a cleaner that dies gives its photo back by dying.
    static let take = Statement(
        "photos_take",
        """
        with taken as (
            update photos set attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $1::integer)
            where id = (select id from photos where state in ('received', 'redacting') and (next_attempt_at is null or next_attempt_at <= now())
                        order by id limit 1 for update skip locked)
            returning *
        )
        select p.id, p.request_id, t.key, t.shard,
               (select j.jurisdiction_id from jurisdictions j where j.tenant_id = t.id order by j.position limit 1),
               p.token, p.original_type, p.lat, p.long, p.taken_at, (p.attempts - 1)::smallint, r.sequence,
               p.redactions, p.public_sha256, p.small_sha256, p.state = 'redacting', p.orientation, t.photo_policy,
               coalesce(p.original_name, p.token)
        from taken p join tenants t on t.id = abs(p.tenant_id) join service_requests r on r.id = p.request_id
        """)

    static let settle = Statement(
        "photos_settle",
        """
        select bus311_settle_photo($1::bigint, $2::integer, $3::text, $4::text, $5::bytea, $6::integer, $7::integer, $8::integer,
                                   $9::bytea, $10::integer, $11::uuid, $12::smallint, $13::text, $14::bytea)
        """)

    /// Lost a race against another event of the request: that is no attempt.
    static let again = Statement(
        "photos_again",
        "update photos set next_attempt_at = null, attempts = attempts - 1 where id = $1::bigint and state in ('received', 'redacting')")

    static let putBack = Statement(
        "photos_put_back",
        """
        update photos set next_attempt_at = now() + interval '30 seconds', attempts = attempts - 1
        where id = $1::bigint and state in ('received', 'redacting')
        """)

    static let unknownOriginals = Statement(
        "photos_unknown_originals",
        """
        select name from unnest($1::text[]) as given (name)
        where not exists (select from photos p where p.token = given.name and p.original_name is null and p.state = 'received')
          and not exists (select from photos p where p.original_name = given.name and p.state = 'received')
        """)

    static let unknownCopies = Statement(
        "photos_unknown_copies",
        """
        select name from unnest($1::text[]) as given (name)
        where not exists (
                select from photos p join tenants t on t.id = p.tenant_id or t.id = -p.tenant_id
                where t.key = $2::text and p.tenant_id in (t.id, -t.id) and p.public_sha256 = decode(given.name, 'hex') and p.state in ('ready', 'redacting'))
          and not exists (
                select from photos p join tenants t on t.id = p.tenant_id or t.id = -p.tenant_id
                where t.key = $2::text and p.tenant_id in (t.id, -t.id) and p.small_sha256 = decode(given.name, 'hex') and p.state in ('ready', 'redacting'))
        """)

    /// What stands in the store, photo by photo: three rows for each at most.
    static let files = Statement(
        "photos_files",
        """
        select p.id, p.request_id, t.key, file.kind, file.name, file.bytes
        from (select * from photos where id > $1::bigint and state in ('received', 'ready', 'redacting') order by id limit $2::integer) p
             join tenants t on t.id = abs(p.tenant_id),
             lateral (select 'original', coalesce(p.original_name, p.token), p.original_bytes where p.state = 'received'
                      union all select 'cleaned', encode(p.public_sha256, 'hex'), p.public_bytes where p.state <> 'received'
                      union all select 'cleaned', encode(p.small_sha256, 'hex'), p.small_bytes where p.state <> 'received')
                 as file (kind, name, bytes)
        order by p.id
        """)

    /// Between adding a copy and having a row point to it, nobody may find that no row points to it. Lives and dies with its session.
    enum CopyLock {
        static let all = [add, endAdding, remove, endRemoving]

        static let add = Statement("photos_copies_add", "select pg_try_advisory_lock_shared(3113, 0)")
        static let endAdding = Statement("photos_copies_end_adding", "select pg_advisory_unlock_shared(3113, 0)")
        static let remove = Statement("photos_copies_remove", "select pg_try_advisory_lock(3113, 0)")
        static let endRemoving = Statement("photos_copies_end_removing", "select pg_advisory_unlock(3113, 0)")
    }
}
