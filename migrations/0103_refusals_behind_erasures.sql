-- As before; but an erasure that is under way ends first, and is then seen: the words of a refusal must not come behind it.
create or replace function bus311_keep_refusals(
    through text, requests bigint[], update_ids text[], codes text[], titles text[], details text[], faults jsonb[], receipts uuid[])
returns void language plpgsql volatile security definer set search_path = public as $$
declare
    own integer := bus311_tenant();
begin
    perform from service_requests where tenant_id = own and id = any (requests) and id <> 0 order by id for share;
    insert into refused_updates as kept (tenant_id, request_id, update_id, door, code, title, detail, errors, receipt_id)
    select distinct on (request, update_id) own, request, update_id, through, code, title,
           case when not forgotten then detail end, case when not forgotten then fault end,
           nullif(receipt, '00000000-0000-0000-0000-000000000000')
    from (
        select coalesce(r.id, 0) as request, g.update_id, g.code, g.title, g.detail, g.fault, g.receipt, g.place,
               coalesce(r.erased_at is not null, false) as forgotten
        from unnest(requests, update_ids, codes, titles, details, faults, receipts) with ordinality
            as g (request, update_id, code, title, detail, fault, receipt, place)
        left join service_requests r on r.id = g.request and r.tenant_id = own
    ) as given
    where own > 0
    order by request, update_id, place desc
    on conflict (tenant_id, request_id, update_id) do update
    set number = nextval('refused_update_number'), received_at = now(), door = excluded.door, code = excluded.code, title = excluded.title,
        detail = excluded.detail, errors = excluded.errors, receipt_id = excluded.receipt_id, times = kept.times + 1;
    if random() < 0.001 * cardinality(requests) then
        delete from refused_updates where (tenant_id, request_id, update_id) in (
            select d.tenant_id, d.request_id, d.update_id from refused_updates d
            where d.tenant_id = own
              and d.number < (select n.number from refused_updates n where n.tenant_id = own order by n.number desc offset 10000 limit 1)
            limit 5000 for update skip locked);
    end if;
end $$;
