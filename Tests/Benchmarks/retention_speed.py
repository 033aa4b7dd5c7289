"""What citizens notice while retention works: a client that posts one request after the other, before and during a run over requests whose
year is over. BUS311_BENCH_RETENTION makes the past smaller than a million."""
import http.client
import os
import subprocess
import threading
import time
import urllib.parse
from statistics import median

from measure import PROGRAM, Service, form_fields, psql

COUNT = int(os.environ.get("BUS311_BENCH_RETENTION", "1000000"))
IDLE_SECONDS = 15


def make_past(city):
    """Requests of 14 to 20 months ago, with their reporters and events."""
    psql(city, f"""
        set timezone = 'UTC';
        do $$ declare m date; p text; begin
            for i in 0..22 loop
                m := (date_trunc('month', now()) - make_interval(months => i))::date;
                foreach p in array array['service_requests', 'reporters', 'outbox', 'status_updates'] loop
                    execute format('create table if not exists %I partition of %I for values from (%s) to (%s)', p || '_' || to_char(m, 'YYMM'), p,
                        to_char(m, 'YYMM')::bigint * 1000000000, (to_char(m, 'YYMM')::bigint + 1) * 1000000000);
                end loop;
            end loop;
        end $$;
        create table old_requests as select to_char(at, 'YYMM')::bigint * 1000000000 + 100000000 + n as id, at
            from (select n, now() - interval '420 days' - interval '180 days' * (n / {COUNT}.0) as at from generate_series(1, {COUNT}) n) s;
        insert into service_requests (id, tenant_id, service_code, service_name, description, requested_at, updated_at, lat, long, address,
                                      received_via, language)
            select id, (select min(id) from tenants), 'LAMP', 'n', repeat('Lampadaire ', 20), at, at, 43.61, 3.87, '1 rue de la Paix', 'api', 'fr'
            from old_requests;
        insert into reporters (request_id, tenant_id, first_name, email) select id, (select min(id) from tenants), 'Zoé', 'zoe@citizen.example' from old_requests;
        insert into outbox (seq, event_id, tenant_id, shard, request_id, request_sequence, type, body, state, created_at, confirmed_at)
            select id, gen_random_uuid(), (select min(id) from tenants), 0, id, 1, 'service_request.created.v1', convert_to(repeat('x', 900), 'UTF8'),
                   'confirmed', at, at from old_requests;
        update tenants set arrangement = arrangement || '{{"retention_tells_crm": false}}';
        """)
    psql(city, "vacuum analyze")


class Writer:
    """One client; milliseconds of each answer."""

    def __init__(self, city):
        self.url = urllib.parse.urlsplit(city.settings["gateway_url"])
        self.body = form_fields(city) + "&service_code=LAMP&lat=43.6&long=3.2&description=un"
        self.took, self.ends = [], threading.Event()
        self.thread = threading.Thread(target=self.write)

    def write(self):
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=30)
        while not self.ends.is_set():
            start = time.perf_counter()
            connection.request("POST", self.url.path + "/requests.json", self.body, {"Content-Type": "application/x-www-form-urlencoded"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            self.took.append((time.perf_counter() - start) * 1e3)
            self.ends.wait(0.005)
        connection.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join(30)

    def __str__(self):
        ordered = sorted(self.took)
        return f"p50 {median(ordered):.1f}, p99 {ordered[len(ordered) * 99 // 100]:.1f}, longest {ordered[-1]:.0f} ms of {len(ordered)}"


def retention(city, table):
    make_past(city)
    with Service(city, "gateway"):
        with Writer(city):
            time.sleep(3)
        with Writer(city) as idle:
            time.sleep(IDLE_SECONDS)
        start = time.monotonic()
        with Writer(city) as busy:
            done = subprocess.run([PROGRAM, "retention", "run", "--config", os.path.join(city.home, "settings.json")], capture_output=True, text=True)
        seconds = time.monotonic() - start
    assert done.returncode == 0, done.stderr[-2000:]
    anonymised = int(psql(city, "select sum(rows) from retention_ledger where relation = 'service_requests' and action = 'anonymised'"))
    assert anonymised == COUNT and psql(city, f"select count(*) from service_requests where requested_at < now() - interval '400 days'") == "0"
    ratio = median(busy.took) / median(idle.took)
    detail = f"idle: {idle}; during: {busy}; the run took {seconds:.0f} s"
    table.row(f"A POST while {COUNT:,} requests are forgotten and deleted ÷ a POST with nobody else".replace(",", " "),
              f"{ratio:.2f} (medians)", "≤ 2", ratio <= 2, detail)
