-- Receipts of a whole group, in its order, for the tenant that the transaction names: one statement, where bus311_send_receipt was one for
-- each. That one stays for processes of before, while they are replaced.
create function bus311_send_receipts(shard_number smallint, events uuid[], kinds text[], messages text[], contents bytea[]) returns void
language sql volatile security definer set search_path = public as $$
    insert into outbox (event_id, tenant_id, shard, request_sequence, type, body, correlation_id)
    select g.event, bus311_tenant(), shard_number, 0, g.kind, g.content, g.message
    from unnest(events, kinds, messages, contents) with ordinality as g (event, kind, message, content, place)
    where bus311_tenant() > 0 order by g.place
$$;
revoke execute on function bus311_send_receipts(smallint, uuid[], text[], text[], bytea[]) from public;
grant execute on function bus311_send_receipts(smallint, uuid[], text[], text[], bytea[]) to bus311_status;
