import Postgres

enum CitizenUpdateSQL {
    static let all = [snapshot, record, published]

    static let snapshot = Statement(
        "citizen_updates_snapshot",
        """
        select \(RequestSQL.columns), received_via, language, sequence, catalogue_version from service_requests
        where tenant_id = $1::integer and id = $2::bigint and listed
        """)

    static let record = Statement(
        "citizen_updates_record",
        """
        select update_number, kept_fingerprint from bus311_record_citizen_update(
            $1::bigint, $2::integer, $3::text, $4::text, $5::bytea, $6::timestamptz, $7::text, $8::text, $9::text[], $10::smallint,
            $11::uuid[], $12::text[], $13::bytea[])
        """)

    /// What CRMs said, by when it became visible here, oldest first.
    static let published = Statement(
        "citizen_updates_published",
        """
        select u.request_id, u.update_id, u.received_at, u.status, u.status_notes, u.external_reference, r.given_id
        from status_updates u join service_requests r on r.id = u.request_id and r.tenant_id = u.tenant_id
        where u.tenant_id = $1::integer and u.applied and u.is_public and r.listed and u.received_at >= $2::timestamptz and u.received_at < $3::timestamptz
        order by u.received_at, u.request_id, u.update_id limit $4::integer
        """)
}
