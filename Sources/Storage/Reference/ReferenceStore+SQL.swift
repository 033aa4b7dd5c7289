import Open311
import Postgres

enum ReferenceSQL {
    static let all = [lock, put, publish, rollBack, publishDue, list, find, live, nextDue]

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

    /// Of all tenants.
    static let nextDue = Statement(
        "reference_next_due", "select min(publish_at) from reference_documents where state = 'scheduled'")
}
