-- Until its CRM has given a number, the token that the citizen was answered is all that a request can be named by.
create function bus311_requests_with_token(asked text) returns setof bigint
language sql stable security definer set search_path = public as $$
    select id from service_requests where token = asked order by id limit 10
$$;
revoke execute on function bus311_requests_with_token(text) from public;
grant execute on function bus311_requests_with_token(text) to bus311_admin;
