import Postgres

enum RetentionSQL {
    static let all = [
        begin, end, lastRun, tenants, due, anonymise, delete, empty, references, expire, rules, monthsOver, detach, drop, plan, verify,
        runs,
        entries, hold, release, holds,
    ]

    static let begin = Statement("retention_begin", "select bus311_retention_begin($1::timestamptz, $2::text, $3::boolean)")

    static let end = Statement("retention_end", "select bus311_retention_end($1::bigint, $2::text)")

    static let lastRun = Statement(
        "retention_last_run", "select number, began_at, outcome, made_by from retention_runs order by number desc limit 1")

    static let tenants = Statement("retention_tenants", "select tenant_id from bus311_retention_tenants()")

    static let due = Statement(
        "retention_due",
        """
        select id, requested_at, sequence
        from bus311_retention_due($1::timestamptz, $2::integer, $3::boolean, $4::timestamptz, $5::bigint, $6::integer)
        """)

    static let anonymise = Statement(
        "retention_anonymise",
        """
        select cardinality(bus311_retention_anonymise($1::bigint, $2::integer, $3::bigint[], $4::integer[], $5::smallint, $6::uuid[],
                                                      $7::text, $8::bytea[]))
        """)

    static let delete = Statement(
        "retention_delete",
        "select cardinality(bus311_retention_delete($1::bigint, $2::integer, $3::bigint[], $4::integer[]))")

    static let empty = Statement(
        "retention_empty", "select last, seen, emptied from bus311_retention_empty($1::bigint, $2::bigint, $3::integer)")

    static let references = Statement(
        "retention_references",
        """
        select last_tenant, last_key, seen, deleted
        from bus311_retention_references($1::bigint, $2::integer, $3::text, $4::integer)
        """)

    static let expire = Statement("retention_expire", "select bus311_retention_expire($1::bigint, $2::text, $3::integer)")

    /// Tables whose rows go by age.
    static let rules = Statement(
        "retention_rules_by_age",
        "select relation from retention_rules where disposal = 'rows' and to_regclass(relation) is not null order by relation")

    static let monthsOver = Statement(
        "retention_months_over", "select relation, month, is_attached from bus311_retention_months_over($1::timestamptz)")

    static let detach = Statement("retention_detach", "select bus311_retention_detach($1::bigint, $2::text, $3::text)")

    static let drop = Statement("retention_drop", "select bus311_retention_drop($1::bigint, $2::text, $3::text)")

    static let plan = Statement(
        "retention_plan",
        "select tenant, relation, action, rows, oldest, newest, sample from bus311_retention_plan($1::timestamptz)")

    static let verify = Statement("retention_verify", "select entry, problem from bus311_retention_verify()")

    /// The newest runs with what went in each.
    static let runs = Statement(
        "retention_runs",
        """
        select r.number, r.began_at, r.clock, r.made_by, r.ended_at, r.outcome,
               (select l.digest from retention_ledger l where l.run = r.number order by l.number desc limit 1)
        from retention_runs r order by r.number desc limit $1::integer
        """)

    static let entries = Statement(
        "retention_entries",
        """
        select tenant_id, relation, action, sum(rows)::bigint, min(oldest), max(newest) from retention_ledger
        where run = $1::bigint group by tenant_id, relation, action order by tenant_id, relation, action
        """)

    static let hold = Statement("retention_hold", "select bus311_hold($1::bigint, $2::text, $3::text)")

    static let release = Statement("retention_release", "select bus311_release_hold($1::bigint, $2::text)")

    static let holds = Statement(
        "retention_holds",
        """
        select request_id, tenant_id, reason, placed_at, placed_by, released_at, released_by from request_holds
        where $1::boolean or released_at is null order by placed_at
        """)
}
