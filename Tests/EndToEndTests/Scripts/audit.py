"""The audit and the counters of a city: every call is a row, nobody changes one, tampering is found; Prometheus loads our rules."""
import csv
import hashlib
import http.client
import io
import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import monitoring
import pika
from city import PROGRAM, City, wait_until

# Nobody of these may appear in a log, a metric or the audit.
PERSONS = ("Zébulon", "zebulon.canary@perso.example", "+33611223344", "Quatrebarbes", "zebulon@personne.example", "0611223344", "cage d'escalier B")
TRACE = "0af7651916cd43dd8448eb211c80319c"


class Audit:
    def __init__(self, city):
        self.city = city
        self.tenant = city.settings["tenant"]

    def command(self, *arguments, code=0):
        environment = dict(os.environ, BUS311_CONFIG=os.path.join(self.city.home, "settings.json"))
        done = subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def rows(self, *arguments, tenant=True):
        chosen = ["--tenant", self.tenant] if tenant else []
        text = self.command("audit", "search", *chosen, "--limit", "10000", "--format", "json", *arguments)
        return json.loads(text)

    def settled(self, count, *arguments, tenant=True):
        """The rows, as soon as there are so many: they are written behind the answers."""
        found = []

        def enough():
            found[:] = self.rows(*arguments, tenant=tenant)
            return len(found) >= count

        try:
            wait_until(enough, 15, f"{count} rows of {arguments}")
        except AssertionError as error:
            raise AssertionError(f"{error}: there are {found}") from None
        return found

    def sql(self, text, role=None, fails=False):
        """As the owner, or as one of the services' roles."""
        url = self.city.settings["database_url"]
        if role:
            with open(os.path.join(self.city.home, "settings.json"), encoding="utf-8") as file:
                url = json.load(file)["bus311"]["database"][role]
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", url, "-c", text], capture_output=True, text=True, timeout=60)
        assert (done.returncode != 0) == fails, (text, done.stdout, done.stderr)
        return done.stderr if fails else done.stdout.strip()


def post(city, fields, **headers):
    body = urllib.parse.urlencode(dict(
        jurisdiction_id=city.settings["jurisdiction_id"], api_key=city.settings["api_key"], service_code="LAMP", lat="43.6", long="3.2",
        description="Lampadaire", **fields)).encode()
    request = urllib.request.Request(city.settings["gateway_url"] + "/requests.json", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)[0]["service_request_id"], hashlib.sha256(body).hexdigest(), len(body), dict(answer.headers)


def put(city, request_id, update_id, body, **headers):
    request = urllib.request.Request(
        f"{city.settings['status_ingest_url']}/v1/service-requests/{request_id}/updates/{update_id}", method="PUT",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {city.settings['crm_token']}", "Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status


def trace_from_post_to_status(audit):
    """One trace: the app's POST, the message's header, the CRM's status, each a row that carries its id."""
    city = audit.city
    parent = f"00-{TRACE}-b7ad6b7169203331-01"
    request_id, body_hash, size, _ = post(
        city, dict(first_name="Zébulon", last_name="Quatrebarbes", email="zebulon@personne.example", phone="0611223344",
                   address_string="cage d'escalier B"), traceparent=parent, **{"X-Request-Id": "=1+1|cmd"[:4] + "-app-7"})
    connection = pika.BlockingConnection(pika.URLParameters(city.settings["amqp_uri"]))
    channel = connection.channel()
    taken = []

    def arrived():
        method, properties, body = channel.basic_get(city.settings["request_queue"])
        if method and properties.correlation_id == request_id:
            channel.basic_ack(method.delivery_tag)
            taken.append((properties, body))
        return bool(taken)

    wait_until(arrived, 15, "the message")
    properties, body = taken[0]
    header = properties.headers["traceparent"]
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", header) and header != parent, header

    # By REST without a word of the trace: it is the request's. By AMQP with the message's own header.
    assert put(city, request_id, "a-1", {"status": "IN_PROCESS"}) == 201
    update = json.dumps({"service_request_id": request_id, "status": "closed", "status_notes": "fait"}).encode()
    channel.basic_publish(
        city.settings["status_exchange"], f"{audit.tenant}.status_update.v1", update,
        pika.BasicProperties(message_id="a-2", content_type="application/json", headers={"traceparent": header}))
    connection.close()

    rows = audit.settled(4, "--correlation", TRACE)
    # The receipt is another message, about a message.
    found = {(row["direction"], row["operation"]): row for row in rows}
    assert len(rows) == 4, rows
    in_http = found["in.http", "POST requests"]
    assert in_http["request"] == request_id and in_http["result"] == "200" and in_http["body_sha256"] == body_hash, in_http
    assert in_http["bytes_in"] == size and in_http["correlation_id"] == "=1+1-app-7" and in_http["actor"], in_http
    out = found["out.amqp", "service_request.created.v1"]
    assert out["result"] == "confirmed" and out["body_sha256"] == hashlib.sha256(body).hexdigest(), out
    assert out["correlation_id"] == properties.message_id and out["bytes_out"] == len(body) and out["duration_ms"] > 0, out
    assert found["in.rest", "PUT updates"]["result"] == "201" and found["in.rest", "PUT updates"]["objects"] == "applied", found
    by_amqp = found["in.amqp", "status_update"]
    assert by_amqp["result"] == "applied" and by_amqp["body_sha256"] == hashlib.sha256(update).hexdigest(), by_amqp
    assert all(row["trace_id"] == TRACE for row in rows)

    # Ids that a CRM chose: who may be in one is not written down.
    connection = pika.BlockingConnection(pika.URLParameters(city.settings["amqp_uri"]))
    for chosen in ("zebulon.canary@perso.example", "+33611223344", f"crm-{request_id}-7"):
        connection.channel().basic_publish(
            city.settings["status_exchange"], f"{audit.tenant}.status_update.v1", update,
            pika.BasicProperties(message_id=chosen, content_type="application/json"))
    connection.close()
    audit.settled(2, "--correlation", "hidden", "--direction", "in.amqp")
    audit.settled(1, "--correlation", f"crm-{request_id}-7", "--direction", "in.amqp")

    # Made when absent; what is no trace is none.
    for index, headers in enumerate(({}, {"traceparent": "00-" + "0" * 32 + "-b7ad6b7169203331-01"}, {"traceparent": "nonsense"})):
        other, *_ = post(city, {}, **headers)
        row, = audit.settled(1, "--request", other, "--direction", "in.http")
        assert re.fullmatch("[0-9a-f]{32}", row["trace_id"]) and set(row["trace_id"]) != {"0"} and row["trace_id"] != TRACE, (index, row)
    return request_id


def every_call_is_a_row(audit):
    """Counts of a burst, refusals among them, against what was sent."""
    city = audit.city
    before = len(audit.rows("--operation", "POST requests", "--result", "200"))
    known = [city.post(f"Trou {number}")[1][0]["service_request_id"] for number in range(40)]
    assert city.post("x", service_code="NOPE")[0] == 404
    assert city.post("x", api_key="wrong")[0] == 403
    audit.settled(1, "--operation", "POST requests", "--result", "404")
    audit.settled(1, "--operation", "POST requests", "--result", "403")
    after = audit.settled(before + 40, "--operation", "POST requests", "--result", "200")
    assert len(after) == before + 40 and {row["request"] for row in after} >= set(known)
    assert len({row["number"] for row in after}) == len(after)
    outgoing = audit.settled(before + 40, "--direction", "out.amqp", "--operation", "service_request.created.v1", "--result", "confirmed")
    assert sorted(row["request"] for row in outgoing) == sorted(row["request"] for row in after)

    # A flood of reads is counted, not dropped.
    host = urllib.parse.urlsplit(city.settings["gateway_url"])
    connection = http.client.HTTPConnection(host.hostname, host.port)
    for _ in range(600):
        connection.request("GET", host.path + "/services.json?jurisdiction_id=" + city.settings["jurisdiction_id"])
        connection.getresponse().read()
    connection.close()

    def counted():
        return sum(row["calls"] for row in audit.rows("--operation", "GET services")) == 600

    wait_until(counted, 15, "600 reads are counted")
    # Answers that stand ready have their caller's words too.
    for number in (1, 2):
        urllib.request.urlopen(urllib.request.Request(
            city.settings["gateway_url"] + "/services.json?jurisdiction_id=" + city.settings["jurisdiction_id"],
            headers={"X-Request-Id": f"ready-{number}", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}), timeout=10)
        row, = audit.settled(1, "--correlation", f"ready-{number}")
        assert row["trace_id"] == TRACE, row
    # What is nobody's.
    try:
        urllib.request.urlopen(city.settings["gateway_url"].replace("/open311/v2", "/wp-login.php"), timeout=10)
    except urllib.error.HTTPError as error:
        assert error.code == 404
    audit.settled(1, "--operation", "GET unknown", "--result", "404", tenant=False)


def administration(audit):
    """A command is a row under its name, and each call that it makes one more."""
    audit.command("tenant", "apply", audit.tenant)
    row = audit.settled(1, "--direction", "admin", "--operation", "tenant apply")[-1]
    assert row["result"] == "exit 0" and row["actor"], row
    asking = audit.settled(1, "--direction", "out.http", "--actor", "watch", tenant=False)
    assert asking and not audit.rows("--direction", "out.http", "--actor", "photos", tenant=False), "the watch asks under its own name"
    calls = audit.settled(1, "--direction", "out.http")
    assert all(call["objects"].startswith("http://127.0.0.1:") and "/api" not in call["objects"] for call in calls), calls[0]
    audit.command("erase", "2611999999999", "--reason", "legal_order", code=64)
    failed = audit.settled(1, "--direction", "admin", "--operation", "erase", tenant=False)[-1]
    assert failed["result"] == "exit 64", failed
    searched = audit.settled(1, "--direction", "admin", "--operation", "audit search")
    assert searched, "looking at the audit is a call too"


def export(audit, request_id):
    """The same rows as CSV and as JSON lines; what an app wrote is no formula."""
    text = audit.command("audit", "export", "--tenant", audit.tenant, "--as", "csv")
    table = list(csv.DictReader(io.StringIO(text)))
    lines = [json.loads(line) for line in audit.command("audit", "export", "--tenant", audit.tenant).splitlines()]
    by_id = {str(line["id"]): line for line in lines}
    assert len(table) > 50 and len(lines) >= len(table)
    for row in table:
        for column, value in row.items():
            assert not value or value[0] not in "=+-@\t\r", (column, value)
            wanted = by_id[row["id"]][column]
            wanted = f"{wanted:.3f}" if column == "duration_ms" else "" if wanted is None else str(wanted)
            assert value.removeprefix("'") == wanted, (column, value, wanted)
    assert any(row["correlation_id"] == "'=1+1-app-7" for row in table)
    assert len([row for row in table if row["request"] == request_id]) >= 4
    # By the CRM's token: its own rows only, in pages.
    base = audit.city.settings["status_ingest_url"] + "/v1/audit?format=jsonl&limit=20"
    seen, address = [], base
    while address:
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {audit.city.settings['crm_token']}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            seen += [json.loads(line) for line in answer.read().decode().splitlines()]
            link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers["Link"] or "")
        address = urllib.parse.urljoin(base, link.group(1)) if link else None
    assert {line["id"] for line in seen} >= {line["id"] for line in lines} - {lines[-1]["id"]}
    assert {line["tenant"] for line in seen} == {audit.tenant}
    for token, wanted in (("wrong", 401), (None, 401)):
        request = urllib.request.Request(base, headers={"Authorization": f"Bearer {token}"} if token else {})
        try:
            urllib.request.urlopen(request, timeout=10)
            raise AssertionError("an audit without a token")
        except urllib.error.HTTPError as error:
            assert error.code == wanted


def nobody_changes_a_row(audit):
    """Each role of a service; then the owner, who first has to take the trigger away."""
    changes = (
        "update audit set result = '204'", "delete from audit", "truncate audit", "update audit_seals set rows = 0",
        "delete from audit_seals", "update audit_writers set lost = 0", "delete from audit_writers", "drop table audit_seals",
        "alter table audit disable trigger all", "set session_replication_role = replica",
        "insert into audit (stored_at, tenant_id, at, direction, operation, result, duration_us, bytes_in, bytes_out)"
        " values (now() - interval '1 day', 0, now(), 'admin', 'x', 'x', 0, 0, 0)",
        # A month is a table of its own.
        "do $$ begin execute 'delete from audit_' || to_char(now() at time zone 'UTC', 'YYMM'); end $$",
    )
    with open(os.path.join(audit.city.home, "settings.json"), encoding="utf-8") as file:
        urls = json.load(file)["bus311"]["database"]
    roles = ("ingest", "gateway", "status", "relay", "watch", "admin", "photos", "mailer")
    # The demonstration's backups are made by the owner.
    assert set(roles) | {"owner", "backup"} == set(urls), "a role that is not tried"
    for role in roles:
        done = subprocess.run(["psql", "-XAtq", urls[role]] + [word for change in changes for word in ("-c", change)],
                              capture_output=True, text=True, timeout=60)
        refusals = [line for line in done.stderr.splitlines() if "permission denied" in line or "must be owner" in line]
        assert len(refusals) == len(changes), (role, done.stdout, done.stderr)
    assert "only ever added to" in audit.sql("update audit set result = '204'", fails=True)
    assert "only ever added to" in audit.sql("delete from audit", fails=True)
    month = audit.sql("select 'audit_' || to_char(now() at time zone 'UTC', 'YYMM')")
    for table in ("audit", month, "audit_seals", "retention_ledger"):
        assert "only ever added to" in audit.sql(f"truncate {table}", fails=True), table


def tampering(audit):
    """Two days that are over; then somebody who may do everything changes one row, takes one away, and makes a fitting seal."""
    tenant = audit.sql(f"select id from tenants where key = '{audit.tenant}'")
    for days in (2, 1):
        audit.sql(
            "insert into audit (stored_at, tenant_id, at, direction, operation, result, duration_us, bytes_in, bytes_out) "
            f"select moment, {tenant}, moment, 'in.http', 'POST requests', '200', number, 1, 1 from generate_series(1, 50) number, "
            f"lateral (select date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' - interval '{days} days' "
            "+ number * interval '1 minute' as moment) moments")
    audit.command("audit", "seal")
    kept = audit.command("audit", "seal", "--list", "--format", "json")
    assert len(json.loads(kept)) >= 4
    keeping = os.path.join(audit.city.folder.name, "seals.json")
    with open(keeping, "w", encoding="utf-8") as file:
        file.write(kept)
    assert "as they were written" in audit.command("audit", "verify", "--against", keeping)
    assert "Every day that is over is sealed" in audit.command("audit", "seal")

    yesterday = "stored_at >= date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' - interval '1 day' and stored_at < " \
        "date_trunc('day', now() at time zone 'UTC') at time zone 'UTC'"

    def forge(text):
        """As a superuser, who passes over the trigger and leaves it as it was."""
        audit.sql(f"set session_replication_role = replica; {text}")

    def found(kind, *more):
        report = json.loads(audit.command("audit", "verify", "--format", "json", *more, code=1))
        assert kind in {finding["kind"] for finding in report["findings"] if finding["tampering"]}, report

    forge(f"update audit set result = '500' where {yesterday} and duration_us = 7")
    found("changed-day")
    forge(f"update audit set result = '200' where {yesterday} and duration_us = 7")
    audit.command("audit", "verify", "--against", keeping)
    forge(f"update audit set duration_us = 51 where {yesterday} and duration_us = 50")
    found("changed-day")
    forge(f"delete from audit where {yesterday} and duration_us = 51")
    found("changed-day")
    # All that follows sealed anew: without a copy elsewhere nothing is wrong, with one it is.
    forge("delete from audit_seals where day = (now() at time zone 'UTC')::date - 1")
    found("unsealed-day")
    audit.command("audit", "seal")
    audit.command("audit", "verify")
    found("other-seal", "--against", keeping)
    # A day goes with its seal: the next one does not continue.
    forge("delete from audit_seals where day = (now() at time zone 'UTC')::date - 2")
    found("broken-chain")
    # Today's row of a process has a number that is missed, seal or not.
    forge("delete from audit where ctid in (select ctid from audit where number = 3 limit 1) and number = 3")
    found("missing-rows")
    # Events' rows have no numbers: the outbox knows what was confirmed.
    forge("delete from audit where ctid in (select ctid from audit where direction = 'out.amqp' and result = 'confirmed' limit 2)"
          " and direction = 'out.amqp'")
    found("missing-events")
    # The first days as a whole: what is left says nothing of them, but nothing went by retention either.
    first = audit.sql("select min(day) from audit_seals where tenant_id <> 0 and rows > 0")
    forge(f"delete from audit where stored_at < '{first} 00:00:00+00'::timestamptz + interval '1 day'")
    report = json.loads(audit.command("audit", "verify", "--format", "json", code=1))
    assert any(finding["kind"] == "changed-day" and first in finding["text"] for finding in report["findings"]), report


def killed_and_stopped(audit):
    """kill -9 in the middle of posts: what the audit lost is known by the requests, and written down again."""
    city = audit.city
    answered = [city.post(f"Avant la fin {number}")[1][0]["service_request_id"] for number in range(30)]
    city.kill(" all")
    wait_until(lambda: ready(city), 40, "the services are back")
    answered.append(city.post("Après")[1][0]["service_request_id"])
    wait_until(lambda: audit.rows("--request", answered[-1], "--direction", "in.http"), 15, "the last one is there")

    def told():
        rows = audit.rows("--direction", "in.http", "--result", "200")
        return [(row["request"], row["operation"]) for row in rows if row["request"] in answered]

    missing = set(answered) - {request for request, _ in told()}
    # The latest seconds are left to the process that is still writing.
    wait_until(lambda: audit.command("audit", "recover") and len(told()) >= len(answered), 30, "recovered")
    recovered = audit.rows("--operation", "recovered")
    assert {row["request"] for row in recovered} == missing and not any(row["actor"] for row in recovered), recovered
    # A crash is no tampering, and the exit code says so.
    audit.sql("update audit_writers set seen_at = seen_at - interval '2 minutes' where ended_at is null and id <> all (array("
              "select max(id) from audit_writers group by service))")
    report = json.loads(audit.command("audit", "verify", "--format", "json", code=0))
    assert "silent-end" in {finding["kind"] for finding in report["findings"]} and not any(f["tampering"] for f in report["findings"]), report
    assert sorted(told()) == sorted((request, "recovered" if request in missing else "POST requests") for request in answered)
    # The events that were confirmed are there, whoever was killed when: row and settlement are one transaction.
    wait_until(lambda: audit.sql("select count(*) from outbox where state = 'pending'") == "0", 30, "the outbox is empty")
    counts = audit.sql(
        "select (select count(*) from outbox where state = 'confirmed'), (select count(*) from audit where direction = 'out.amqp' and result = 'confirmed')")
    first, second = counts.split("|")
    assert first == second, counts
    return len(missing)


def ready(city):
    try:
        with urllib.request.urlopen(city.settings["health_url"] + "/health/ready", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def metrics(city):
    with urllib.request.urlopen(city.settings["health_url"] + "/metrics", timeout=10) as answer:
        return answer.read().decode()


def counters(audit, prometheus):
    """What the city counts is what was done; what each fault does to the rules."""
    city = audit.city
    monitoring.check(metrics(city))
    text = metrics(city)

    def value(pattern):
        return sum(float(found) for found in re.findall(rf"^{pattern} (\S+)$", text, re.M))

    posted = audit.rows("--operation", "POST requests", "--result", "200")
    assert value(rf'o311_requests_created_total\{{tenant="{audit.tenant}".*\}}') == len(posted)
    assert value(rf'o311_crm_ack_delay_seconds_count\{{tenant="{audit.tenant}"\}}') == 1
    assert value(r"o311_relay_published_total\{.*\}") >= len(posted)
    assert 'o311_outbox_parked{tenant="' in text and "o311_relay_confirm_duration_seconds_bucket" in text
    assert re.search(r'^o311_build_info\{version="[^"]+",commit="([0-9a-f]{40}|unknown)"\} 1$', text, re.M)
    prometheus.has_our_rules()
    # Nobody has consumed, and the second target was never there.
    prometheus.fires("Bus311NoConsumer", "Bus311Down")
    for number in range(12):
        try:
            put(city, "2611999999999", f"r-{number}", {"status": "closed"})
        except urllib.error.HTTPError as error:
            assert error.code == 404
    connection = pika.BlockingConnection(pika.URLParameters(city.settings["amqp_uri"]))
    channel = connection.channel()
    for _ in range(2):
        method, _, _ = channel.basic_get(city.settings["request_queue"])
        channel.basic_reject(method.delivery_tag, requeue=False)
    channel.basic_consume(city.settings["request_queue"], lambda *_: None)
    prometheus.fires("Bus311DeadLetters", "Bus311StatusesRefused")

    def consumed():
        connection.process_data_events(0.2)
        return "Bus311NoConsumer" not in prometheus.firing()

    wait_until(consumed, 40, "a consumer is seen")
    connection.close()
    prometheus.draws_our_dashboard()


def broker_killed(audit, prometheus):
    """A broker that dies is an alert within seconds, and over by itself."""
    audit.city.kill("beam")
    prometheus.fires("Bus311DependencyDown")
    prometheus.clears("Bus311DependencyDown")


def without_tenants(audit):
    """The switch: no series tells tenants apart; what can be added up is."""
    city = audit.city
    port = city.spare_ports[1]
    environment = dict(os.environ, BUS311_CONFIG=os.path.join(city.home, "settings.json"), BUS311_HEALTH_PORT=str(port),
                       BUS311_METRICS_TENANT_LABEL="false")
    with open(os.path.join(city.folder.name, "watch.log"), "w", encoding="utf-8") as log:
        process = subprocess.Popen([PROGRAM, "watch"], env=environment, stdout=log, stderr=log)
    try:
        def shown():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
                    return answer.read().decode()
            except OSError:
                return ""

        wait_until(lambda: "o311_outbox_pending" in shown() and "o311_audit_sealed" in shown(), 20, "the watch counts")
        assert 'tenant="' not in shown() and "o311_outbox_parked" not in shown()
    finally:
        process.terminate()
        assert process.wait(30) == 0


def nobody_by_name(audit):
    texts = {"log": audit.city.log(), "metrics": metrics(audit.city), "audit": audit.command("audit", "export", "--tenant", audit.tenant)}
    texts["audit, nobody's"] = audit.command("audit", "export")
    for where, text in texts.items():
        for person in PERSONS:
            assert person not in text, f"{person} stands in the {where}"


def main():
    with City() as city, monitoring.Prometheus(city) as prometheus:
        audit = Audit(city)
        monitoring.files_agree()
        request_id = trace_from_post_to_status(audit)
        every_call_is_a_row(audit)
        counters(audit, prometheus)
        administration(audit)
        export(audit, request_id)
        nobody_changes_a_row(audit)
        without_tenants(audit)
        broker_killed(audit, prometheus)
        lost = killed_and_stopped(audit)
        nobody_by_name(audit)
        tampering(audit)
    print(f"audit: 12 passed, 0 failed ({lost} rows recovered after a kill)")


main()
