-- A person is looked for by address, whatever its letters' case, when it asks what is held on it.
create index reporters_email on reporters (tenant_id, lower(email)) where email is not null;
