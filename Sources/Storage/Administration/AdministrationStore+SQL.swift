import Postgres

enum AdministrationSQL {
    static let all = [
        setting, makePartitions, insertTenant, insertJurisdiction, deleteTenant, setPolicies, retireServices, putService,
        services,
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
                             sends_personal_data, fallback_languages)
        values ($1::text, $2::text, $3::text, $4::text, $5::smallint, $6::text, $7::text, $8::text, $9::boolean, $10::boolean,
                $11::text[])
        returning id
        """)

    static let insertJurisdiction = Statement(
        "administration_insert_jurisdiction",
        "insert into jurisdictions (jurisdiction_id, tenant_id, position) values ($1::text, $2::integer, $3::smallint)")

    static let setPolicies = Statement(
        "administration_set_policies",
        """
        update tenants
        set keeps_undeclared_attributes = $2::boolean, sends_personal_data = $3::boolean, defers_identifiers = $4::boolean,
            boundary = $5::jsonb
        where id = $1::integer
        """)

    static let deleteTenant = Statement("administration_delete_tenant", "delete from tenants where key = $1::text")

    static let services = Statement(
        "administration_services",
        """
        select tenant_id, code, kind, names, summaries, groups, keywords, attributes
        from services where tenant_id = $1::integer and active order by position, code
        """)

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
}
