-- How often the broker did not take an event of a tenant, minute by minute, beside the statuses that were refused: what is tried again and
-- then taken has failed too, and leaves no trace in the outbox once it is confirmed. A full queue is not counted: it has an alert of its own.
alter table refusal_counts add column unpublished bigint not null default 0;
grant select, insert, update on refusal_counts to bus311_relay;
grant select on refusal_counts to bus311_watch;
