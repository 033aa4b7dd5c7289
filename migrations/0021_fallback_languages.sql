-- After the tenant's own language, in which order a text that is missing in the wanted language is looked for.
alter table tenants add column fallback_languages text[] not null default '{}';
