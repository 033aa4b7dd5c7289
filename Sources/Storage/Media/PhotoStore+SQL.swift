import Postgres

enum PhotoSQL {
    static let all =
        [
            insert.plain, insert.referenced, published, redact, take, takeLink, received, settle, announce, retry, again, putBack,
            unknownOriginals, unknownCopies, files,
        ]
        + CopyLock.all

    static let insert = IngestSQL.Insert(
        "ingest_photos",
        """
        insert into photos (request_id, tenant_id, position, token, original_type, original_bytes, original_sha256, lat, long, taken_at,
                            orientation, expires_at, source_url, state)
        select request_id, tenant_id, position, token, type, bytes, sha256, lat, long, taken_at, nullif(orientation, 0), expires_at, link,
               case when link is null then 'received' else 'linked' end
        from unnest($1::bigint[], $2::integer[], $3::smallint[], $4::text[], $5::text[], $6::integer[], $7::bytea[],
                    $8::double precision[], $9::double precision[], $10::text[], $11::text[], $12::smallint[], $13::timestamptz[],
                    $14::text[])
            as given (request_id, tenant_id, position, token, type, bytes, sha256, lat, long, taken_at, reference, orientation,
                      expires_at, link)
        """, request: "request_id")

    static let published = Statement(
        "photos_published",
        """
        select given.token, p.tenant, p.is_test, p.state, p.expired, p.public_sha256, p.public_bytes, p.small_sha256, p.small_bytes,
               bus311_photo_end(given.token)
        from unnest($1::text[]) as given (token), lateral bus311_photo(given.token) p
        """)

    static let redact = Statement("photos_redact", "select bus311_redact_photo($1::text, $2::jsonb)")

    /// What a ``WaitingPhoto`` is made of, from rows `taken`.
    private static let waiting = """
        select p.id, p.request_id, t.key, t.shard,
               (select j.jurisdiction_id from jurisdictions j where j.tenant_id = t.id order by j.position limit 1),
               p.token, p.lat, p.long, p.taken_at, p.orientation, (p.attempts - 1)::smallint, r.sequence, p.state,
               p.redactions, p.public_sha256, p.small_sha256, p.public_bytes, p.width, p.height, t.photo_policy,
               coalesce(p.original_name, p.token), p.expires_at, p.source_url, p.replaced_token, r.lat, r.long
        from taken p join tenants t on t.id = abs(p.tenant_id) join service_requests r on r.id = p.request_id
        """

    /// The lease is the next attempt's moment: a cleaner that dies gives its photo back by dying. Photos of tenants with a blur
    /// command have a lane of their own.
    static let take = Statement(
        "photos_take",
        """
        with taken as (
            update photos set attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $1::integer)
            where id = (select id from photos
                        where (state in ('received', 'redacting') or not announced) and (next_attempt_at is null or next_attempt_at <= now())
                          and exists (select from tenants t where t.id = abs(photos.tenant_id)
                                      and (t.photo_policy -> 'blur_command' is not null) = $2::boolean)
                        order by id limit 1 for update skip locked)
            returning *
        )
        \(waiting)
        """)

    static let takeLink = Statement(
        "photos_take_link",
        """
        with taken as (
            update photos set attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $1::integer)
            where id = (select id from photos where state = 'linked' and (next_attempt_at is null or next_attempt_at <= now())
                        order by id limit 1 for update skip locked)
            returning *
        )
        \(waiting)
        """)

    /// A link's photo is here.
    static let received = Statement(
        "photos_received",
        """
        update photos set state = 'received', original_type = $2::text, original_bytes = $3::integer, original_sha256 = $4::bytea,
            lat = $5::double precision, long = $6::double precision, taken_at = $7::text, orientation = nullif($8::smallint, 0::smallint),
            received_at = now(), attempts = 0, next_attempt_at = null
        where id = $1::bigint and state = 'linked'
        """)

    static let announce = Statement(
        "photos_announce", "select bus311_announce_photo($1::bigint, $2::integer, $3::uuid, $4::smallint, $5::text, $6::bytea)")

    /// This attempt counts.
    static let retry = Statement(
        "photos_retry", "update photos set next_attempt_at = now() + make_interval(secs => $2::integer) where id = $1::bigint")

    static let settle = Statement(
        "photos_settle",
        """
        select bus311_settle_photo($1::bigint, $2::integer, $3::text, $4::text, $5::bytea, $6::integer, $7::integer, $8::integer,
                                   $9::bytea, $10::integer, $11::uuid, $12::smallint, $13::text, $14::bytea)
        """)

    /// Lost a race against another event of the request: that is no attempt.
    static let again = Statement(
        "photos_again",
        """
        update photos set next_attempt_at = null, attempts = attempts - 1
        where id = $1::bigint and (state in ('linked', 'received', 'redacting') or not announced)
        """)

    static let putBack = Statement(
        "photos_put_back",
        """
        update photos set next_attempt_at = now() + interval '30 seconds', attempts = attempts - 1
        where id = $1::bigint and (state in ('linked', 'received', 'redacting') or not announced)
        """)

    static let unknownOriginals = Statement(
        "photos_unknown_originals",
        """
        select name from unnest($1::text[]) as given (name)
        where not exists (select from photos p where p.token = given.name and p.original_name is null and p.state in ('linked', 'received'))
          and not exists (select from photos p where p.original_name = given.name and p.state in ('linked', 'received'))
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
