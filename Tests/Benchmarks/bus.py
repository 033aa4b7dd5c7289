"""The rows of `make bench` about many tenants and about the way back: fairness, idle tenants, statuses by AMQP and by REST."""
import base64
import concurrent.futures
import json
import os
import random
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pika
from measure import HERE, PROGRAM, Service, psql, run, wait_until

TENANTS, PENDING = 200, 100


def broker_settings(city):
    with open(os.path.join(city.home, "settings.json"), encoding="utf-8") as file:
        return json.load(file)["bus311"]["broker"]


def management(city, path, method="GET", body=None):
    broker = broker_settings(city)
    login = base64.b64encode(f"{broker['provisionerUser']}:{broker['provisionerPassword']}".encode()).decode()
    request = urllib.request.Request(
        broker["management"] + path, method=method, data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Basic " + login, "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        said = answer.read()
    return json.loads(said) if said else None


def tenant_key(number):
    return f"town-{number:06x}"


def provision(city, first, last):
    """Tenants first..last: rows in the database, objects on the broker as `tenant apply` makes them, imported some at a time.

    Gives the seconds that the broker took.
    """
    psql(city, f"""
        insert into tenants (key, name, language, time_zone, virtual_host, contact, key_service, shard)
        select 'town-' || lpad(to_hex(n), 6, '0'), 'Ville ' || n, language, time_zone, virtual_host, contact, key_service, n % 8
        from generate_series({first}, {last}) n, (select * from tenants order by id limit 1) as model""")
    start = time.monotonic()
    # Debian's build refuses larger bodies than 10 MiB; one import is one lock on the metadata.
    for begin in range(first, last + 1, 50):
        definitions = dict(exchanges=[], queues=[], bindings=[])
        for number in range(begin, min(begin + 50, last + 1)):
            for kind, made in tenant_objects(tenant_key(number)).items():
                definitions[kind] += made
        management(city, "/api/definitions/open311", "POST", definitions)
    return time.monotonic() - start


def tenant_objects(key):
    """Of definitions/tenant.template.json: everything but the user."""
    with open(os.path.join(HERE, "..", "..", "broker-config", "definitions", "tenant.template.json"), encoding="utf-8") as file:
        template = json.loads(file.read().replace("@tenant@", key))
    objects = {kind: template[kind] for kind in ("exchanges", "queues", "bindings")}
    for made in objects.values():
        for one in made:
            one.pop("vhost", None)
    return objects


def fill(city, keys, count, bytes_each=1_400):
    """Events of these tenants, all committed together."""
    names = ", ".join(f"'{key}'" for key in keys)
    psql(city, f"""
        insert into outbox (event_id, tenant_id, shard, request_sequence, type, body)
        select gen_random_uuid(), t.id, t.shard, 0, 'service_request.created.v1', convert_to(repeat('x', {bytes_each}), 'UTF8')
        from generate_series(1, {count}) n, tenants t where t.key in ({names}) order by n, t.id""")
    psql(city, "notify bus311_outbox")


class Quiet:
    """One tenant that sends an event now and then, and its consumer: how old each event is in the consumer's hands."""

    def __init__(self, city, key):
        self.city, self.key, self.ages, self.sent, self.commits = city, key, [], {}, []
        self.stopping = threading.Event()

    def __enter__(self):
        user, password = "bench-quiet", base64.b16encode(os.urandom(16)).decode()
        management(self.city, f"/api/users/{user}", "PUT", dict(password=password, tags=""))
        management(self.city, f"/api/permissions/open311/{user}", "PUT", dict(configure="^$", write="^$", read=".*"))
        uri = self.city.settings["amqp_uri"]
        self.uri = f"amqp://{user}:{password}@{uri.rsplit('@', 1)[1]}"
        self.thread = threading.Thread(target=self.consume)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def consume(self):
        connection = pika.BlockingConnection(pika.URLParameters(self.uri))
        channel = connection.channel()
        for method, properties, _ in channel.consume(f"o311.{self.key}.requests", auto_ack=True, inactivity_timeout=0.2):
            if method is not None:
                self.ages.append(1e3 * (time.time() - self.sent.pop(properties.message_id, time.time())))
            if self.stopping.is_set():
                break
        connection.close()

    def send_every(self, seconds, until):
        """One at a time, by a session of its own, as a gateway does: commit, then the hint."""
        process = subprocess.Popen(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.city.settings["database_url"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1)
        tenant, shard = psql(self.city, f"select id, shard from tenants where key = '{self.key}'").split("|")
        number = 0
        while not until():
            identifier = f"0192f0a1-0000-7000-8000-{int(time.time() * 1e6) % 2**40:012x}"
            self.sent[identifier] = time.time()
            process.stdin.write(
                "insert into outbox (event_id, tenant_id, shard, request_sequence, type, body) values "
                f"('{identifier}', {tenant}, {shard}, 0, 'service_request.created.v1', convert_to(repeat('x', 1400), 'UTF8')) "
                "returning shard || ':' || tenant_id || ':' || seq as hint \\gset\nselect pg_notify('bus311_outbox', :'hint');\n")
            process.stdout.readline()
            self.commits.append(1e3 * (time.time() - self.sent.get(identifier, time.time())))
            number += 1
            time.sleep(seconds)
        process.stdin.close()
        process.wait(10)
        wait_until(lambda: not self.sent, 60, "every event of the quiet tenant arrived")
        return number


def p99(values):
    return sorted(values)[min(len(values) - 1, len(values) * 99 // 100)]


def published(service):
    text = urllib.request.urlopen(service.health + "/metrics", timeout=10).read().decode()
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in text.splitlines() if line.startswith("o311_relay_published_total"))


def fairness(city, table, rounds):
    """A tenant that sends one event at a time, alone, and while 199 others have 100 pending each again and again."""
    provision(city, 1, TENANTS)
    others = [tenant_key(number) for number in range(2, TENANTS + 1)]
    ratios, alone_ages, crowd_ages, rates = [], [], [], []
    for number in range(rounds):
        with Service(city, "relay") as service, Quiet(city, tenant_key(1)) as quiet:
            for seconds in (4, 15):
                # Until every shard is led and everything is warm; then the measure, of as many events as among the others.
                quiet.ages.clear()
                end = time.monotonic() + seconds
                quiet.send_every(0.05, lambda: time.monotonic() > end)
            alone, alone_median = p99(quiet.ages), sorted(quiet.ages)[len(quiet.ages) // 2]
            quiet.ages.clear()
            # The backlog is there before the measure begins: writing 28 MB at once is another load than sending them.
            ages, moved, working = [], 0, 0
            for _ in range(3):
                os.kill(service.process.pid, signal.SIGSTOP)
                fill(city, others, PENDING)
                os.kill(service.process.pid, signal.SIGCONT)
                quiet.ages.clear()
                start, before, many = time.monotonic(), published(service), PENDING * len(others) - 1_000
                # The relay is asked, and seldom: a process that asks the database ten times a second takes its part of the two cores, and a
                # thread that reads metrics keeps the consumer beside it from its clock.
                gone = threading.Thread(
                    target=wait_until, args=(lambda: published(service) - before >= many, 120, "the others' events are gone", 1))
                gone.start()
                quiet.send_every(0.05, lambda: not gone.is_alive())
                working += time.monotonic() - start
                moved += many
                ages += quiet.ages
            rates.append(moved / working)
            in_relay = psql(city, f"""
                select round(1000 * percentile_cont(0.5) within group (order by extract(epoch from published_at - created_at))),
                       round(1000 * percentile_cont(0.99) within group (order by extract(epoch from published_at - created_at)))
                from outbox where tenant_id = (select id from tenants where key = '{tenant_key(1)}')
                  and created_at > now() - interval '{int(time.monotonic() - end)} s'""").replace("|", " and ")
        for key in others:
            management(city, f"/api/queues/open311/o311.{key}.requests/contents", "DELETE")
        alone_ages.append(alone)
        crowd_ages.append(p99(ages))
        ratios.append(crowd_ages[-1] / alone)
        print(f"bench: fairness round {number + 1}: alone p50 {alone_median:.1f} p99 {alone:.1f} ms, among {TENANTS} p99 {crowd_ages[-1]:.1f} ms, "
              f"p50 {sorted(ages)[len(ages) // 2]:.1f} ms of {len(ages)} (commit to broker {in_relay} ms); the others {rates[-1]:.0f}/s", flush=True)
    def listed(values, form="{:.1f}"):
        return ", ".join(form.format(value) for value in values)
    table.row(f"A quiet tenant's p99 among {TENANTS} with {PENDING} pending each ÷ alone", f"{max(ratios):.2f} (worst of {rounds})", "≤ 2",
              max(ratios) <= 2, f"{listed(ratios, '{:.2f}')}; {listed(crowd_ages)} ÷ {listed(alone_ages)} ms from commit to consumer; "
              f"the others {listed(rates, '{:.0f}')} events/s meanwhile")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def broker_megabytes(city):
    pid = next(city.processes("beam.smp"))
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS"))


def idle(city, table):
    """A thousand tenants that send nothing: what broker and relay hold, what the relay does."""
    before = broker_megabytes(city)
    known = int(psql(city, "select count(*) from tenants where key like 'town-%'"))
    seconds = provision(city, known + 1, 1_000)
    def queues():
        return len(management(city, "/api/queues/open311?columns=name&disable_stats=true"))
    wait_until(lambda: queues() >= 3_000, 120, "3,000 queues")
    with Service(city, "relay") as relay:
        time.sleep(10)
        begin, start = cpu_seconds(relay.process.pid), time.monotonic()
        time.sleep(30)
        share = (cpu_seconds(relay.process.pid) - begin) / (time.monotonic() - start)
        resident = relay.resident_megabytes()
    # Every series that a tenant has, in one process.
    with Service(city, "watch") as watch:
        lines = lambda: urllib.request.urlopen(watch.health + "/metrics", timeout=10).read().count(b"\n")  # noqa: E731
        wait_until(lambda: lines() > 7_000, 120, "a thousand tenants are counted")
        times = []
        for _ in range(100):
            begin = time.monotonic()
            count = lines()
            times.append(1e3 * (time.monotonic() - begin))
    table.row("/metrics with 1,000 tenants", f"{sorted(times)[98]:.1f} ms (p99 of 100)", "≤ 20 ms", sorted(times)[98] <= 20,
              f"median {sorted(times)[50]:.1f} ms; {count} lines")
    after = broker_megabytes(city)
    table.row("Relay with 1,000 idle tenants", f"{100 * share:.1f} % of a core", "≤ 2 %", share <= 0.02,
              f"relay {resident:.0f} MB; broker {before:.0f} → {after:.0f} MB with {queues()} quorum queues; "
              f"{1_000 - known} tenants provisioned by definitions in {seconds:.0f} s")


def applied(city, door):
    return int(psql(city, f"select count(*) from status_updates where update_id like '{door}-%'"))


WARM, FED = 5_000, 40_000


def by_rest(city, ids, name):
    """Updates per second by REST, fed by wrk with 64 connections: a second to warm up, then four."""
    path = os.path.join(city.folder.name, "ids")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(ids) + "\n")
    with Service(city, "status-ingest") as service:
        def load(part, seconds):
            # Names of this part's own: wrk goes through the ids as often as it likes.
            said = run("wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", "-s", os.path.join(HERE, "status.lua"),
                       city.settings["status_ingest_url"], "--", city.settings["crm_token"], path, f"{name}-{part}")
            result = json.loads(said.strip().splitlines()[-1])
            assert result["refused"] == 0 and result["broken"] == 0, result
            return result

        load("warm", 1)
        spent = Spent(city, service)
        result = load("fed", 4)
        spent.end(result["requests"])
    count = applied(city, f"rest-{name}-fed")
    # What was under way when wrk ended is applied too.
    assert result["requests"] <= count <= result["requests"] + 64, (count, result)
    return result["requests"] / result["seconds"], spent


def by_amqp(city, ids, name):
    """Updates per second by AMQP, fed by a full queue: from the first thousands to the last."""
    before, receipts = applied(city, "amqp"), accepted(city)
    send_statuses(city, [ids[number % len(ids)] for number in range(FED)], f"amqp-{name}")
    with Service(city, "status-ingest") as service:
        # By the service's own count, which costs the database nothing.
        def counted():
            text = urllib.request.urlopen(service.health + "/metrics", timeout=10).read().decode()
            return sum(int(float(line.rsplit(" ", 1)[1])) for line in text.splitlines()
                       if line.startswith("o311_status_updates_total{") and 'door="amqp"' in line and 'result="applied"' in line)

        def passed(count, seconds):
            end = time.monotonic() + seconds
            while (now := counted()) < count:
                assert time.monotonic() < end, f"{now} of {count} updates"
                time.sleep(0.02)
            return time.monotonic(), now

        start, first = passed(WARM, 30)
        spent = Spent(city, service)
        end, last = passed(FED, 120)
        spent.end(last - first)
    assert applied(city, "amqp") == before + FED and accepted(city) == receipts + FED
    return (last - first) / (end - start), spent


def accepted(city):
    return int(psql(city, "select count(*) from outbox where type like 'status_update.accepted%'"))


class Spent:
    """Microseconds of CPU for each update: of PostgreSQL, of the broker and of the service."""

    def __init__(self, city, service):
        self.city, self.service = city, service
        self.begin = self.now()

    def now(self):
        def of(name):
            return sum(cpu_seconds(pid) for pid in self.city.processes(name))
        return of("postgres"), of("beam.smp"), cpu_seconds(self.service.process.pid)

    def end(self, updates):
        self.each = [1e6 * (after - before) / updates for before, after in zip(self.begin, self.now())]

    def __str__(self):
        return " + ".join(f"{microseconds:.0f}" for microseconds in self.each)


def statuses(city, table, rounds, post):
    """Updates applied per second through each door when it is fed fully, each to requests of its own with the same past; and batches of
    1,000; beside them, what the gateway takes of submissions in the same minute."""
    with Service(city, "gateway"):
        while int(psql(city, "select count(*) from service_requests")) < 40_000:
            post(city, 2, 64)
    ids = psql(city, "select id from service_requests order by id limit 40000").split()
    # Statuses are judged in the order in which they happened; which request is next is nobody's order.
    halves = [ids[::2], ids[1::2]]
    amqp, rest, posts, batches = [], [], [], []
    for number in range(rounds):
        def settle():
            # For both the same: nothing of what came before is still being written, and what there is is known to the planner.
            psql(city, "truncate outbox")
            psql(city, "vacuum analyze")
            psql(city, "checkpoint")
        with Service(city, "gateway"):
            settle()
            posts.append(post(city, 4, 64)["rate"])
        doors = [(by_rest, rest, halves[number % 2]), (by_amqp, amqp, halves[1 - number % 2])]
        for door, rates, requests in doors if number % 2 == 0 else doors[::-1]:
            settle()
            rate, spent = door(city, requests, str(number))
            rates.append(rate)
            print(f"bench: status round {number + 1}: {door.__name__} {rate:.0f}/s; CPU {spent} µs (PostgreSQL + broker + service)", flush=True)
        with Service(city, "status-ingest"):
            # The first of a process prepares its statements.
            batches += [batch(city, ids, f"batch-{number}-{part}") for part in range(6)][1:]
        print(f"bench: status round {number + 1}: posts {posts[-1]:.0f}/s, "
              f"batches {', '.join(f'{milliseconds:.0f}' for milliseconds in batches[-5:])} ms", flush=True)

    def listed(values, form="{:.0f}"):
        return ", ".join(form.format(value) for value in values)

    def ratio(what, over, under, target, words):
        ratios = [one / other for one, other in zip(over, under)]
        table.row(what, f"{min(ratios):.2f} (worst of {rounds})", f"≥ {target}", min(ratios) >= target,
                  f"{listed(ratios, '{:.2f}')}; {listed(over)} ÷ {listed(under)} {words}")

    ratio("Status by REST ÷ ingest", rest, posts, 0.8, "updates/s applied ÷ posts/s, 64 connections each")
    ratio("Status by AMQP ÷ by REST", amqp, rest, 1, "updates/s applied, from a full queue ÷ from 64 connections")
    table.row("A batch of 1,000 statuses", f"{max(batches):.0f} ms (worst of {len(batches)})", "≤ 150 ms", max(batches) <= 150,
              f"{listed(sorted(batches))} ms, to 1,000 requests each, asked and answered over HTTP")


def batch(city, ids, name):
    """Milliseconds for one batch of 1,000 updates, from the first byte sent to the last one read."""
    some = random.sample(ids, 1_000)
    body = json.dumps({"updates": [
        dict(service_request_id=identifier, update_id=name, status="IN_PROCESS", status_notes="Une équipe passera demain matin") for identifier in some]}).encode()
    request = urllib.request.Request(
        city.settings["status_ingest_url"] + "/v1/status-updates", data=body,
        headers={"Authorization": f"Bearer {city.settings['crm_token']}", "Content-Type": "application/json"})
    start = time.monotonic()
    with urllib.request.urlopen(request, timeout=60) as answer:
        said = answer.read()
    milliseconds = 1e3 * (time.monotonic() - start)
    assert json.loads(said)["applied"] == 1_000, said[:500]
    return milliseconds


def send_statuses(city, ids, name):
    connection = pika.BlockingConnection(pika.URLParameters(city.settings["amqp_uri"]))
    channel = connection.channel()
    key = f"{city.settings['tenant']}.status_update.v1"
    for number, identifier in enumerate(ids):
        body = json.dumps(dict(service_request_id=identifier, status="IN_PROCESS", status_notes="Une équipe passera demain matin"))
        channel.basic_publish(
            city.settings["status_exchange"], key, body.encode(),
            pika.BasicProperties(message_id=f"{name}-{number}", delivery_mode=2, content_type="application/json"))
    queue = f"o311.{city.settings['tenant']}.status-in"
    # The tenant may not look at it; the provisioner may.
    wait_until(lambda: management(city, f"/api/queues/open311/{queue}").get("messages", 0) >= len(ids), 60, "the statuses wait")
    connection.close()
