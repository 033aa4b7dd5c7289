import Postgres

enum LifecyclePolicySQL {
    static let all = [setLimits]

    static let setLimits = Statement(
        "lifecycle_set_limits",
        """
        update tenants set token_minutes = nullif($2::integer, 0), acknowledgement_minutes = nullif($3::integer, 0) where id = $1::integer
        """)
}
