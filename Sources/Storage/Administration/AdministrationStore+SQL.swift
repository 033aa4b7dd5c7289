import Postgres

enum AdministrationSQL {
    static let all = [
        setting, makePartitions, insertTenant, insertJurisdiction, deleteTenant, setPolicies, services,
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
        set keeps_undeclared_attributes = $2::boolean, sends_personal_data = $3::boolean, defers_identifiers = $4::boolean
        where id = $1::integer
        """)

    static let deleteTenant = Statement("administration_delete_tenant", "delete from tenants where key = $1::text")

    static let services = Statement(
        "administration_services",
        """
        select tenant_id, code, kind, names, summaries, groups, keywords, attributes
        from services where tenant_id = $1::integer and active order by position, code
        """)
}
