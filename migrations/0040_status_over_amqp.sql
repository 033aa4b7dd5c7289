-- What the CRMs sent over AMQP and what they were answered: a message that comes again is given the same answer. The answer holds
-- nothing of what was said.
create table status_inbox (
    tenant_id integer not null,
    message_id text not null,
    -- SHA-256 of routing key and body: another content under the same id is judged anew, by the rules of updates.
    content bytea not null check (length(content) = 32),
    received_at timestamptz not null default now(),
    receipt_id uuid not null,
    receipt_type text not null,
    receipt bytea not null,
    primary key (tenant_id, message_id, content)
);
-- For forgetting the oldest: cheap to keep, because rows come in the order of time.
create index status_inbox_received on status_inbox using brin (received_at) with (pages_per_range = 32, autosummarize = on);

alter table status_inbox enable row level security;
create policy status_own on status_inbox for all to bus311_status
    using (tenant_id = bus311_tenant()) with check (tenant_id = bus311_tenant());
grant select, insert on status_inbox to bus311_status;

-- A redelivery comes within minutes, a repetition by a careful CRM within days.
create function bus311_forget_inbox() returns integer language plpgsql security definer set search_path = public as $$
declare forgotten integer;
begin
    delete from status_inbox where received_at < now() - interval '60 days';
    get diagnostics forgotten = row_count;
    return forgotten;
end $$;
revoke execute on function bus311_forget_inbox() from public;
grant execute on function bus311_forget_inbox() to bus311_watch;

alter table outbox
    -- What the message answers, when that is not a request: the id of a status message.
    add column correlation_id text,
    -- When its transaction began: created_at is when the citizen was heard.
    add column stored_at timestamptz default now(),
    add column published_at timestamptz,
    -- The job that sent an event again; null on the event itself.
    add column replay_id bigint;

-- Receipts, one at a time for the tenant that the transaction names.
create function bus311_send_receipt(event uuid, shard_number smallint, kind text, message text, content bytea) returns void
language sql volatile security definer set search_path = public as $$
    insert into outbox (event_id, tenant_id, shard, request_sequence, type, body, correlation_id)
    select event, bus311_tenant(), shard_number, 0, kind, content, message where bus311_tenant() > 0
$$;
revoke execute on function bus311_send_receipt(uuid, smallint, text, text, bytea) from public;
grant execute on function bus311_send_receipt(uuid, smallint, text, text, bytea) to bus311_status;
