import Open311
import Postgres

enum RequestSQL {
    static let all = [tenant, find, named, parents, list, token, history, reporters] + SearchSQL.all

    /// Makes the tenant's rows visible for the rest of the transaction (row-level security) and says whether statements are
    /// planned for their parameters; travels with the query.
    static let tenant = Statement(
        "requests_tenant", "select set_config('bus311.tenant', $1, true), set_config('plan_cache_mode', $2, true)")

    static func tenant(_ id: TenantID, plansForParameters: Bool = false) -> (statement: Statement, parameters: [Parameter]) {
        (tenant, [.text(String(id.rawValue)), .text(plansForParameters ? "force_custom_plan" : "force_generic_plan")])
    }

    static let columns = """
        id, status, status_notes, service_code, service_name, description, agency_responsible, service_notice, requested_at, updated_at,
        expected_at, lat, long, address, address_id, zipcode, media_urls, answers, title, service_object_type, service_object_id, given_id,
        merged_into
        """

    static let find = Statement(
        "requests_find", "select \(columns) from service_requests where tenant_id = $1::integer and id = any($2::bigint[]) and listed")

    /// Requests by the ids that their CRM gave.
    static let named = Statement(
        "requests_named",
        "select request_id from request_names where tenant_id = $1::integer and kind = 'given' and name = any($2::text[])")

    /// What duplicates show of the requests that they were merged into; what is hidden shows nothing.
    static let parents = Statement(
        "requests_parents",
        """
        select id, given_id, status, status_notes, greatest(updated_at, requested_at) from service_requests
        where tenant_id = $1::integer and id = any($2::bigint[]) and listed
        """)

    /// The list that nearly everybody asks for: newest first, by window, service and status. Planned once; a page begins after
    /// a request, or at the top with the greatest of both. The id's month keeps older partitions out.
    static let list = Statement(
        "requests_list",
        """
        select \(columns) from service_requests
        where tenant_id = $1::integer and id >= $2::bigint and requested_at >= $3::timestamptz and requested_at <= $4::timestamptz
          and (requested_at, id) < ($5::timestamptz, $6::bigint) and listed
          and ($7::text[] is null or service_code = any($7)) and ($8::boolean is null or open = $8)
        order by requested_at desc, id desc limit $9::integer offset $10::integer
        """)

    static let token = Statement(
        "requests_token", "select id, listed, given_id from service_requests where tenant_id = $1::integer and token = $2::text")

    /// What CRMs said of these requests, oldest first; of each the last hundred, for an answer stays bounded whatever a CRM sends.
    static let history = Statement(
        "requests_history",
        """
        select request_id, occurred_at, status, status_notes
        from (
            select request_id, occurred_at, status, status_notes, source_sequence, received_at, update_id, row_number() over (
                partition by request_id
                order by occurred_at desc, source_sequence desc nulls last, received_at desc, update_id desc) as back
            from status_updates
            where tenant_id = $1::integer and request_id = any($2::bigint[]) and applied and is_public
        ) said
        where back <= 100
        order by request_id, occurred_at, source_sequence nulls first, received_at, update_id
        """)

    static let reporters = Statement(
        "requests_reporters",
        """
        select request_id, first_name, last_name, email, phone, account_id, device_id, organisation, siret
        from bus311_reporters($1::bigint[])
        """)
}
