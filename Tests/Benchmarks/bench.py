"""`make bench`: every figure beside its baseline in the same run, three rounds interleaved; the table goes to docs/benchmarks.md."""
import argparse
import http.client
import json
import os
import threading
import time
import urllib.parse
from statistics import median

import bus
import photo_speed
import pika
import place_speed
import reference_speed
import retention_speed
import size_speed
import usage_speed
from measure import (
    BUILT, REPOSITORY, City, Service, bare_route, consumer, form_fields, hand_over, make_baseline_database, million, pgbench, post, psql,
    run, wait_until, wrk,
)

ROUNDS, SECONDS, BACKLOG = 3, 5, 50_000


class Table:
    def __init__(self):
        self.lines, self.missed = [], []

    def row(self, what, measured, target, reached, detail):
        line = f"| {what} | {measured} | {target} | {'yes' if reached else '**no**'} | {detail} |"
        if not reached:
            self.missed.append(what)
        self.lines.append(line)
        print(line, flush=True)


def say(text):
    print(f"bench: {text}", flush=True)


def listed(values, form="{:.2f}"):
    return ", ".join(form.format(value) for value in values)


def waiting_events(city):
    return int(psql(city, "select count(*) from outbox where state = 'pending'"))


def wait_for_relay(city):
    wait_until(lambda: waiting_events(city) == 0, 120, "the outbox is empty")


def drain(city):
    """Waits until everything is published, then empties the queue."""
    wait_for_relay(city)
    connection = pika.BlockingConnection(pika.URLParameters(city.settings["amqp_uri"]))
    connection.channel().queue_purge(city.settings["request_queue"])
    connection.close()


def depth(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


def reached(channel, queue, messages):
    """When there were so many in the queue, and how many there were then. A broker tells nobody of a queue's depth."""
    wait_until(lambda: depth(channel, queue) >= messages, 60, f"{messages} messages are in the queue", every=0.02)
    return time.monotonic(), depth(channel, queue)


def ingest(city, table):
    """Accepted posts against the best that one transaction per request does, and one client against one client."""
    event_bytes = int(psql(city, "select coalesce(avg(length(body)), 900)::integer from outbox"))
    ratios, best_rates, p99s, lone = [], [], [], []
    rates = []
    for number in range(ROUNDS):
        base = {clients: pgbench(city, clients, SECONDS, event_bytes) for clients in (1, 16, 64)}
        with Service(city, "gateway"):
            post(city, 2, 64)
            many = post(city, SECONDS, 64)
            one = post(city, SECONDS, 1)
        best = max(rate for rate, _ in base.values())
        best_rates.append(best)
        rates.append(many["rate"])
        ratios.append(many["rate"] / best)
        p99s.append(many["p99_ms"])
        lone.append(1e3 / one["rate"] / base[1][1])
        say(f"ingest round {number + 1}: {many['rate']:.0f}/s, p99 {many['p99_ms']:.1f} ms; pgbench " +
            ", ".join(f"{clients}: {rate:.0f}/s" for clients, (rate, _) in base.items()) + f"; one client {1e3 / one['rate']:.2f} ms")
    table.row("Ingest ÷ pgbench, 64 connections", f"{min(ratios):.2f} (worst of {ROUNDS})", "≥ 1.5", min(ratios) >= 1.5,
              f"{listed(ratios)}; {listed(rates, '{:.0f}')} posts/s ÷ {listed(best_rates, '{:.0f}')} tx/s")
    table.row("Ingest p99 under load", f"{max(p99s):.1f} ms", "≤ 25 ms", max(p99s) <= 25, listed(p99s, "{:.1f}"))
    table.row("One client ÷ pgbench, one client", f"{max(lone):.2f} (worst)", "≤ 1.3", max(lone) <= 1.3, listed(lone))
    # More than a tenant's queue may hold: the relay would wait for a consumer.
    psql(city, "truncate outbox, service_requests, reporters")
    return median(rates), median(best_rates)


def audit(city, table):
    """Posts with the audit and without, turn by turn, on one database: what a row for each call costs."""
    ratios, rates = [], []
    for number in range(2 * ROUNDS):
        measured = {}
        # Whoever comes second finds fuller tables: turns change.
        for fail_point in (("", "gateway-without-audit"), ("gateway-without-audit", ""))[number % 2]:
            os.environ["BUS311_FAILPOINT"] = fail_point
            with Service(city, "gateway"):
                post(city, 1, 64)
                measured[fail_point] = post(city, SECONDS, 64)["rate"]
        os.environ.pop("BUS311_FAILPOINT")
        ratios.append(measured["gateway-without-audit"] / measured[""] - 1)
        rates.append(measured[""])
        psql(city, "truncate outbox, service_requests, reporters")
        say(f"audit round {number + 1}: {measured['']:.0f}/s, without {measured['gateway-without-audit']:.0f}/s")
    cost = 100 * median(ratios)
    table.row("Audit's cost to the ingest rate", f"{cost:.1f} % (median of {2 * ROUNDS} pairs)", "≤ 5 %", cost <= 5,
              f"{listed([100 * ratio for ratio in ratios], '{:.1f}')} %; {listed(rates, '{:.0f}')} posts/s with it")


def through(city, table):
    """Accepted, published, confirmed, taken by a consumer and acknowledged, all at once."""
    ratios, rates = [], []
    for number in range(ROUNDS):
        base = max(pgbench(city, clients, SECONDS, 900)[0] for clients in (16, 64))
        with Service(city, "gateway"), Service(city, "relay"):
            drain(city)
            with consumer(city, city.settings["request_queue"], 10_000_000) as taken:
                start = time.monotonic()
                posted = post(city, SECONDS, 64)
                wait_for_relay(city)
                elapsed = time.monotonic() - start
        assert taken["messages"] >= posted["requests"], (taken, posted)
        rates.append(posted["requests"] / elapsed)
        ratios.append(rates[-1] / base)
        say(f"through round {number + 1}: {rates[-1]:.0f}/s ({posted['rate']:.0f} posts/s), pgbench {base:.0f}/s, "
            f"age p50 {taken['age_p50_ms']:.0f} ms p99 {taken['age_p99_ms']:.0f} ms")
    table.row("Through ÷ pgbench", f"{min(ratios):.2f} (worst of {ROUNDS})", "≥ 0.9", min(ratios) >= 0.9,
              f"{listed(ratios)}; {listed(rates, '{:.0f}')} requests/s accepted and taken")


def relay(city, table):
    """A backlog drained to a quorum queue, against a plain C publisher with the same window and size."""
    queue = city.settings["request_queue"]
    exchange = f"o311.{city.settings['tenant']}.out"
    key = f"{city.settings['tenant']}.service_request.created.v1"
    with open(os.path.join(city.home, "settings.json"), encoding="utf-8") as file:
        relay_uri = json.load(file)["bus311"]["broker"]["relay"]
    ratios, rates, plain_rates = [], [], []
    for number in range(ROUNDS):
        with Service(city, "gateway"):
            while waiting_events(city) < BACKLOG:
                post(city, 2, 64)
        waiting, size = map(int, psql(city, "select count(*), avg(length(body))::integer from outbox where state = 'pending'").split("|"))
        connection = pika.BlockingConnection(pika.URLParameters(city.settings["amqp_uri"]))
        channel = connection.channel()
        with Service(city, "relay"):
            # As the plain publisher's clock does, this one starts when there is a connection.
            moment, first = reached(channel, queue, 1)
            end, last = reached(channel, queue, waiting)
            elapsed, moved = end - moment, last - first
            drain(city)
        plain = json.loads(run(os.path.join(BUILT, "plain-amqp"), "publish", relay_uri, exchange, key, str(BACKLOG), str(size), "256"))
        channel.queue_purge(queue)
        connection.close()
        rates.append(moved / elapsed)
        plain_rates.append(plain["messages"] / plain["seconds"])
        ratios.append(rates[-1] / plain_rates[-1])
        say(f"relay round {number + 1}: {rates[-1]:.0f}/s, plain C {plain_rates[-1]:.0f}/s")
    table.row("Relay ÷ plain C publisher", f"{min(ratios):.2f} (worst of {ROUNDS})", "≥ 0.8", min(ratios) >= 0.8,
              f"{listed(ratios)}; {listed(rates, '{:.0f}')} ÷ {listed(plain_rates, '{:.0f}')} messages/s of {size} bytes, window 256")


def against_bare(city, path, what):
    """Three rounds of a GET and of a bare Hummingbird route that answers the same bytes."""
    ratios, rates, bares = [], [], []
    with bare_route(city, city.get(path), "application/json; charset=utf-8") as bare:
        for number in range(ROUNDS):
            rates.append(wrk(city.settings["gateway_url"] + path, SECONDS, 64)["rate"])
            bares.append(wrk(bare, SECONDS, 64)["rate"])
            ratios.append(rates[-1] / bares[-1])
            say(f"{what} round {number + 1}: {rates[-1]:.0f}/s, bare {bares[-1]:.0f}/s")
    return min(ratios), f"{listed(ratios)}; {listed(rates, '{:.0f}')} ÷ {listed(bares, '{:.0f}')} requests/s"


def compare(city, table, path, what, target):
    worst, detail = against_bare(city, path, what)
    table.row(f"GET {what} ÷ bare Hummingbird", f"{worst:.2f} (worst of {ROUNDS})", f"≥ {target}", worst >= target, detail)


def reading(city, table):
    """One request, and the catalogue with its ETag, against a bare route with the same bytes."""
    jurisdiction = "jurisdiction_id=" + city.settings["jurisdiction_id"]
    with Service(city, "gateway"):
        code, answer = city.post("Lampadaire éteint " * 25)
        assert code == 200, answer
        compare(city, table, f"/requests/{answer[0]['service_request_id']}.json?{jurisdiction}", "one request", 0.5)
        compare(city, table, f"/services.json?{jurisdiction}", "the catalogue", 0.8)


def lists(city, table):
    """Lists and searches among a million requests of 50 tenants over 13 months."""
    say("storing a million requests")
    tenant = million(city)
    jurisdiction = "jurisdiction_id=" + city.settings["jurisdiction_id"]
    with Service(city, "gateway"):
        compare(city, table, f"/requests.json?{jurisdiction}&page_size=50", "a list of 50", 0.25)
        path = f"/requests.json?{jurisdiction}"
        body = json.loads(city.get(path))
        assert len(body) == 1_000, len(body)
        ratios, times, rows = [], [], []
        for _ in range(ROUNDS):
            rows.append(hand_over(city, tenant))
            times.append(wrk(city.settings["gateway_url"] + path, SECONDS, 1)["p50_ms"])
            ratios.append(times[-1] / rows[-1])
        table.row("GET a list of 1,000 ÷ PostgreSQL handing over the rows", f"{max(ratios):.2f} (worst of {ROUNDS})", "≤ 3", max(ratios) <= 3,
                  f"{listed(ratios)}; {listed(times, '{:.1f}')} ÷ {listed(rows, '{:.1f}')} ms")
        path = f"/requests.json?{jurisdiction}&lat=43.6&long=3.2&radius=3000&page_size=50"
        assert len(json.loads(city.get(path))) == 50
        alone = [wrk(city.settings["gateway_url"] + path, SECONDS, 1) for _ in range(ROUNDS)]
        four = wrk(city.settings["gateway_url"] + path, SECONDS, 4)
        slowest = max(round["p99_ms"] for round in alone)
        table.row("Radius search of 50, p99, one at a time", f"{slowest:.1f} ms (worst of {ROUNDS})", "≤ 20 ms", slowest <= 20,
                  f"{listed([round['p99_ms'] for round in alone], '{:.1f}')} ms; four at a time: p50 {four['p50_ms']:.1f} ms, "
                  f"p99 {four['p99_ms']:.1f} ms, {four['rate']:.0f}/s")


def text_after(body, mark):
    return body.split(mark, 1)[1].split(b'"', 1)[0].decode()


def one_at_a_time(city, count):
    """Milliseconds from the answer of each POST to its message in a consumer's hands; negative when the message was first."""
    arrived, arriving, ready = {}, threading.Condition(), threading.Event()

    def consume():
        connection = pika.BlockingConnection(pika.URLParameters(city.settings["amqp_uri"]))
        channel = connection.channel()
        channel.basic_qos(prefetch_count=10)

        def take(channel, method, properties, body):
            now = time.monotonic()
            channel.basic_ack(method.delivery_tag)
            with arriving:
                arrived[text_after(body, b'"subject":"')] = now
                arriving.notify()
            if len(arrived) == count:
                channel.stop_consuming()

        channel.basic_consume(city.settings["request_queue"], take)
        ready.set()
        channel.start_consuming()
        connection.close()

    thread = threading.Thread(target=consume)
    thread.start()
    ready.wait(10)
    gateway = urllib.parse.urlsplit(city.settings["gateway_url"])
    client = http.client.HTTPConnection(gateway.hostname, gateway.port, timeout=10)
    answered = {}
    for number in range(count):
        client.request("POST", gateway.path + "/requests.json", form_fields(city) + f"&service_code=LAMP&lat=43.6&long=3.2&description=un+{number}",
                       {"Content-Type": "application/x-www-form-urlencoded"})
        body = client.getresponse().read()
        now = time.monotonic()
        identifier = text_after(body, b'"service_request_id":"')
        answered[identifier] = now
        with arriving:
            arriving.wait_for(lambda: identifier in arrived, 10)
    thread.join(30)
    return sorted(1e3 * (arrived[identifier] - moment) for identifier, moment in answered.items())


def latency(city, table, ingest_rate):
    with Service(city, "gateway"), Service(city, "relay"):
        drain(city)
        lone = one_at_a_time(city, 1_000)
        p50, p99 = lone[len(lone) // 2], lone[len(lone) * 99 // 100]
        table.row("POST answered → in a consumer's hands, one at a time", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", "p50 ≤ 10, p99 ≤ 50 ms",
                  p50 <= 10 and p99 <= 50, f"{len(lone)} requests")
        half = ingest_rate / 2
        with consumer(city, city.settings["request_queue"], 10_000_000) as taken:
            posted = post(city, 10, 64, max(1, round(64e3 / half) - 3))
        table.row("The same at half of the ingest maximum", f"p50 {taken['age_p50_ms']:.0f} ms, p99 {taken['age_p99_ms']:.0f} ms",
                  "p50 ≤ 10, p99 ≤ 50 ms", taken["age_p50_ms"] <= 10 and taken["age_p99_ms"] <= 50,
                  f"{posted['rate']:.0f} posts/s of {ingest_rate:.0f}; from the event's making, so the commit is in it")


def memory(city, table):
    with Service(city, "gateway") as gateway, Service(city, "relay") as relay_process, Service(city, "status-ingest") as status:
        services = [gateway, relay_process, status]
        idle = [service.resident_megabytes() for service in services]
        seen = []
        with consumer(city, city.settings["request_queue"], 10_000_000):
            total = 0
            while total < 100_000:
                total += post(city, 2, 64)["requests"]
                seen.append(gateway.resident_megabytes())
            wait_for_relay(city)
        loaded = [service.resident_megabytes() for service in services]
    table.row("Resident size of the gateway", f"{loaded[0]:.0f} MB after {total:,} requests".replace(",", " "), "≤ 80 MB, flat",
              loaded[0] <= 80 and seen[-1] <= seen[len(seen) // 2] * 1.1,
              f"idle {idle[0]:.0f} MB, half way {seen[len(seen) // 2]:.0f} MB; relay {idle[1]:.0f} → {loaded[1]:.0f} MB, "
              f"status-ingest {idle[2]:.0f} → {loaded[2]:.0f} MB")


HEAD = "| What | Measured | Target | Reached | Rounds | When |"


def earlier_rows(path):
    """What the document says already, by the first column."""
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if line.startswith("| ")]
    return {line.split("|")[1].strip(): line for line in lines if line != HEAD and not line.startswith("| ---")}


def write(table, notes):
    """Rows that were measured now take the place of the earlier ones of the same name; the others stay, each with its date."""
    path = os.path.join(REPOSITORY, "docs", "benchmarks.md")
    processor = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "?")
    rows = earlier_rows(path) if os.path.exists(path) else {}
    today = time.strftime("%Y-%m-%d", time.gmtime())
    rows.update({line.split("|")[1].strip(): f"{line} {today} |" for line in table.lines})
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            "# Benchmarks\n\nWritten by `make bench` (`make bench BENCH='relay photos'` for a part): release build; clients, services, PostgreSQL "
            f"and RabbitMQ on one machine of {os.cpu_count()} cores ({processor}); each figure is a ratio to a baseline measured in the same run, "
            f"{ROUNDS} rounds interleaved, the worst counts. Absolute numbers move by half within an hour on a shared machine; ratios by a "
            f"tenth.\n\n{HEAD}\n| --- | --- | --- | --- | --- | --- |\n" + "\n".join(rows.values()) + "\n"
        )
        if os.path.exists(notes):
            with open(notes, encoding="utf-8") as more:
                file.write("\n" + more.read())
    say(f"written to {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, epilog="Example: make bench BENCH='relay latency'")
    parser.add_argument("parts", nargs="*", help="ingest, audit, through, relay, reading, lists, latency, memory, photos, status, reference, places, statistics, retention, sizes, fairness, idle; all of them when none is named")
    parts = parser.parse_args().parts
    table = Table()
    with City(servers_only=True, patient=True) as city:
        make_baseline_database(city)
        rate = 0
        if not parts or "ingest" in parts or "latency" in parts:
            rate, _ = ingest(city, table)
        for name, part in (("audit", audit), ("through", through), ("relay", relay), ("reading", reading), ("memory", memory), ("lists", lists)):
            if not parts or name in parts:
                part(city, table)
        if not parts or "latency" in parts:
            latency(city, table, rate)
        if not parts or "photos" in parts:
            photo_speed.photos(city, table, ROUNDS, SECONDS)
        if not parts or "status" in parts:
            bus.statuses(city, table, ROUNDS, post)
        if not parts or "reference" in parts:
            reference_speed.reference(city, table, ROUNDS)
        if not parts or "places" in parts:
            place_speed.places(city, table, ROUNDS)
        if not parts or "statistics" in parts:
            usage_speed.year(city, table, ROUNDS)
        if not parts or "retention" in parts:
            retention_speed.retention(city, table)
        if not parts or "sizes" in parts:
            size_speed.sizes(city, table)
        # Last: the tenants that they make stay.
        if not parts or "fairness" in parts:
            bus.fairness(city, table, ROUNDS)
        if not parts or "idle" in parts:
            bus.idle(city, table)
    write(table, os.path.join(REPOSITORY, "Tests", "Benchmarks", "notes.md"))
    if table.missed:
        say("missed: " + ", ".join(table.missed))


main()
