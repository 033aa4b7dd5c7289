-- The mailer writes its own calls down, like every other service.
drop policy added on audit;
create policy added on audit for insert
    to bus311_gateway, bus311_status, bus311_relay, bus311_watch, bus311_admin, bus311_photos, bus311_mailer with check (true);
grant insert (tenant_id, at, direction, actor, operation, request_id, objects, result, duration_us, bytes_in, bytes_out, calls,
              correlation_id, trace_id, body_sha256, writer, number)
    on audit to bus311_mailer;
grant usage on sequence audit_row_number to bus311_mailer;
grant execute on function bus311_audit_begin(text), bus311_audit_seen(integer, bigint, bigint, boolean) to bus311_mailer;
