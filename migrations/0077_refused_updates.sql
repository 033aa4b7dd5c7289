-- Updates that were refused, so that their senders can read back why: by request and update id the last refusal. They changed nothing, and
-- nothing here holds what they said but what the refusal itself repeats of it.
create sequence refused_update_number;
create table refused_updates (
    tenant_id integer not null,
    -- 0: it named no request of the tenant.
    request_id bigint not null,
    update_id text not null check (length(update_id) between 1 and 128),
    -- Greater for what was refused later.
    number bigint not null default nextval('refused_update_number'),
    received_at timestamptz not null default now(),
    door text not null check (door in ('rest', 'amqp')),
    code text not null check (code ~ '^[a-z-]{1,64}$'),
    title text not null,
    detail text,
    -- [{"pointer", "detail"}]
    errors jsonb,
    -- Of the receipt over AMQP.
    receipt_id uuid,
    -- How often it was refused.
    times integer not null default 1,
    primary key (tenant_id, request_id, update_id)
);
create index refused_updates_newest on refused_updates (tenant_id, number);
create index refused_updates_received on refused_updates using brin (received_at) with (pages_per_range = 32, autosummarize = on);

alter table refused_updates enable row level security;
create policy status_own on refused_updates for select to bus311_status using (tenant_id = bus311_tenant());
grant select on refused_updates to bus311_status;

-- Keeps refusals of the tenant that the transaction names: of each tenant the newest ten thousand or so, however many it sends. Of an erased
-- request only the code.
create function bus311_keep_refusals(
    through text, requests bigint[], update_ids text[], codes text[], titles text[], details text[], faults jsonb[], receipts uuid[])
returns void language plpgsql volatile security definer set search_path = public as $$
declare
    own integer := bus311_tenant();
begin
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
revoke execute on function bus311_keep_refusals(text, bigint[], text[], text[], text[], text[], jsonb[], uuid[]) from public;
grant execute on function bus311_keep_refusals(text, bigint[], text[], text[], text[], text[], jsonb[], uuid[]) to bus311_status;

-- A refusal may repeat a word of what was said of a person's request.
create function bus311_erase_refusals() returns trigger language plpgsql security definer set search_path = public as $$
begin
    update refused_updates set detail = null, errors = null where request_id = new.request_id and tenant_id = new.tenant_id;
    return null;
end $$;
create trigger erase_refusals after insert on erasures for each row execute function bus311_erase_refusals();
