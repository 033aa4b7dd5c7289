-- Who stores a submission tells relays under which number its event waits, and reads nothing else of the outbox.
grant select (seq, shard, tenant_id) on outbox to bus311_ingest;
