import Postgres

enum TokenSQL {
    static let all = [lock, assign, resolveLate]

    static let lock = Statement(
        "token_lock",
        """
        select id, listed or coalesce(hidden_listed, false), given_id, erased_at is not null from service_requests
        where tenant_id = $1::integer and token = $2::text for update
        """)

    static let assign = Statement(
        "token_assign",
        """
        update service_requests
        set given_id = coalesce(given_id, $3::text), listed = hidden_listed is null,
            hidden_listed = case when hidden_listed is not null then true end,
            acknowledged_at = coalesce(acknowledged_at, now()), status_version = status_version + 1,
            updated_at = case when listed or hidden_listed is true then updated_at else greatest(updated_at, now()) end
        where tenant_id = $1::integer and id = $2::bigint
        """)

    static let resolveLate = Statement("token_resolve_late", "select bus311_resolve_tokens()")
}
