-- Under which version of the tenant's catalogue a request was made: its service's questions are found there, whatever the catalogue
-- says by now. Null for requests from before there were versions.
alter table service_requests add column catalogue_version integer;
