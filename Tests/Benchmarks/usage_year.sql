-- A year of a tenant's statistics and the year before, as the counting leaves them for a page: :tenant, :per_day requests a day.
-- Twenty services, three apps, three keys; more in winter and after storms. Hours are not needed for whole months.
begin;
delete from usage_counts where tenant_id = :tenant;
create temporary table year on commit drop as
select d at time zone 'Europe/Paris' as at, date_trunc('month', d) at time zone 'Europe/Paris' as month, s as service, c as channel,
       (:per_day * (case when extract(isodow from d) > 5 then 0.55 else 1.18 end) * (1 + 0.3 * cos(2 * pi() * extract(doy from d) / 365))
        * (case when d >= date_trunc('month', now()::timestamp) - interval '11 months' then 1.12 else 1 end)
        * (case when (extract(doy from d) * 7919)::integer % 61 = 0 then 3.2 else 1 end)
        * (1.9 / (s + 1.2) / 6.9) * (array[0.6, 0.3, 0.1])[c + 1] * (0.7 + 0.6 * random()))::bigint as n
from generate_series(date_trunc('month', now()::timestamp) - interval '23 months', date_trunc('day', now()::timestamp), interval '1 day') d,
     generate_series(0, 19) s, generate_series(0, 2) c;

insert into usage_counts (tenant_id, grain, starts_at, measure, service_code, channel, access_key, detail, n)
select :tenant, g.grain, g.at, m.measure, g.service, g.channel, '', g.detail, sum(m.n)::bigint
from year
cross join lateral (values
    ('requests', '', n), ('with_photo', '', n * 4 / 10), ('identified', '', n * 6 / 10), ('anonymous', '', n - n * 6 / 10), ('photos', '', n / 2),
    ('photo_bytes', '', n / 2 * 1800000), ('updates', '', n * 2), ('statuses', 'IN_PROCESS', n), ('statuses', 'PROCESSED', n * 7 / 10),
    ('statuses', 'REJECTED', n / 9), ('statuses', 'ARCHIVED', n / 3)) m (measure, detail, n)
cross join lateral (values
    ('day', at, '', '', ''), ('month', month, 'S' || service, (array['Allô Mairie', 'Site web', 'FixMyStreet'])[channel + 1], m.detail)) g (grain, at, service, channel, detail)
where m.n > 0
group by 1, 2, 3, 4, 5, 6, 7, 8;

insert into usage_counts (tenant_id, grain, starts_at, measure, service_code, channel, access_key, detail, n)
select :tenant, 'month', month, m.measure, 'S' || service, '', '', (m.first + b)::text, greatest(1, (n * exp(-power((b - 15) / 9.0, 2)) / 16)::bigint)
from (select month, service, sum(n) as n from year group by 1, 2) y
cross join lateral (values ('delivery', 105), ('acknowledgement', 190), ('first_status', 232), ('closing', 256 + service % 7 * 2)) m (measure, first)
cross join generate_series(0, 39) b;
insert into usage_counts (tenant_id, grain, starts_at, measure, service_code, channel, access_key, detail, n)
select :tenant, 'day', at, 'closing', '', '', '', '', sum(n) from year group by at;

insert into usage_counts (tenant_id, grain, starts_at, measure, service_code, channel, access_key, detail, n)
select :tenant, g.grain, g.at, m.measure, '', '', g.key, g.detail, sum(m.n)::bigint
from (select at, month, sum(n) as n from year group by 1, 2) y
cross join lateral (values
    ('calls', 'Ab12Cd34', 'POST requests', n), ('calls', 'Ab12Cd34', 'GET requests', n * 9), ('calls', 'Ef56Gh78', 'GET services', n * 6),
    ('calls', 'crm', 'status_update', n * 2), ('taken', 'Ab12Cd34', '', n * 7 / 10), ('taken', 'Ef56Gh78', '', n * 3 / 10),
    ('messages', '', 'service_request.created.v1', n), ('duplicates', 'Ab12Cd34', 'requests', n / 60),
    ('refusals', 'Ab12Cd34', 'outside-boundary', n / 12), ('refusals', 'Ef56Gh78', 'missing', n / 20), ('refusals', '', 'too_many', n / 40),
    ('refusals', '', 'unauthorized', n / 15), ('bytes_in', '', '', n * 900000), ('bytes_out', '', '', n * 2400000),
    ('media_served', '', '', n * 1300000), ('watched', '', '', 86400000000), ('crm_connected', '', '', 86400000000),
    ('answer', '', '86', n / 2), ('answer', '', '88', n / 3), ('answer', '', '97', n / 7), ('answer', '', '112', n / 80 + 1),
    ('crm_consuming', '', '', case when random() < 0.05 then 78000000000 else 86400000000 end)) m (measure, key, detail, n)
cross join lateral (values ('day', at, '', ''), ('month', month, m.key, m.detail)) g (grain, at, key, detail)
group by 1, 2, 3, 4, 5, 6, 7, 8;

insert into usage_counts (tenant_id, grain, starts_at, measure, service_code, channel, access_key, detail, n)
select :tenant, 'profile', month, 'requests', '', '', '', h::text,
       greatest(0, (n / 7 / 12 * (0.1 + 1.9 * exp(-power((h % 24 - 10.0) / 3.2, 2)) + 1.3 * exp(-power((h % 24 - 18.0) / 2.6, 2))) * (case when h >= 120 then 0.5 else 1.2 end))::bigint)
from (select month, sum(n) as n from year group by 1) y, generate_series(0, 167) h;
update usage_cursor set counted_to = now();
commit;
analyze usage_counts;
