import Postgres

enum LifecycleViewSQL {
    static let all = [request, references, updates]

    /// By number, or by token.
    static let request = Statement(
        "lifecycle_request",
        """
        select id, given_id, token, listed or coalesce(hidden_listed, false), service_code, status, status_notes, agency_responsible,
               expected_at, service_notice, merged_into, requested_at, updated_at, acknowledged_at, sequence, status_version,
               hidden_listed is not null, erased_at is not null, catalogue_version
        from service_requests
        where tenant_id = $1::integer and ($2::bigint is null or id = $2) and ($3::text is null or token = $3)
          and ($2 is not null or $3 is not null)
        """)

    static let references = Statement(
        "lifecycle_references",
        "select name from request_names where tenant_id = $1::integer and request_id = $2::bigint and kind = 'reference' order by name")

    /// What was received, in the order of the history: from the beginning, or behind an update.
    static let updates = Statement(
        "lifecycle_updates",
        """
        select update_id, occurred_at, received_at, applied, status, status_code, status_notes, internal_notes, agency_responsible,
               expected_at, service_notice, external_reference, merged_into, source_sequence, is_acknowledgement, door, outcome, receipt_id
        from status_updates
        where tenant_id = $1::integer and request_id = $2::bigint and ($3::text is null or update_id = $3)
          and ($4::text is null or (occurred_at, coalesce(source_sequence, -1), received_at, update_id) > (
              select occurred_at, coalesce(source_sequence, -1), received_at, update_id from status_updates
              where tenant_id = $1::integer and request_id = $2::bigint and update_id = $4))
        order by occurred_at, source_sequence nulls first, received_at, update_id limit $5::integer
        """)
}
