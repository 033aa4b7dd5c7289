import Postgres

enum DirectorySQL {
    static let all = [tenants, tenant, jurisdictions, services, accessKeys]

    private static let columns = """
        id, key, name, language, time_zone, shard, virtual_host, contact, key_service, keeps_undeclared_attributes,
        sends_personal_data, created_at, fallback_languages, boundary, defers_identifiers, photo_policy, contract_version,
        contract_sunset, arrangement, status_mapping, token_minutes::bigint
        """

    static let tenants = Statement("directory_tenants", "select \(columns) from tenants order by key")

    static let tenant = Statement("directory_tenant", "select \(columns) from tenants where id = $1::integer")

    static let jurisdictions = Statement(
        "directory_jurisdictions", "select tenant_id, jurisdiction_id from jurisdictions order by tenant_id, position")

    static let services = Statement(
        "directory_services",
        """
        select s.tenant_id, s.code, s.kind, s.names, s.summaries, s.groups, s.keywords, s.attributes, s.changed_at, s.active,
               t.catalogue_version
        from services s join tenants t on t.id = s.tenant_id order by s.tenant_id, s.position, s.code
        """)

    static let accessKeys = Statement(
        "directory_access_keys",
        """
        select public_id, kind, tenant_id, label, secret_hash, created_at, expires_at, revoked_at, scopes
        from access_keys where revoked_at is null
        """)
}
