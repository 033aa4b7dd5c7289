import Postgres

enum LifecyclePolicySQL {
    static let all = [setTokensWait, requestsGiven, requestsWithToken]

    static let setTokensWait = Statement(
        "lifecycle_set_tokens_wait", "update tenants set token_minutes = nullif($2::integer, 0) where id = $1::integer")

    static let requestsGiven = Statement("lifecycle_requests_given", "select bus311_requests_given($1::text)")

    static let requestsWithToken = Statement("lifecycle_requests_with_token", "select bus311_requests_with_token($1::text)")
}
