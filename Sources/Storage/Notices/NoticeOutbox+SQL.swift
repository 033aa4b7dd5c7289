import Postgres

enum NoticeOutboxSQL {
    static let all = [take, standing, renew, settle, putBack, giveBack, backlog, forget]

    static let take = Statement("notices_take", "select * from bus311_take_notice($1::integer)")

    /// Whether the address wants none of this tenant's, and how many it was sent within a day.
    static let standing = Statement(
        "notices_standing",
        """
        select exists (select from notice_refusals where tenant_id = $1::integer and address = any($2::bytea[])),
               (select count(*) from notices where address = any($2::bytea[]) and settled_at > now() - interval '1 day' and state = 'sent')
        """)

    /// Under the first of the hashes too, so that it outlives the key of the others.
    static let renew = Statement(
        "notices_renew_refusal",
        """
        insert into notice_refusals (tenant_id, address, refused_at)
        select tenant_id, ($2::bytea[])[1], min(refused_at) from notice_refusals
        where tenant_id = $1::integer and address = any($2::bytea[]) group by tenant_id
        on conflict do nothing
        """)

    /// Nothing happens to a notice that was erased meanwhile.
    static let settle = Statement(
        "notices_settle",
        """
        update notices set state = $2::text, reason = $3::text, address = $4::bytea, note = null, settled_at = now()
        where id = $1::bigint and state = 'sending'
        """)

    static let putBack = Statement(
        "notices_put_back",
        """
        update notices
        set state = 'waiting', reason = $2::text, doubts = $3::integer, next_attempt_at = now() + make_interval(secs => $4::bigint / 1000.0)
        where id = $1::bigint and state = 'sending'
        """)

    /// It is not this notice's fault: no attempt is counted.
    static let giveBack = Statement(
        "notices_give_back",
        """
        update notices set state = 'waiting', reason = $2::text, attempts = attempts - 1, next_attempt_at = now()
        where id = $1::bigint and state = 'sending'
        """)

    static let backlog = Statement(
        "notices_backlog", "select count(*), min(created_at) from notices where state in ('waiting', 'sending')")

    static let forget = Statement(
        "notices_forget",
        """
        delete from notices where id in (
            select id from notices where settled_at < now() - make_interval(days => $1::integer) order by settled_at limit 1000)
        """)
}
