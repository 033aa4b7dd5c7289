import Postgres

enum StatusSQL {
    static let all = [names, lock, known, history, parents, record, keepNames, void, change]

    /// What CRMs call requests, and the requests.
    static let names = Statement(
        "status_names",
        """
        select n.kind, n.name, n.request_id
        from unnest($2::text[], $3::text[]) as given (kind, name)
        join request_names n on n.tenant_id = $1::integer and n.kind = given.kind and n.name = given.name
        """)

    /// In the order of their ids, so that two processes do not wait for each other.
    static let lock = Statement(
        "status_lock",
        """
        select id, status, status_notes, agency_responsible, expected_at, service_notice, external_reference, merged_into,
               status_occurred_at, status_sequence, updated_at, erased_at is not null, sequence, status_version, acknowledged_at, trace_id,
               requested_at, moved_by, token is not null and not listed and hidden_listed is not true, progress_at
        from service_requests
        where tenant_id = $1::integer and id = any($2::bigint[]) order by id for update
        """)

    static let known = Statement(
        "status_known",
        """
        select s.request_id, s.update_id, s.fingerprint, s.receipt_id
        from unnest($2::bigint[], $3::text[]) as given (request, name)
        join status_updates s on s.request_id = given.request and s.update_id = given.name and s.tenant_id = $1::integer
        """)

    static let history = Statement(
        "status_history",
        """
        select request_id, update_id, occurred_at, source_sequence, received_at, applied, status, status_notes, agency_responsible,
               expected_at, service_notice, external_reference, merged_into, door is null
        from status_updates where tenant_id = $1::integer and request_id = any($2::bigint[])
        """)

    /// What these were merged into, and where that leads.
    static let parents = Statement(
        "status_parents",
        """
        with recursive above (id, parent) as (
            select id, merged_into from service_requests
            where tenant_id = $1::integer and id = any($2::bigint[]) and merged_into is not null
            union
            select r.id, r.merged_into from above a join service_requests r on r.id = a.parent and r.tenant_id = $1::integer
            where r.merged_into is not null
        )
        select id, parent from above
        """)

    static let record = Statement(
        "status_record",
        """
        insert into status_updates (
            tenant_id, request_id, update_id, fingerprint, occurred_at, received_at, applied, status, status_notes, external_reference,
            status_code, internal_notes, agency_responsible, expected_at, service_notice, merged_into, source_sequence,
            is_acknowledgement, is_public, outcome, receipt_id, door)
        select $1::integer, request_id, update_id, fingerprint, occurred_at, received_at, applied, status, status_notes,
               external_reference, status_code, internal_notes, agency_responsible, expected_at, service_notice,
               nullif(merged_into, 0), nullif(source_sequence, -1), is_acknowledgement, is_public, outcome, receipt_id, $21::text
        from unnest($2::bigint[], $3::text[], $4::bytea[], $5::timestamptz[], $6::timestamptz[], $7::boolean[], $8::text[], $9::text[],
                    $10::text[], $11::text[], $12::text[], $13::text[], $14::timestamptz[], $15::text[], $16::bigint[], $17::bigint[],
                    $18::boolean[], $19::boolean[], $20::text[], $22::uuid[])
            as given (request_id, update_id, fingerprint, occurred_at, received_at, applied, status, status_notes, external_reference,
                      status_code, internal_notes, agency_responsible, expected_at, service_notice, merged_into, source_sequence,
                      is_acknowledgement, is_public, outcome, receipt_id)
        """)

    /// Nothing is returned for a name that somebody else took a moment ago.
    static let keepNames = Statement(
        "status_keep_names",
        """
        insert into request_names (tenant_id, kind, name, request_id)
        select $1::integer, kind, name, request_id
        from unnest($2::text[], $3::text[], $4::bigint[]) as given (kind, name, request_id) order by kind, name
        on conflict (tenant_id, kind, name) do nothing returning name
        """)

    /// Which earlier updates count, now that an older one has come.
    static let void = Statement(
        "status_void",
        """
        update status_updates s set applied = given.applied
        from unnest($2::bigint[], $3::text[], $4::boolean[]) as given (request_id, update_id, applied)
        where s.tenant_id = $1::integer and s.request_id = given.request_id and s.update_id = given.update_id
        """)

    /// The CRM's first word resolves a token; what is hidden stays so until it is restored.
    static let change = Statement(
        "status_change",
        """
        update service_requests r
        set status = given.status, open = given.open, status_notes = given.status_notes, agency_responsible = given.agency_responsible,
            expected_at = given.expected_at, service_notice = given.service_notice, external_reference = given.external_reference,
            merged_into = nullif(given.merged_into, 0), status_occurred_at = given.occurred_at,
            status_sequence = nullif(given.source_sequence, -1), updated_at = given.updated_at,
            status_version = given.version, acknowledged_at = given.acknowledged_at, moved_by = given.moved_by,
            progress_at = given.progress_at,
            listed = r.hidden_listed is null and (r.listed or r.token is not null),
            hidden_listed = case when r.hidden_listed is not null then r.hidden_listed or r.token is not null end
        from unnest($2::bigint[], $3::text[], $4::boolean[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::text[],
                    $10::bigint[], $11::timestamptz[], $12::bigint[], $13::timestamptz[], $14::timestamptz[], $15::integer[], $16::text[],
                    $17::timestamptz[])
            as given (id, status, open, status_notes, agency_responsible, expected_at, service_notice, external_reference, merged_into,
                      occurred_at, source_sequence, updated_at, acknowledged_at, version, moved_by, progress_at)
        where r.tenant_id = $1::integer and r.id = given.id
        """)
}
