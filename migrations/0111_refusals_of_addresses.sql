-- Whoever holds a link that was sent to this address wants no notices any more: for a report that has forgotten its person, while others of
-- the same person go on. The keyed hash comes out of the signed link; none is stored before somebody unsubscribes.
create function bus311_refuse_notices(hash bytea) returns boolean language plpgsql volatile security definer set search_path = public as $$
declare own integer := bus311_tenant();
begin
    insert into notice_refusals (tenant_id, address) values (own, hash) on conflict do nothing;
    return true;
end $$;
revoke execute on function bus311_refuse_notices(bytea) from public;
grant execute on function bus311_refuse_notices(bytea) to bus311_gateway;
