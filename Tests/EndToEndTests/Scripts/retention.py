"""One rolling year on a city that runs: the rehearsal, holds, a run killed in the middle and the one after it, the CRM that is told, photo
files, the daily run of the watch, a wrong clock; the register sheets in docs/ are what the command prints."""
import glob
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pika
import pictures
from city import PROGRAM, REPOSITORY, City, wait_until
from photobench import Bench

OLD = 5_000
CANARY = "canary-retention-5521"


class Scene:
    def __init__(self, city):
        self.city, self.config = city, os.path.join(city.home, "settings.json")
        self.tenant = city.settings["tenant"]

    def run(self, *words, code=0):
        done = subprocess.run([PROGRAM, *words, "--format", "json", "--config", self.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=120)
        assert done.returncode == code, (words, done.returncode, done.stdout.decode(), done.stderr.decode())
        return json.loads(done.stdout) if done.stdout.strip() else done.stderr.decode()

    def sql(self, text):
        done = subprocess.run(["psql", "-qtAX", "-v", "ON_ERROR_STOP=1", "-d", self.city.settings["database_url"], "-c", text], timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def number(self, text):
        return int(self.sql(text))

    def went(self, relation, action):
        return self.number(f"select coalesce(sum(rows), 0) from retention_ledger where relation = '{relation}' and action = '{action}'")


def make_past(scene):
    """Months of two years, and what an installation of that age has in them."""
    scene.sql("""
        set timezone = 'UTC';
        do $$ declare m date; p text; begin
            for i in 0..26 loop
                m := (date_trunc('month', now()) - make_interval(months => i))::date;
                foreach p in array array['service_requests', 'reporters', 'outbox', 'status_updates'] loop
                    execute format('create table if not exists %I partition of %I for values from (%s) to (%s)', p || '_' || to_char(m, 'YYMM'), p,
                        to_char(m, 'YYMM')::bigint * 1000000000, (to_char(m, 'YYMM')::bigint + 1) * 1000000000);
                end loop;
            end loop;
        end $$""")
    scene.sql(f"""
        set timezone = 'UTC';
        create table seeded as select to_char(at, 'YYMM')::bigint * 1000000000 + 900000000 + n as id, at
            from (select n, now() - interval '1 day' * (400 + n % 300) as at from generate_series(1, {OLD}) n) s;
        insert into service_requests (id, tenant_id, service_code, service_name, description, requested_at, updated_at, received_via, language)
            select id, (select id from tenants), 'LAMP', 'n', '{CANARY}', at, at, 'api', 'fr' from seeded;
        insert into reporters (request_id, tenant_id, first_name) select id, (select id from tenants), '{CANARY}' from seeded;
        insert into outbox (seq, event_id, tenant_id, shard, request_id, request_sequence, type, body, state, created_at, confirmed_at)
            select id, gen_random_uuid(), (select id from tenants), 0, id, 1, 'service_request.created.v1', '{CANARY}', 'confirmed', at, at from seeded""")


def age(scene, request, days):
    """Makes a request of today one of long ago: its number tells its month."""
    old = scene.number(f"""set timezone = 'UTC'; select to_char(now() - interval '{days} days', 'YYMM')::bigint * 1000000000 + {request} % 1000000000""")
    scene.sql(f"""
        begin;
        update service_requests set requested_at = now() - interval '{days} days', updated_at = now() - interval '{days} days' where id = {request};
        update service_requests set id = {old} where id = {request};
        update reporters set request_id = {old} where request_id = {request};
        update photos set request_id = {old} where request_id = {request};
        update client_references set request_id = {old}, created_at = now() - interval '{days} days' where request_id = {request};
        update outbox set request_id = {old} where request_id = {request};
        commit""")
    return old


def rehearsal(scene, real):
    before = scene.sql("select count(*), sum(length(description)) from service_requests")
    plan = scene.run("retention", "plan")
    step = next(step for step in plan["steps"] if step["action"] == "anonymised")
    assert step["rows"] == OLD + len(real) and step["table"] == "service_requests" and step["tenant"] == scene.tenant, plan
    assert len(step["sample"]) == 5 and all(word.isdigit() for word in step["sample"]), step
    dropped = {step["sample"][0] for step in plan["steps"] if step["action"] == "dropped"}
    assert any(name.startswith("outbox_") for name in dropped), plan
    assert scene.sql("select count(*), sum(length(description)) from service_requests") == before, "a rehearsal changes nothing"
    assert CANARY not in json.dumps(plan)
    assert "later than now" in scene.run("retention", "plan", "--at", "2099-01-01T00:00:00Z", code=64)
    assert "later than now" in scene.run("retention", "run", "--at", "2099-01-01T00:00:00Z", code=64)


def hold(scene, request):
    assert scene.run("retention", "hold", "add", str(request), "--because", "case 26/0417")["outcome"] == "held"
    assert scene.run("retention", "hold", "add", str(request), "--because", "again")["outcome"] == "repeated"
    listed = scene.run("retention", "hold", "list")
    assert [(row["service_request_id"], row["reason"]) for row in listed] == [(str(request), "case 26/0417")], listed
    assert "hold" in scene.run("erase", str(request), "--reason", "data_subject_request", code=64)
    asked = urllib.request.Request(
        f"{scene.city.settings['status_ingest_url']}/v1/service-requests/{request}/personal-data", method="DELETE",
        headers={"Authorization": f"Bearer {scene.city.settings['crm_token']}"})
    try:
        urllib.request.urlopen(asked, timeout=10)
        raise AssertionError("erased what is held")
    except urllib.error.HTTPError as error:
        assert error.code == 409 and "held-request" in error.read().decode()
    assert "No tenant" in scene.run("retention", "hold", "add", "2001000000001", "--because", "x", code=64)


def killed_in_the_middle(scene, real, held):
    """kill -9 at three places of the work; what went is in the ledger, what is left goes later, nothing twice."""
    for at_least in (200, 900, 1_700):
        run = subprocess.Popen([PROGRAM, "retention", "run", "--config", scene.config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while scene.went("service_requests", "anonymised") < at_least:
            assert run.poll() is None, "it was over before it could be killed"
        run.send_signal(signal.SIGKILL)
        run.wait(10)
        # The server ends what the dead client had begun.
        wait_until(lambda: scene.number("select count(*) from pg_locks where locktype = 'advisory' and objid = 3110092") == 0, 10, "its session is over")
        gone = scene.went("service_requests", "anonymised")
        assert gone == scene.number("select count(*) from service_requests where erased_at is not null") + scene.went("service_requests", "deleted")
        assert gone < OLD, "killed too late to prove anything"
    report = scene.run("retention", "run")
    assert report["outcome"] == "finished" and len(report["ledger"]) == 64, report
    total = OLD + len(real)
    assert scene.went("service_requests", "anonymised") == total - 1, "all but the one that is held"
    left = scene.number("select count(*) from service_requests where requested_at < now() - interval '395 days'")
    assert scene.went("service_requests", "deleted") + left == total and left >= 1
    assert scene.number(f"select count(*) from service_requests where description = '{CANARY}'") == 0
    assert scene.number("select count(*) from outbox where body <> '' and created_at < now() - interval '90 days'") == 0
    assert scene.number(f"select count(*) from service_requests where id = {held} and erased_at is null") == 1
    ledger = scene.run("retention", "ledger", "--verify", "--last", "20")
    assert ledger["faults"] == [] and [run["outcome"] for run in ledger["runs"]].count("interrupted") == 3, ledger["runs"]
    assert CANARY not in json.dumps(ledger)
    assert scene.number("select count(distinct request_id) - count(*) from outbox where type like 'service_request.erased%'") == 0, "told twice"
    scene.sql("alter table retention_ledger disable trigger append_only; update retention_ledger set rows = rows + 1 where number = 3;"
              "alter table retention_ledger enable trigger append_only")
    faults = scene.run("retention", "ledger", "--verify", code=1)["faults"]
    assert faults and "entry 3" in faults[0], faults
    scene.sql("alter table retention_ledger disable trigger append_only; update retention_ledger set rows = rows - 1 where number = 3;"
              "alter table retention_ledger enable trigger append_only")
    scene.run("retention", "hold", "remove", str(held))
    assert scene.run("retention", "plan")["steps"][0]["sample"] == [str(held)]


def told(scene, request):
    connection = pika.BlockingConnection(pika.URLParameters(scene.city.settings["amqp_uri"]))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=200)
    for method, _, body in channel.consume(scene.city.settings["request_queue"], inactivity_timeout=20):
        assert method is not None, "the CRM was not told"
        event = json.loads(body)
        channel.basic_ack(method.delivery_tag)
        if event["type"].endswith("service_request.erased.v1") and event["data"]["service_request_id"] in (request, str(request)):
            assert event["data"]["reason"] == "retention" and CANARY not in json.dumps(event)
            break
    connection.close()


def files(scene, bench, url):
    assert bench.fetch(url)[0] in (404, 410)
    assert scene.sql("select count(*) from photos where public_sha256 is not null") == "0"
    removed = scene.run("photo", "sweep", "--older-than", "0s", "--verify")
    assert removed["removed_copies"] >= 2 and removed["verified"]["missing"] == 0, removed
    stored = [path for path in glob.glob(os.path.join(scene.city.home, "media", "**", "*"), recursive=True) if os.path.isfile(path)]
    assert not [path for path in stored if os.path.getsize(path) > 1_000], stored


def watched(scene, number):
    """Two watches at once, a day later: one of them does it."""
    scene.sql("update retention_runs set began_at = began_at - interval '40 days'")
    assert "--after-gap" in scene.run("retention", "run", code=64), "a clock that leapt"
    scene.sql("update retention_runs set began_at = began_at + interval '39 days'")
    runs = scene.number("select count(*) from retention_runs")
    logs = [open(os.path.join(scene.city.folder.name, f"watch-{index}.log"), "w+", encoding="utf-8") for index in range(2)]
    watches = [
        subprocess.Popen([PROGRAM, "watch", "--config", scene.config, "--set", "retention.hour=0", "--set", f"health.port={port}"],
                         stdout=log, stderr=log) for port, log in zip(scene.city.spare_ports, logs)]
    try:
        wait_until(lambda: scene.number(f"select count(*) from reporters where request_id = {number}") == 0, 20, "the watch's run")
        wait_until(lambda: "retention run" in "".join(open(log.name, encoding="utf-8").read() for log in logs), 10, "its line in the log")
    finally:
        for watch in watches:
            watch.send_signal(signal.SIGTERM)
        for watch in watches:
            watch.wait(30)
    assert scene.number("select count(*) from retention_runs") == runs + 1, "one at a time, once a day"
    assert CANARY not in "".join(open(log.name, encoding="utf-8").read() for log in logs)


def sheets(scene):
    for language, name in (("en", "privacy.md"), ("fr", "privacy.fr.md")):
        made = subprocess.run([PROGRAM, "privacy", "sheet", "--language", language, "--config", scene.config], check=True, timeout=30,
                              stdout=subprocess.PIPE).stdout.decode()
        with open(os.path.join(REPOSITORY, "docs", name), encoding="utf-8") as file:
            assert file.read().strip() == made.strip(), f"docs/{name} is not what bus311 privacy sheet --language {language} prints:\n{made}"
    # A city's own terms stand in it.
    path = os.path.join(scene.city.folder.name, "valmont.yaml")
    done = subprocess.run([PROGRAM, "tenant", "export", scene.tenant, "--config", scene.config], stdout=subprocess.PIPE, check=True)
    kept = "\n".join(line for line in done.stdout.decode().splitlines() if not line.startswith(("catalogue:", "boundary:", "retention:", "  months:",
                     "  services:", "  tell_crm:", "  rest_days:")))
    with open(path, "w", encoding="utf-8") as file:
        file.write(kept + "\nretention:\n  months: 24\n  services: [LAMP 6]\n  tell_crm: false\n")
    scene.run("tenant", "apply", "--file", path)
    made = scene.run("privacy", "sheet", "--language", "fr")["markdown"]
    assert "| Ville de Valmont | 24 mois; LAMP 6 mois | 30 jours | non |" in made, made
    assert "retention" in subprocess.run([PROGRAM, "tenant", "export", scene.tenant, "--config", scene.config], stdout=subprocess.PIPE,
                                         check=True).stdout.decode()
    with open(path, "a", encoding="utf-8") as file:
        file.write("  rest_days: 91\n")
    assert "retention.rest_days" in json.dumps(scene.run("tenant", "apply", "--file", path, code=64))


def main():
    with City() as city:
        scene, bench = Scene(city), Bench(city)
        sheets_done = []
        number = bench.stored([("media[]", "trou.jpg", pictures.photo())])
        url = bench.request(number)["extended_attributes"]["media_urls"][0]
        wait_until(lambda: bench.fetch(url)[0] == 200, 20, "the photo is cleaned")
        held = int(city.post("kept by a court", first_name=CANARY, client_request_id="c-1")[1][0]["service_request_id"])
        young = int(city.post("of today", first_name=CANARY, client_request_id="c-2")[1][0]["service_request_id"])
        make_past(scene)
        # Nothing is on its way when numbers change.
        wait_until(lambda: scene.number("select count(*) from outbox where state <> 'confirmed'") == 0, 20, "all is published")
        aged, held = age(scene, number, 410), age(scene, held, 800)
        rehearsal(scene, (aged, held))
        hold(scene, held)
        killed_in_the_middle(scene, (aged, held), held)
        telling = threading.Thread(target=lambda: sheets_done.append(told(scene, aged)))
        telling.start()
        files(scene, bench, url)
        watched(scene, held)
        telling.join(30)
        assert sheets_done, "the CRM was told"
        assert scene.number(f"select count(*) from reporters where request_id = {young} and first_name = '{CANARY}'") == 1
        assert scene.number(f"select count(*) from client_references where request_id = {young}") == 1
        sheets(scene)
        trail = scene.sql("select string_agg(distinct operation, ',') from audit where direction = 'admin'")
        assert "retention hold add" in trail and "retention run" in trail, trail
        assert CANARY not in city.log()
    print("retention: passed")


if __name__ == "__main__":
    main()
