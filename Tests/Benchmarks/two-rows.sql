-- One accepted service request as the simplest design writes it: one transaction, the request's row and its event's row.
\set c :c + 1
\set id :month * 1000000000 + :client_id * 1000000 + :c
with request as (
    insert into service_requests (id, tenant_id, service_code, service_name, description, requested_at, updated_at, lat, long,
                                  received_via, language)
    values (:id, 1, 'LAMP', 'Éclairage public', repeat('Lampadaire éteint. ', 25), now(), now(), 43.6, 3.2, 'georeport', 'fr')
)
insert into outbox (event_id, tenant_id, shard, request_id, request_sequence, type, body)
values (gen_random_uuid(), 1, 0, :id, 1, 'service_request.created.v1', convert_to(repeat('x', :bytes), 'UTF8'));
