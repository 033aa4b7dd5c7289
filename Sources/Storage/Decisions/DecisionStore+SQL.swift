import Postgres

enum DecisionSQL {
    static let all = [snapshot, moderate, erase, erasure]

    static let snapshot = Statement(
        "decision_snapshot",
        """
        select \(RequestSQL.columns), received_via, language, sequence, catalogue_version, hidden_listed is not null, erased_at
        from service_requests
        where tenant_id = $1::integer and id = $2::bigint
        """)

    static let moderate = Statement(
        "decision_moderate",
        """
        select bus311_moderate($1::bigint, $2::integer, $3::text, $4::text, $5::text, $6::timestamptz, $7::smallint, $8::uuid[], $9::text[],
                               $10::bytea[])
        """)

    static let erase = Statement(
        "decision_erase",
        """
        select bus311_erase($1::bigint, $2::integer, $3::text, $4::text, $5::timestamptz, $6::smallint, $7::uuid, $8::text, $9::bytea)
        """)

    static let erasure = Statement(
        "decision_erasure", "select erased_at, reason from erasures where tenant_id = $1::integer and request_id = $2::bigint")
}
