-- The watch counts which erasures no CRM has answered.
grant select (tenant_id, erased_at, crm_outcome) on erasures to bus311_watch;
create policy watch_counts on erasures for select to bus311_watch using (true);
