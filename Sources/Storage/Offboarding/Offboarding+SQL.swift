import Postgres

enum OffboardingSQL {
    static let all = [begin, state, requests, details, actions, waiting, revokeKeys]

    static let begin = Statement(
        "offboarding_begin",
        """
        insert into tenant_offboardings (tenant_id, key, started_by) values ($1::integer, $2::text, $3::text)
        on conflict (tenant_id) do nothing
        """)

    static let state = Statement("offboarding_state", "select requests, state from bus311_export_state()")

    static let requests = Statement(
        "offboarding_requests",
        "select id, requested_at, line from bus311_export_requests($1::timestamptz, $2::bigint, $3::integer)")

    static let details = Statement(
        "offboarding_details", "select kind, line, file_kind, file_name from bus311_export_details($1::bigint[])")

    static let actions = Statement(
        "offboarding_actions",
        """
        select (to_jsonb(a) - 'tenant_id')::text from operator_actions a where a.tenant_id = $1::integer order by number
        """)

    /// What the relay still has for the tenant; parked events wait for a person.
    static let waiting = Statement(
        "offboarding_waiting",
        """
        select count(*) from outbox
        where tenant_id = $1::integer and ((state = 'pending' and shard = $2::smallint) or state = 'parked')
        """)

    static let revokeKeys = Statement(
        "offboarding_revoke_keys",
        "update access_keys set revoked_at = now() where tenant_id = $1::integer and kind = $2::text and revoked_at is null")
}
