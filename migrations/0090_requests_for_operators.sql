-- Operators name a request by the id that its CRM gave, too. Unique for a tenant, not among tenants.
create function bus311_requests_given(given text) returns setof bigint
language sql stable security definer set search_path = public as $$
    select n.request_id
    from tenants t, unnest(array[t.id, -t.id]) owner,
         lateral (select request_id from request_names where tenant_id = owner and kind = 'given' and name = given) n
    order by n.request_id limit 10
$$;
revoke execute on function bus311_requests_given(text) from public;
grant execute on function bus311_requests_given(text) to bus311_admin;

-- A timeline says when nothing more happens.
grant select (erased_at) on service_requests to bus311_admin;
