import Postgres

enum AdministrationSQL {
    static let all = [
        setting, makePartitions, insertTenant, insertJurisdiction, deleteTenant, retireServices, putService, insertKey, keys, revokeKey,
    ]

    static let setting = Statement("administration_setting", "select set_config($1, $2, true)")

    static let alterRole = """
        do $$ begin
            execute format('alter role %I login password %L', current_setting('bus311.role'), current_setting('bus311.password'));
        end $$
        """

    static let makePartitions = Statement("administration_partitions", "select bus311_make_partitions(3)")

    static let insertTenant = Statement(
        "administration_insert_tenant",
        """
        insert into tenants (key, name, language, time_zone, shard, virtual_host, contact, key_service, keeps_undeclared_attributes,
                             sends_personal_data)
        values ($1::text, $2::text, $3::text, $4::text, $5::smallint, $6::text, $7::text, $8::text, $9::boolean, $10::boolean)
        returning id
        """)

    static let insertJurisdiction = Statement(
        "administration_insert_jurisdiction",
        "insert into jurisdictions (jurisdiction_id, tenant_id, position) values ($1::text, $2::integer, $3::smallint)")

    static let deleteTenant = Statement("administration_delete_tenant", "delete from tenants where key = $1::text")

    static let retireServices = Statement(
        "administration_retire_services",
        """
        update services set active = false, changed_at = now()
        where tenant_id = $1::integer and active and code <> all ($2::text[])
        """)

    /// An unchanged service keeps its moment of change, so that the changeset stays.
    static let putService = Statement(
        "administration_put_service",
        """
        insert into services (tenant_id, code, position, kind, names, summaries, groups, keywords, attributes)
        values ($1::integer, $2::text, $3::integer, $4::text, $5::jsonb, $6::jsonb, $7::jsonb, $8::text[], $9::jsonb)
        on conflict (tenant_id, code) do update
        set position = excluded.position, kind = excluded.kind, names = excluded.names, summaries = excluded.summaries,
            groups = excluded.groups, keywords = excluded.keywords, attributes = excluded.attributes, active = true, changed_at = now()
        where (services.position, services.kind, services.names, services.summaries, services.groups, services.keywords,
               services.attributes, services.active)
            is distinct from (excluded.position, excluded.kind, excluded.names, excluded.summaries, excluded.groups, excluded.keywords,
               excluded.attributes, true)
        """)

    static let insertKey = Statement(
        "administration_insert_key",
        """
        insert into access_keys (public_id, kind, tenant_id, label, secret_hash, expires_at)
        values ($1::text, $2::text, $3::integer, $4::text, $5::bytea, $6::timestamptz)
        """)

    static let keys = Statement(
        "administration_keys",
        """
        select public_id, kind, tenant_id, label, secret_hash, created_at, expires_at, revoked_at
        from access_keys where tenant_id = $1::integer and kind = $2::text order by created_at, public_id
        """)

    static let revokeKey = Statement(
        "administration_revoke_key",
        "update access_keys set revoked_at = now() where public_id = $1::text and tenant_id = $2::integer and revoked_at is null")
}
