import Open311
import Postgres

enum ReferenceSQL {
    static let all = [lock, put, publish, rollBack, publishDue, list, find, live, notable, requestService, nextDue, forget]

    private static let columns = """
        kind, number, state, author, note, base, created_at, publish_at, published_at, superseded_at, hash, size
        """

    /// Whoever changes a tenant's reference data and its record in one transaction takes this first: the functions take it too.
    static let lock = Statement("reference_lock", "select pg_advisory_xact_lock(3113, $1::integer)")

    static let put = Statement(
        "reference_put",
        """
        select outcome, version from bus311_put_reference(
            $1::text, $2::text, $3::text, $4::bytea, $5::jsonb, $6::integer, $7::timestamptz, $8::integer)
        """)

    static let publish = Statement(
        "reference_publish",
        "select outcome, version from bus311_publish_reference($1::text, $2::integer, $3::timestamptz, $4::integer)")

    static let rollBack = Statement(
        "reference_roll_back",
        "select outcome, version from bus311_roll_back_reference($1::text, $2::integer, $3::text, $4::text, $5::integer)")

    static let publishDue = Statement(
        "reference_publish_due", "select tenant, of_kind, version from bus311_publish_due_references($1::integer)")

    /// Newest first, below a number.
    static let list = Statement(
        "reference_list",
        """
        select \(columns) from reference_documents
        where tenant_id = $1::integer and kind = $2::text and number < $3::integer order by number desc limit $4::integer
        """)

    static let find = Statement(
        "reference_find",
        "select \(columns), body from reference_documents where tenant_id = $1::integer and kind = $2::text and number = $3::integer")

    static let live = Statement(
        "reference_live",
        """
        select \(columns), body from reference_documents
        where tenant_id = $1::integer and kind = $2::text and state = 'published'
        """)

    /// What is live and what is scheduled, the next first.
    static let notable = Statement(
        "reference_notable",
        """
        select \(columns) from reference_documents
        where tenant_id = $1::integer and kind = $2::text and state in ('published', 'scheduled')
        order by publish_at nulls first, number limit 101
        """)

    /// The service of a request as its catalogue had it when the request was made.
    static let requestService = Statement(
        "reference_request_service",
        """
        select r.service_code, r.catalogue_version,
               (select s from reference_documents d, jsonb_array_elements(d.body) s
                where d.tenant_id = $3::integer and d.kind = 'catalogue' and d.number = r.catalogue_version
                  and s ->> 'service_code' = r.service_code)
        from service_requests r where r.id = $1::bigint and r.tenant_id = $2::integer
        """)

    /// Of all tenants.
    static let forget = Statement("reference_forget", "select bus311_forget_references()")

    static let nextDue = Statement(
        "reference_next_due", "select min(publish_at) from reference_documents where state = 'scheduled'")
}
