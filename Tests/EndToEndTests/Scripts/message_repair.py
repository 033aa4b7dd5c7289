"""What an operator does about messages: dead letters, of the CRM's statuses too, replays, parked events, timelines, notices."""
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

import jsonschema
import pika
from city import PROGRAM, REPOSITORY, City, management, sql, wait_until

COUNT = 100
POISON = 42


class Operator:
    def __init__(self, city):
        self.config = os.path.join(city.home, "settings.json")

    def run(self, *arguments, code=0):
        answer = subprocess.run(
            [PROGRAM, *arguments, "--format", "json", "--config", self.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        assert answer.returncode == code, (arguments, answer.returncode, answer.stderr.decode())
        return json.loads(answer.stdout) if code == 0 else answer.stderr.decode()


class CRM:
    """Consumes as the contract says: prefetch 50, acknowledged by hand, poison rejected for good."""

    def __init__(self, city):
        self.queue = city.settings["request_queue"]
        parameters = pika.URLParameters(city.settings["amqp_uri"])
        parameters.client_properties = {"connection_name": "crm/2.1"}
        self.connection = pika.BlockingConnection(parameters)
        self.channel = self.connection.channel()
        self.channel.basic_qos(prefetch_count=50)
        self.seen = []

    def consume(self, count, is_poison=lambda event: False, seconds=60):
        """That many messages, as (event, properties)."""
        taken = []
        for method, properties, body in self.channel.consume(self.queue, inactivity_timeout=seconds):
            assert method is not None, f"{len(taken)} messages of {count} within {seconds} s"
            event = json.loads(body)
            taken.append((event, properties))
            if is_poison(event):
                self.channel.basic_reject(method.delivery_tag, requeue=False)
            else:
                self.channel.basic_ack(method.delivery_tag)
            if len(taken) == count:
                break
        self.channel.cancel()
        self.seen += taken
        return taken

    def depth(self):
        return self.channel.queue_declare(self.queue, passive=True).method.message_count


def poison(city, operator, crm, posted):
    """One poison among a hundred: it alone is dead-lettered, and it alone comes back."""
    tenant = city.settings["tenant"]
    is_poison = lambda event: event["data"]["description"] == f"repair {POISON}"
    taken = crm.consume(COUNT, is_poison)
    assert len({event["id"] for event, _ in taken}) == COUNT
    bad = next(event for event, _ in taken if is_poison(event))

    def groups():
        return operator.run("dead-letters", "list", tenant)

    wait_until(lambda: groups() != [], 60, "the poison in the dead letters")
    (group,) = groups()
    assert group["count"] == 1 and group["reason"] == "rejected" and group["queue"] == city.settings["request_queue"], group
    assert group["type"] == "service_request.created.v1", group
    # Who refused it: the broker does not write that down, the watch saw who was there.
    consumer = f"t.{tenant}.a \"crm/2.1\" from 127.0.0.1"
    wait_until(lambda: groups()[0]["consumer"].startswith(consumer), 30, f"the watch has seen {consumer}")

    assert groups() == operator.run("dead-letters", "list"), "all tenants together have more"
    (letter,) = operator.run("dead-letters", "show", tenant)
    assert letter["event"] == bad["id"] and letter["service_request_id"] == posted[POISON] and "body" not in letter, letter
    (letter,) = operator.run("dead-letters", "show", tenant, "--bodies")
    assert json.loads(letter["body"]) == bad

    assert "--event" in operator.run("dead-letters", "return", tenant, code=64)
    for wrong, told in ((("return", "--reason", "bogus"), "delivery_limit"), (("show", "--reason", "bogus"), "delivery_limit"),
                        (("return", "--event", "not-a-uuid"), "not-a-uuid"), (("show", "--event", "not-a-uuid"), "not-a-uuid"),
                        (("return", "--all", "--reason", "rejected"), "--all"),
                        (("discard", "--all", "--because", ""), "--because"), (("discard", "--all", "--because", " "), "--because")):
        assert told in operator.run("dead-letters", wrong[0], tenant, *wrong[1:], code=64), wrong
    plan = operator.run("dead-letters", "return", tenant, "--all", "--dry-run")
    assert plan["letters"] == 1 and plan["seconds"] == 1, plan
    assert operator.run("dead-letters", "return", tenant, "--reason", "expired")["returned"] == 0
    assert len(groups()) == 1, "looking at them changes nothing"
    outcome = operator.run("dead-letters", "return", tenant, "--reason", "rejected")
    assert outcome["returned"] == 1, outcome
    ((again, properties),) = crm.consume(1)
    assert again == bad and properties.message_id == bad["id"] and properties.headers["x-o311-replay"] == outcome["replay"]
    assert groups() == []

    # Discarded: gone from the broker, not from the record.
    operator.run("replay", "--tenant", tenant, "--request", posted[POISON])
    crm.consume(1, is_poison)
    wait_until(lambda: groups() != [], 60, "the poison again")
    assert operator.run("dead-letters", "discard", tenant, "--event", bad["id"], "--because", "a test")["discarded"] == 1
    assert groups() == []
    actions = sql(city, "select string_agg(what, ',' order by number) from operator_actions")
    assert actions == "dead letters returned,replay,dead letters discarded", actions


def crash(city, operator, crm):
    """A consumer that dies over one message, again and again: after the delivery limit that one is set aside, the others flow.

    The broker counts a delivery of everything that a dying consumer holds. This one follows rule 5 of docs/vendors/README.md: fifty at
    once, but one at a time for as long as what comes had been delivered before.
    """
    fatal = city.post("fatal")[1][0]["service_request_id"]
    others = {city.post(f"beside the fatal {number}")[1][0]["service_request_id"] for number in range(10)}
    ledger = os.path.join(city.folder.name, "done")

    def live():
        """In a process of its own: acknowledges one by one; dies, with all that it holds, over the fatal one."""
        child = os.fork()
        if child:
            return os.waitpid(child, 0)[1] == 0
        channel = pika.BlockingConnection(pika.URLParameters(city.settings["amqp_uri"])).channel()
        many = lives == 0
        channel.basic_qos(prefetch_count=50 if many else 1)
        with open(ledger, "a", encoding="utf-8") as file:
            for method, properties, _ in channel.consume(crm.queue, inactivity_timeout=1):
                if method is None:
                    os._exit(0)
                if many:
                    # Until the broker has handed over all that this life takes with it.
                    channel.connection.process_data_events(time_limit=0.5)
                    many = False
                if properties.correlation_id == fatal:
                    os._exit(1)  # As when it is killed: no goodbye to the broker.
                channel.basic_ack(method.delivery_tag)
                channel.connection.process_data_events(time_limit=0)
                print(properties.correlation_id, file=file, flush=True)

    def done():
        with open(ledger, encoding="utf-8") as file:
            return file.read().split()

    tenant = city.settings["tenant"]
    lives, deaths = 0, 0
    while lives == 0 or set(done()) != others or operator.run("dead-letters", "list", tenant) == []:
        deaths += not live()
        lives += 1
        assert lives < 40, (deaths, fatal, done(), others)
    assert len(done()) == len(others), done()
    # Delivery limit 10: dead after eleven deliveries or a few more.
    assert 10 <= deaths <= 20, deaths
    (group,) = operator.run("dead-letters", "list", tenant)
    assert group["count"] == 1 and group["reason"] == "delivery_limit" and f"t.{tenant}." in group["consumer"], group
    assert operator.run("dead-letters", "discard", tenant, "--all", "--because", "a test", "--dry-run")["letters"] == 1
    assert operator.run("dead-letters", "return", tenant, "--all")["returned"] == 1
    ((event, _),) = crm.consume(1)
    assert event["subject"] == fatal
    return [fatal, *others]


def purge(city, operator, crm, posted, since):
    """F20: the tenant empties its own queue; everything comes again from the database, with the first ids and bytes."""
    tenant = city.settings["tenant"]
    before = {event["id"]: event for event, _ in crm.seen}
    fresh = [city.post(f"purged {number}")[1][0]["service_request_id"] for number in range(20)]
    wait_until(lambda: crm.depth() == 20, 60, "the events that will be purged")
    assert crm.channel.queue_purge(crm.queue).method.message_count == 20

    window = ["--tenant", tenant, "--from", since]
    wait_until(lambda: sql(city, "select count(*) from outbox where state = 'pending'") == "0", 60, "all settled")
    plan = operator.run("replay", *window, "--dry-run", "--rate", "50")
    assert plan["events"] == len(posted) + 20 and plan["seconds"] == 3 and plan["bytes"] > 0, plan
    ever = operator.run("replay", "--tenant", tenant, "--from", "1990-01-01T00:00:00Z", "--dry-run")
    assert ever["events"] >= plan["events"], "since ever"
    assert operator.run("replay", *window, "--service", "NOPE", "--dry-run")["events"] == 0
    assert operator.run("replay", *window, "--status", "closed", "--dry-run")["events"] == 0
    assert operator.run("replay", "--tenant", tenant, "--request", fresh[0], "--dry-run")["events"] == 1
    assert crm.depth() == 0, "a dry run sends nothing"
    left_out(city, operator, fresh[0], fresh[1])

    # Cut in the middle, then gone on with: nothing twice, nothing left out.
    started = subprocess.Popen(
        [PROGRAM, "replay", *window, "--rate", "20", "--config", operator.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: crm.depth() >= 10, 60, "the replay's first events")
    finally:
        started.kill()
        started.communicate()
    job = sql(city, "select max(id) from replays")
    left = operator.run("replay", "--resume", job, "--dry-run")["events"]
    assert 0 < left < len(posted) + 20, left
    assert operator.run("replay", "--resume", job, "--rate", "10000")["events"] == left
    taken = crm.consume(len(posted) + 20)
    assert all(properties.headers["x-o311-replay"] == int(job) for _, properties in taken)
    ids = [event["id"] for event, _ in taken]
    assert len(set(ids)) == len(ids) == len(posted) + 20
    assert {event["service_request_id"] for event in (e["data"] for e, _ in taken)} == set(posted) | set(fresh)
    assert all(before.get(event["id"], event) == event for event, _ in taken), "a replay has the first bytes"
    assert operator.run("replay", "--resume", job)["events"] == 0
    assert "no replay" in operator.run("replay", "--resume", "4711", code=64)


def left_out(city, operator, old, gone):
    """What a replay cannot send is counted and told: what lost its content with its term, and what was erased."""
    tenant = city.settings["tenant"]
    body = sql(city, f"select encode(body, 'hex') from outbox where request_id = {old}")
    empty = "update outbox set body = '{}' where request_id in ({}) and replay_id is null"
    # As retention leaves an event behind; for the second one, as an erasure does.
    sql(city, empty.format("", old))
    plan = operator.run("replay", "--tenant", tenant, "--request", old, "--dry-run")
    assert (plan["events"], plan["emptied"], plan["erased"]) == (0, 1, 0), plan
    told = subprocess.run(
        [PROGRAM, "replay", "--tenant", tenant, "--request", old, "--config", operator.config], capture_output=True, text=True, timeout=60)
    assert told.returncode == 0 and "1 events are left out" in told.stdout and "older than 90 days" in told.stdout, told
    assert f"/requests.json?jurisdiction_id={city.settings['jurisdiction_id']}" in told.stdout, told.stdout
    sql(city, f"insert into erasures (request_id, tenant_id, erased_at, reason, asked_by) select {gone}, id, now(), 'legal_order', 'a test' "
              f"from tenants where key = '{tenant}'")
    second = sql(city, f"select encode(body, 'hex') from outbox where request_id = {gone}")
    sql(city, empty.format("", gone))
    assert operator.run("replay", "--tenant", tenant, "--request", gone)["erased"] == 1
    # What was done by hand is undone, before the whole is sent again.
    sql(city, f"delete from erasures where request_id = {gone}")
    for request, bytes_ in ((old, body), (gone, second)):
        sql(city, f"update outbox set body = decode('{bytes_}', 'hex') where request_id = {request} and replay_id is null")
    assert operator.run("replay", "--tenant", tenant, "--request", old, "--dry-run")["emptied"] == 0


def returned(city, operator, crm, since):
    """One command at a time has a city's dead letters, another is refused; of two that begin together, each letter is returned by one."""
    tenant = city.settings["tenant"]
    count = operator.run("replay", "--tenant", tenant, "--from", since, "--rate", "10000")["events"]
    crm.consume(count, lambda event: True)
    wait_until(lambda: sum(group["count"] for group in operator.run("dead-letters", "list", tenant)) == count, 60, "all of them dead")
    command = [PROGRAM, "dead-letters", "return", tenant, "--all", "--format", "json", "--config", operator.config]

    # Another who is at work for as long as we like: whoever holds the lock of this city's dead letters.
    at_work = subprocess.Popen(
        ["psql", "-qtAX", "-d", city.settings["database_url"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        at_work.stdin.write(f"select 'held' from tenants, pg_advisory_lock(3114, id) where key = '{tenant}';\n")
        at_work.stdin.flush()
        assert at_work.stdout.readline() == "held\n"
        refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert refused.returncode == 64 and "at work" in refused.stderr, refused
    finally:
        at_work.stdin.close()
        at_work.wait(timeout=30)

    two = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    answers = [(*process.communicate(timeout=120), process.returncode) for process in two]
    left = operator.run("dead-letters", "list", tenant)
    assert left == [], (left, answers)
    assert sum(json.loads(out)["returned"] for out, _, code in answers if code == 0) == count, answers
    assert all(code == 0 or code == 64 and b"at work" in told for _, told, code in answers), answers
    crm.consume(count)


def get(city, path, token=None):
    request = urllib.request.Request(
        city.settings["status_ingest_url"] + path, headers={"Authorization": f"Bearer {token or city.settings['crm_token']}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def update(city, request, number, body):
    url = f"{city.settings['status_ingest_url']}/v1/service-requests/{request}/updates/{number}"
    with urllib.request.urlopen(urllib.request.Request(url, method="PUT", data=json.dumps(body).encode(), headers={
            "Authorization": f"Bearer {city.settings['crm_token']}", "Content-Type": "application/json"}), timeout=10) as answer:
        assert answer.status == 201


def timeline(city, operator, request):
    def stations(document):
        return {station["station"]: station["at"] for station in document["stations"]}

    first = operator.run("timeline", request)
    assert first["waits_for"] == "acknowledged", first
    update(city, request, 1, {"external_reference": "R-1"})
    assert operator.run("timeline", request)["waits_for"] == "first_status"
    update(city, request, 2, {"status": "IN_PROCESS"})
    assert operator.run("timeline", request)["waits_for"] == "closed"
    update(city, request, 3, {"status": "closed"})
    code, whole = get(city, f"/v1/service-requests/{request}/timeline")
    assert code == 200 and whole["waits_for"] is None, whole
    moments = [station["at"] for station in whole["stations"]]
    assert all(moments), whole
    assert stations(operator.run("timeline", request)) == stations(whole)
    assert [event["replay"] for event in whole["events"]][0] is False and whole["events"][0]["state"] == "confirmed", whole
    assert len(whole["events"]) > 1 and all(event["replay"] for event in whole["events"][1:]), whole
    assert get(city, "/v1/service-requests/2601999999999/timeline")[0] == 404
    assert get(city, f"/v1/service-requests/{request}/timeline", token="broken")[0] == 401
    assert "No tenant" in operator.run("timeline", "2601999999999", code=64)


def parked(city, operator, crm):
    """Later events of an event that waits for a person wait with it."""
    request = city.post("will be parked")[1][0]["service_request_id"]
    crm.consume(1)
    wait_until(lambda: sql(city, "select count(*) from outbox where state = 'pending'") == "0", 60, "all settled")
    sql(city, f"update outbox set state = 'parked', attempts = 1, last_error = 'invalid' where request_id = {request}")
    # As a citizen's update would write it.
    sql(city, "insert into outbox (event_id, tenant_id, shard, request_id, request_sequence, type, body) "
              "select gen_random_uuid(), tenant_id, shard, request_id, 2, 'service_request.updated.v1', body "
              f"from outbox where request_id = {request}")
    city.post("overtakes")
    ((event, _),) = crm.consume(1)
    assert event["data"]["description"] == "overtakes"
    (view,) = operator.run("parked", "list")
    assert view["service_request_id"] == request and view["reason"] == "invalid", view
    operator.run("parked", "skip", str(view["number"]), "--reason", "a test")
    ((event, properties),) = crm.consume(1)
    assert event["subject"] == request and properties.type == "service_request.updated.v1"
    assert operator.run("parked", "list") == []
    assert "Nothing is parked" in operator.run("parked", "release", str(view["number"]), code=64)


def notices(city, operator, crm):
    tenant = city.settings["tenant"]
    ping = operator.run("notice", "ping", tenant)
    wish = operator.run("notice", "refresh", tenant, "--what", "services", "--reason", "Catalogue 2027")
    for (event, properties), sent in zip(crm.consume(2), (ping, wish)):
        name = properties.type.removesuffix(".v1")
        path = os.path.join(REPOSITORY, "docs", "contract", "schemas", name, "1.0.producer.json")
        with open(path, encoding="utf-8") as file:
            jsonschema.Draft202012Validator(json.load(file)).validate(event)
        assert event["id"] == properties.message_id == sent["event"] and sent["type"] == properties.type
    # A CRM that refused a notice has it again when it is repaired; a replay of a window leaves notices out.
    since = ["--from", "2020-01-01T00:00:00Z", "--dry-run"]
    before = operator.run("replay", "--tenant", tenant, *since)["events"]
    again = operator.run("notice", "ping", tenant)
    ((refused, _),) = crm.consume(1, lambda event: True)
    wait_until(lambda: operator.run("dead-letters", "list", tenant) != [], 60, "the notice in the dead letters")
    outcome = operator.run("dead-letters", "return", tenant, "--event", again["event"])
    assert outcome["letters"] == outcome["returned"] == 1, outcome
    ((event, properties),) = crm.consume(1)
    assert event == refused and properties.headers["x-o311-replay"] == outcome["replay"], properties
    assert operator.run("dead-letters", "list", tenant) == []
    assert operator.run("replay", "--tenant", tenant, *since)["events"] == before


def statuses(city, operator, crm, request):
    """Statuses that were put aside are looked at, judged again and answered, or removed; by the name that the list prints."""
    tenant, vhost = city.settings["tenant"], city.settings["vhost"]
    lost = f"o311.{tenant}.status-in"

    def send(uri, name, user=None):
        with pika.BlockingConnection(pika.URLParameters(uri)) as connection:
            connection.channel().basic_publish(
                city.settings["status_exchange"], f"{tenant}.status_update.v1",
                json.dumps({"service_request_id": request, "status_notes": "canary@mail.example " + name}).encode(),
                pika.BasicProperties(message_id=name, content_type="application/json", delivery_mode=2, user_id=user))

    def answers():
        method, properties, body = crm.channel.basic_get(city.settings["receipts_queue"], auto_ack=True)
        return method and (properties.correlation_id, properties.type)

    def groups():
        return {(group["queue"], group["reason"], group["consumer"]): group["count"] for group in operator.run("dead-letters", "list")}

    while answers():
        pass
    # The database refuses two, as it would a fault of ours; one came from a user who is not the tenant's.
    sql(city, "create function refuse_all() returns trigger language plpgsql as $$ begin raise exception 'a test'; end $$; "
              "create trigger refuse_all before insert on status_updates for each row execute function refuse_all()")
    send(city.settings["amqp_uri"], "dead-1")
    send(city.settings["amqp_uri"], "dead-2")
    management(city, "/api/users/intruder", "PUT", {"password": "x", "tags": ""})
    management(city, f"/api/permissions/{vhost}/intruder", "PUT", {"configure": "^$", "write": ".*", "read": "^$"})
    send(re.sub("//[^@]+@", "//intruder:x@", city.settings["amqp_uri"]), "dead-3", "intruder")
    management(city, "/api/users/intruder", "DELETE")
    wait_until(lambda: sum(groups().values()) == 3, 30, "three statuses put aside")
    assert groups() == {(lost, "rejected", "svc.status-ingest"): 3}, groups()
    for name in (lost, "o311.status.dead"):
        letters = operator.run("dead-letters", "show", name)
        assert {letter["event"] for letter in letters} == {"dead-1", "dead-2", "dead-3"} and not any("body" in letter for letter in letters), letters
    assert operator.run("dead-letters", "list", lost)[0]["count"] == 3
    (letter,) = operator.run("dead-letters", "show", lost, "--event", "dead-2", "--bodies")
    assert json.loads(letter["body"])["service_request_id"] == request
    assert operator.run("dead-letters", "show", "o311.stray") == operator.run("dead-letters", "show", "o311.nobody-0a1b2c.status-in") == []
    assert operator.run("dead-letters", "list", f"o311.{tenant}.dead") == operator.run("dead-letters", "list", tenant) == []
    assert "o311.status.dead" in operator.run("dead-letters", "show", "o311.status.deaf", code=64)
    assert "nowhere" in operator.run("dead-letters", "show", "o311.stray", "--virtual-host", "nowhere", code=64)
    # Still refused: nothing is lost, nobody is answered.
    outcome = operator.run("dead-letters", "return", lost, "--all")
    assert outcome["returned"] == 0 and outcome["outcomes"] == {"failed": 2, "unattributable": 1}, outcome
    assert answers() is None and sum(groups().values()) == 3
    sql(city, "drop trigger refuse_all on status_updates; drop function refuse_all")
    assert operator.run("dead-letters", "return", "o311.status.dead", "--all", "--dry-run")["letters"] == 3
    outcome = operator.run("dead-letters", "return", lost, "--all", "--rate", "20")
    assert outcome["returned"] == 2 and outcome["outcomes"] == {"applied": 2, "unattributable": 1}, outcome
    found = []
    wait_until(lambda: found.append(answers()) or len([each for each in found if each]) == 2, 30, "both receipts")
    assert sorted(filter(None, found)) == [("dead-1", "status_update.accepted.v1"), ("dead-2", "status_update.accepted.v1")], found
    # It is no way around the user's name.
    assert operator.run("dead-letters", "discard", "o311.status.dead", "--event", "dead-3", "--because", "a stranger's")["discarded"] == 1
    assert groups() == {}
    actions = sql(city, "select string_agg(what || ' ' || detail, ',' order by number) from (select * from operator_actions order by number desc limit 3) a")
    assert actions == ",".join([f"dead statuses judged again of o311.status.dead in {vhost}"] * 2 + [
        f"dead letters discarded 1 letters of o311.status.dead in {vhost}: a stranger's"]), actions


def main():
    with City() as city:
        operator = Operator(city)
        since = sql(city, "select to_char(now() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
        crm = CRM(city)
        posted = []
        for number in range(COUNT):
            code, answer = city.post(f"repair {number}", email="canary@mail.example")
            assert code == 200, answer
            posted.append(answer[0]["service_request_id"])
        poison(city, operator, crm, posted)
        posted += crash(city, operator, crm)
        purge(city, operator, crm, posted, since)
        returned(city, operator, crm, since)
        timeline(city, operator, posted[0])
        parked(city, operator, crm)
        notices(city, operator, crm)
        statuses(city, operator, crm, posted[1])
        assert "canary@mail.example" not in city.log()
    print("message repair: 8 passed, 0 failed")


if __name__ == "__main__":
    sys.exit(main())
