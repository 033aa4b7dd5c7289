-- Where a request's trace (W3C trace context) goes on: its id for what comes back, the whole header for its first event.
alter table service_requests add column trace_id bytea;
alter table outbox add column traceparent text;
