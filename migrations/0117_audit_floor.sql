-- The first day whose rows the audit must still have: what was before it went by retention, whose ledger says so, or whose hand it is in.
-- Null while nothing went. The oldest row that is there says nothing: whoever deletes the first days moves it.
create function bus311_audit_floor() returns date
language sql stable security definer set search_path = public set timezone = 'UTC' as $$
    select max(first) from (
        select (date_trunc('month', newest) + interval '1 month')::date as first
        from retention_ledger where relation = 'audit' and action = 'dropped' and newest is not null
        union all
        select (to_date(m.month, 'YYMM') + interval '1 month')::date
        from bus311_retention_months_over(now()) m where m.relation = 'audit' and not m.is_attached) gone
$$;
revoke execute on function bus311_audit_floor() from public;
grant execute on function bus311_audit_floor() to bus311_admin, bus311_watch;
