import Postgres

enum AccessKeySQL {
    static let all = [insert, list, revoke, shorten, use]

    static let insert = Statement(
        "access_keys_insert",
        """
        insert into access_keys (public_id, kind, tenant_id, label, secret_hash, expires_at, scopes)
        values ($1::text, $2::text, $3::integer, $4::text, $5::bytea, $6::timestamptz, $7::text[])
        """)

    static let list = Statement(
        "access_keys_list",
        """
        select k.public_id, k.kind, k.tenant_id, k.label, k.secret_hash, k.created_at, k.expires_at, k.revoked_at, k.scopes,
               u.last_used_at
        from access_keys k left join access_key_uses u using (public_id)
        where k.tenant_id = $1::integer and k.kind = $2::text order by k.created_at, k.public_id
        """)

    static let revoke = Statement(
        "access_keys_revoke",
        "update access_keys set revoked_at = now() where public_id = $1::text and tenant_id = $2::integer and revoked_at is null")

    /// Never lengthens: a key that ends sooner keeps its end.
    static let shorten = Statement(
        "access_keys_shorten",
        """
        update access_keys set expires_at = least(expires_at, $3::timestamptz)
        where public_id = $1::text and tenant_id = $2::integer and revoked_at is null and (expires_at is null or expires_at > now())
        returning kind, label, scopes
        """)

    /// A key that was deleted meanwhile is left out.
    static let use = Statement(
        "access_keys_use",
        """
        insert into access_key_uses (public_id, last_used_at)
        select given.public_id, given.used_at
        from unnest($1::text[], $2::timestamptz[]) as given (public_id, used_at) join access_keys using (public_id)
        on conflict (public_id) do update set last_used_at = greatest(access_key_uses.last_used_at, excluded.last_used_at)
        """)
}
