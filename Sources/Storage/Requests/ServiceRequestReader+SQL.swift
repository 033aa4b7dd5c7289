import Postgres

enum RequestSQL {
    static let all = [tenant, find, search]

    /// Makes the tenant's rows visible for the rest of the transaction (row-level security); travels with the query.
    static let tenant = Statement("requests_tenant", "select set_config('bus311.tenant', $1, true)")

    private static let columns = """
        id, status, status_notes, service_code, service_name, description, agency_responsible, service_notice, requested_at, updated_at,
        expected_at, lat, long, address, address_id, zipcode, media_urls, answers
        """

    static let find = Statement(
        "requests_find", "select \(columns) from service_requests where tenant_id = $1::integer and id = any($2::bigint[])")

    static let search = Statement(
        "requests_search",
        """
        select \(columns) from service_requests
        where tenant_id = $1::integer and requested_at >= $2::timestamptz and requested_at <= $3::timestamptz
          and ($4::text[] is null or service_code = any($4)) and ($5::boolean is null or open = $5)
        order by requested_at desc, id desc limit $6::integer
        """)
}
