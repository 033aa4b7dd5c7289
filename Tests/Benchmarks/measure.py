"""The parts of the benchmark: our services as processes, wrk, pgbench and the plain programs, each giving numbers."""
import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
BUILT = os.path.join(REPOSITORY, ".build", "release")
os.environ.setdefault("BUS311_PROGRAM", os.path.join(BUILT, "bus311"))
sys.path.insert(0, os.path.join(REPOSITORY, "Tests", "EndToEndTests", "Scripts"))
from city import PROGRAM, City, free_base, wait_until  # noqa: E402,F401  (the program's name is read when the module is)


class Service:
    """One service of ours in its own process."""

    def __init__(self, city, name):
        self.health = f"http://127.0.0.1:{free_base()}"
        environment = dict(
            os.environ, BUS311_CONFIG=os.path.join(city.home, "settings.json"), BUS311_HEALTH_PORT=self.health.rsplit(":", 1)[1],
            # Counted, and far away.
            BUS311_GATEWAY_KEY_LIMIT=str(10**9), BUS311_GATEWAY_ADDRESS_LIMIT=str(10**9),
        )
        self.log = open(os.path.join(city.folder.name, f"{name}.log"), "ab")
        self.process = subprocess.Popen([PROGRAM, name], env=environment, cwd=city.folder.name, stdout=self.log, stderr=self.log)
        self.name = name

    def __enter__(self):
        wait_until(lambda: answers(self.health + "/health/ready"), 30, f"{self.name} is ready")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()

    def resident_megabytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) / 1024


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def run(*command, **options):
    done = subprocess.run(command, text=True, capture_output=True, timeout=600, **options)
    assert done.returncode == 0, f"{os.path.basename(command[0])}: {done.stderr.strip()[-2000:]}"
    return done.stdout


def wrk(url, seconds, connections, *arguments):
    """The load as wrk saw it; a refused or broken request makes the figure worthless."""
    said = run(
        "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", os.path.join(HERE, "load.lua"), url, *(["--", *arguments] if arguments else [])
    )
    result = json.loads(said.strip().splitlines()[-1])
    assert result["refused"] == 0 and result["broken"] == 0, result
    result["rate"] = result["requests"] / result["seconds"]
    return result


def form_fields(city):
    return f"api_key={city.settings['api_key']}&jurisdiction_id={city.settings['jurisdiction_id']}"


def post(city, seconds, connections, pause=0):
    return wrk(city.settings["gateway_url"] + "/requests.json", seconds, connections, form_fields(city), str(pause))


def psql(city, text, database="bus311"):
    return run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", database_url(city, database), "-c", text).strip()


def database_url(city, database):
    return city.settings["database_url"].rsplit("/", 1)[0] + "/" + database


def make_baseline_database(city):
    """The same tables on the same server, in a database that no service of ours reads."""
    psql(city, "create database baseline")
    for name in sorted(os.listdir(os.path.join(REPOSITORY, "migrations"))):
        if name.endswith(".sql"):
            run("psql", "-Xq", "-v", "ON_ERROR_STOP=1", database_url(city, "baseline"), "-f", os.path.join(REPOSITORY, "migrations", name))
    psql(city, "select bus311_make_partitions()", "baseline")


def pgbench(city, clients, seconds, event_bytes):
    """Transactions per second and their mean in milliseconds: one transaction per request, two rows."""
    psql(city, "truncate service_requests, outbox; checkpoint", "baseline")
    said = run(
        "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(seconds), "-D", "c=0",
        "-D", "month=" + time.strftime("%y%m", time.gmtime()), "-D", f"bytes={event_bytes}",
        "-f", os.path.join(HERE, "two-rows.sql"), database_url(city, "baseline"),
    )
    return float(re.search(r"tps = ([\d.]+)", said)[1]), float(re.search(r"latency average = ([\d.]+)", said)[1])


@contextlib.contextmanager
def consumer(city, queue, count, prefetch=256):
    """plain-amqp taking from the queue; its result is in the list when the block ends."""
    process = subprocess.Popen(
        [os.path.join(BUILT, "plain-amqp"), "consume", city.settings["amqp_uri"], queue, str(count), str(prefetch)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    result = {}
    assert process.stderr.readline() == "consuming\n", process.stderr.read()
    try:
        yield result
        said, complaints = process.communicate(timeout=120)
        assert process.returncode == 0, complaints
        result.update(json.loads(said))
    finally:
        process.kill()


@contextlib.contextmanager
def bare_route(city, body, content_type):
    """A bare Hummingbird route answering these bytes."""
    path = os.path.join(city.folder.name, "bare-body")
    with open(path, "wb") as file:
        file.write(body)
    port = free_base()
    process = subprocess.Popen([os.path.join(BUILT, "bare-route"), str(port), path, content_type], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/x"), 10, "the bare route answers")
        yield f"http://127.0.0.1:{port}/x"
    finally:
        process.terminate()
        process.wait(10)


def million(city):
    """A million requests of 50 tenants over 13 months, the demonstration city being one of them. Gives its number."""
    tenant = int(psql(city, f"select id from tenants where key = '{city.settings['tenant']}'"))
    psql(city, """
        do $$ declare month date; prefix bigint; parent text; begin
        for i in 0..13 loop
            month := (date_trunc('month', now() at time zone 'UTC') - make_interval(months => i))::date;
            prefix := to_char(month, 'YYMM')::bigint;
            foreach parent in array array['service_requests', 'reporters', 'outbox', 'status_updates'] loop
                if to_regclass(parent || '_' || prefix) is null then
                    execute format('create table %I partition of %I for values from (%s) to (%s)',
                        parent || '_' || prefix, parent, prefix * 1000000000, (prefix + 1) * 1000000000);
                end if;
            end loop;
        end loop; end $$""")
    psql(city, f"""
        insert into service_requests (id, tenant_id, service_code, service_name, description, status, open, requested_at, updated_at, lat,
                                      long, received_via, language)
        select to_char(moment at time zone 'UTC', 'YYMM')::bigint * 1000000000 + 500000000 + n, ({tenant} + n % 50)::integer,
               (array['LAMP', 'POTHOLE', 'BIN'])[1 + n % 3], 'Service', repeat('Lampadaire ', 40), 'RECEIVED', n % 4 > 0, moment, moment,
               43.6 + (n * 7919 % 20000 - 10000) / 100000.0, 3.2 + (n * 104729 % 20000 - 10000) / 100000.0, 'app', 'fr'
        from (select n, now() - (n / 1000000.0) * interval '395 days' as moment from generate_series(1::bigint, 1000000) n) as made""")
    psql(city, "vacuum analyze service_requests")
    return tenant


def hand_over(city, tenant):
    """Milliseconds in which PostgreSQL hands the newest thousand requests of 90 days to a client that does nothing with them."""
    script = os.path.join(city.folder.name, "thousand.sql")
    with open(script, "w", encoding="utf-8") as file:
        file.write(
            "select id, status, status_notes, service_name, service_code, description, agency_responsible, service_notice, requested_at,"
            " updated_at, expected_at, address, address_id, zipcode, lat, long, media_urls from service_requests"
            f" where tenant_id = {tenant} and requested_at > now() - interval '90 days' order by requested_at desc, id desc limit 1000;\n"
        )
    said = run("pgbench", "-n", "-M", "prepared", "-c", "1", "-T", "3", "-f", script, database_url(city, "bus311"))
    return float(re.search(r"latency average = ([\d.]+)", said)[1])
