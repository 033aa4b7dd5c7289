import Postgres

enum CredentialSQL {
    static let all = [issued, forgotten, seen, watched, list, watch]

    static let issued = Statement(
        "credential_issued",
        """
        insert into broker_credentials (tenant_id, slot, issued_at) values ($1::integer, $2::text, now())
        on conflict (tenant_id, slot) do update set issued_at = now(), last_seen_at = null
        """)

    static let forgotten = Statement(
        "credential_forgotten", "delete from broker_credentials where tenant_id = $1::integer and slot = $2::text")

    /// Tenants that are gone meanwhile are left out.
    static let seen = Statement(
        "credential_seen",
        """
        insert into broker_credentials (tenant_id, slot, last_seen_at)
        select distinct t.id, given.slot, now() from unnest($1::text[], $2::text[]) as given (key, slot) join tenants t on t.key = given.key
        on conflict (tenant_id, slot) do update set last_seen_at = now()
        """)

    /// A gap of more than a few rounds begins the time anew.
    static let watched = Statement(
        "credential_watched",
        """
        insert into broker_watch (since, at) values (now(), now())
        on conflict (is_only) do update
        set since = case when broker_watch.at < now() - interval '5 minutes' then now() else broker_watch.since end, at = now()
        """)

    static let list = Statement(
        "credential_list", "select slot, issued_at, last_seen_at from broker_credentials where tenant_id = $1::integer order by slot")

    static let watch = Statement("credential_watch", "select since from broker_watch where at > now() - interval '5 minutes'")
}
