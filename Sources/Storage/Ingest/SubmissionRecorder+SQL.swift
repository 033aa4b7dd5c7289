import Postgres

enum IngestSQL {
    /// The same insert for groups without client references and for groups with some: there, only the winner of a reference is
    /// stored.
    struct Insert {
        let plain: Statement
        let referenced: Statement

        init(_ name: String, _ sql: String, request: String, returning: String? = nil) {
            let end = returning.map { "\nreturning \($0)" } ?? ""
            plain = Statement(name, sql + end)
            referenced = Statement(
                name + "_referenced",
                sql + """

                    where reference is null or exists (
                        select from client_references r
                        where r.tenant_id = given.tenant_id and r.key = given.reference and r.request_id = given.\(request))
                    """ + end)
        }
    }

    static let all = [
        numbers, requests.plain, requests.referenced, reporters.plain, reporters.referenced, events.plain, events.referenced, references,
        recorded, notify, hint,
    ]

    /// Each number opens a block of 64.
    static let numbers = Statement("ingest_numbers", "select nextval('service_request_number') from generate_series(1, $1::integer)")

    static let requests = Insert(
        "ingest_requests",
        """
        insert into service_requests (id, tenant_id, service_code, service_name, description, requested_at, updated_at, lat, long,
                                      address, address_id, zipcode, media_urls, answers, received_via, language,
                                      title, service_object_type, service_object_id, token, listed, trace_id, catalogue_version)
        select id, tenant_id, service_code, service_name, description, requested_at, requested_at, lat, long, address, address_id,
               zipcode, coalesce(string_to_array(media, ' '), '{}'), answers, received_via, language,
               more ->> 'title', more ->> 'object_type', more ->> 'object_id', more ->> 'token',
               coalesce((more -> 'listed')::boolean, true), trace_id, nullif(catalogue, 0)
        from unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::double precision[],
                    $8::double precision[], $9::text[], $10::text[], $11::text[], $12::text[], $13::jsonb[], $14::text[], $15::text[],
                    $16::text[], $17::jsonb[], $18::bytea[], $19::integer[])
            as given (id, tenant_id, service_code, service_name, description, requested_at, lat, long, address, address_id, zipcode,
                      media, answers, received_via, language, reference, more, trace_id, catalogue)
        """, request: "id")

    static let reporters = Insert(
        "ingest_reporters",
        """
        insert into reporters (request_id, tenant_id, first_name, last_name, email, phone, account_id, device_id, organisation,
                               siret)
        select request_id, tenant_id, first_name, last_name, email, phone, account_id, device_id, organisation, siret
        from unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                    $10::text[], $11::text[])
            as given (request_id, tenant_id, first_name, last_name, email, phone, account_id, device_id, reference, organisation, siret)
        """, request: "request_id")

    static let events = Insert(
        "ingest_events",
        """
        insert into outbox (event_id, tenant_id, shard, request_id, request_sequence, type, body, created_at, traceparent)
        select event_id, tenant_id, shard, request_id, 1, type, body, created_at, traceparent
        from unnest($1::uuid[], $2::integer[], $3::smallint[], $4::bigint[], $5::text[], $6::bytea[], $7::timestamptz[], $8::text[],
                    $9::text[])
            as given (event_id, tenant_id, shard, request_id, type, body, created_at, reference, traceparent)
        """, request: "request_id", returning: "shard, tenant_id, seq")

    /// First of its transaction: who wins here is who is stored.
    static let references = Statement(
        "ingest_references",
        """
        insert into client_references (tenant_id, key, fingerprint, request_id, token)
        select tenant_id, key, fingerprint, request_id, token
        from unnest($1::integer[], $2::text[], $3::bytea[], $4::bigint[], $5::text[])
            as given (tenant_id, key, fingerprint, request_id, token)
        order by tenant_id, key
        on conflict (tenant_id, key) do nothing
        """)

    static let recorded = Statement(
        "ingest_recorded",
        """
        select r.tenant_id, r.key, r.fingerprint, r.request_id, r.token
        from unnest($1::integer[], $2::text[]) as given (tenant_id, key)
        join client_references r on r.tenant_id = given.tenant_id and r.key = given.key
        """)

    static let notify = Statement("ingest_notify", "select pg_notify('bus311_outbox', '')")

    static let hint = Statement("ingest_hint", "select pg_notify('bus311_outbox', payload) from unnest($1::text[]) payload")
}
