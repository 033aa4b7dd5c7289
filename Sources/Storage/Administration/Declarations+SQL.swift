import Postgres

enum DeclarationSQL {
    static let all = [update, clearJurisdictions, clearContacts, addContact, contacts, tombstone]

    static let update = Statement(
        "declaration_update",
        """
        update tenants
        set name = $2::text, language = $3::text, time_zone = $4::text, contact = $5::text, key_service = $6::text,
            fallback_languages = $7::text[], arrangement = $8::jsonb
        where id = $1::integer
        """)

    static let clearJurisdictions = Statement(
        "declaration_clear_jurisdictions", "delete from jurisdictions where tenant_id = $1::integer")

    static let clearContacts = Statement("declaration_clear_contacts", "delete from tenant_contacts where tenant_id = $1::integer")

    static let addContact = Statement(
        "declaration_add_contact",
        "insert into tenant_contacts (tenant_id, role, name, email) values ($1::integer, $2::text, $3::text, $4::text)")

    static let contacts = Statement(
        "declaration_contacts", "select role, name, email from tenant_contacts where tenant_id = $1::integer")

    static let tombstone = Statement("declaration_tombstone", "select closed_at from tenant_tombstones where key = $1::text")
}
