import Postgres

enum StatusSQL {
    static let all = [lock, known, record, change]

    static let lock = Statement(
        "status_lock",
        """
        select status, status_occurred_at, requested_at, updated_at, erased_at is not null, trace_id from service_requests
        where tenant_id = $1::integer and id = $2::bigint for update
        """)

    static let known = Statement(
        "status_known",
        "select fingerprint from status_updates where tenant_id = $1::integer and request_id = $2::bigint and update_id = $3::text")

    static let record = Statement(
        "status_record",
        """
        insert into status_updates (request_id, update_id, tenant_id, fingerprint, occurred_at, applied, status, status_notes,
                                    external_reference)
        values ($1::bigint, $2::text, $3::integer, $4::bytea, $5::timestamptz, $6::boolean, $7::text, $8::text, $9::text)
        """)

    /// What an update does not mention stays. The CRM's first word resolves a token; what is hidden stays so until it is restored.
    static let change = Statement(
        "status_change",
        """
        update service_requests
        set status = $3::text, open = $4::boolean, status_notes = coalesce($5::text, status_notes),
            agency_responsible = coalesce($6::text, agency_responsible), expected_at = coalesce($7::timestamptz, expected_at),
            service_notice = coalesce($8::text, service_notice), external_reference = coalesce($9::text, external_reference),
            status_occurred_at = $10::timestamptz, updated_at = $11::timestamptz,
            listed = hidden_listed is null and (listed or token is not null), 
            hidden_listed = case when hidden_listed is not null then hidden_listed or token is not null end
        where tenant_id = $1::integer and id = $2::bigint
        """)
}
