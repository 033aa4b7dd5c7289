-- Whoever publishes a document of places by command or by a scheduled fetch is told what the places of other kinds say about it, as
-- status-ingest tells its callers: ids that are taken, parents that are nowhere. Of one tenant, the one that the transaction names.
create policy publishers_read on places for select to bus311_admin, bus311_watch using (tenant_id = bus311_tenant());
grant select (tenant_id, id, kind, retired_at) on places to bus311_admin, bus311_watch;
