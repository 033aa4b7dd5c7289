"""A tenant from its file to its closing: planned, applied, drifted, cut, rotated and off-boarded, in a virtual host of its own."""
import hashlib
import json
import os
import stat
import subprocess
import sys
import threading
import time
import traceback
import urllib.request

import jsonschema
import pika
import yaml

import pictures
from city import PROGRAM, REPOSITORY, City, management, sql, wait_until

CATALOGUE = os.path.join(REPOSITORY, "examples", "demo-catalogue.json")


def multipart(fields, name, content):
    body = b""
    for key, value in fields.items():
        body += b'--zz9\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (key.encode(), value.encode())
    body += b'--zz9\r\nContent-Disposition: form-data; name="%s"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' % name.encode()
    return body + content + b"\r\n--zz9--\r\n"


class Operator:
    def __init__(self, city, settings=None):
        self.city = city
        self.config = settings or os.path.join(city.home, "settings.json")

    def run(self, *words, timeout=90):
        return subprocess.run([PROGRAM, *words, "--config", self.config], capture_output=True, text=True, timeout=timeout)

    def text(self, *words, code=0):
        done = self.run(*words)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def json(self, *words, code=0):
        return json.loads(self.text(*words, "--format", "json", code=code))

    def refused(self, *words, code=64, says=()):
        done = self.run(*words)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        for text in says:
            assert text in done.stderr, (text, done.stderr)


def rabbitmqctl(city, *words):
    subprocess.run(
        [os.path.join(city.home, "rabbitmq", "bin", "rabbitmqctl"), "-q", *words], check=True, timeout=60, stdout=subprocess.DEVNULL)


class Town:
    """A tenant with a file of its own."""

    def __init__(self, city, stem, virtual_host, **lines):
        self.city, self.operator, self.stem, self.virtual_host = city, Operator(city), stem, virtual_host
        self.folder = os.path.join(city.folder.name, stem)
        os.makedirs(self.folder)
        self.path = os.path.join(self.folder, "tenant.yaml")
        self.jurisdiction = f"{stem}.example"
        with open(CATALOGUE, encoding="utf-8") as source, open(os.path.join(self.folder, "catalogue.json"), "w", encoding="utf-8") as target:
            target.write(source.read())
        self.key = stem
        self.write(**lines)

    def write(self, limits=(), policies=(), name=None, notices=()):
        text = [
            f"tenant: {self.key}", f"name: {name or 'Ville de ' + self.stem}", f"jurisdictions: [{self.jurisdiction}]",
            f"virtual_host: {self.virtual_host}", "contacts:", "  technical_administrator:", "    name: Camille Roux",
            f"    email: sig@{self.jurisdiction}", "catalogue: catalogue.json",
        ]
        text += (["limits:"] + [f"  {line}" for line in limits]) if limits else []
        text += (["policies:"] + [f"  {line}" for line in policies]) if policies else []
        text += (["notices:"] + [f"  {line}" for line in notices]) if notices else []
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("\n".join(text) + "\n")

    def apply(self, *words):
        report = self.operator.json("tenant", "apply", "-f", self.path, *words)
        self.key = report["tenant"]
        return report

    def plan(self):
        done = self.operator.run("tenant", "plan", "-f", self.path, "--format", "json")
        assert done.returncode in (0, 2), done
        report = json.loads(done.stdout)
        assert (done.returncode == 0) == (not report["is_new"] and not report["record"] and not report["changes"]), report
        return report

    def open_doors(self):
        self.api_key = self.operator.json("key", "create", self.key, "--label", "app")["api_key"]
        issued = self.operator.json("credential", "issue", self.key, "a")
        self.users = {"a": (issued["user"], issued["password"])}

    def connect(self, slot):
        user, password = self.users[slot]
        base = pika.URLParameters(self.city.settings["amqp_uri"])
        return pika.BlockingConnection(
            pika.ConnectionParameters(base.host, base.port, self.virtual_host, pika.PlainCredentials(user, password), heartbeat=30))

    def post(self, text, **fields):
        return self.city.post(text, jurisdiction_id=self.jurisdiction, api_key=self.api_key, **fields)

    def stored(self, text):
        deadline = time.monotonic() + 15
        while True:
            # A gateway knows a new tenant and its key within seconds.
            code, answer = self.post(text)
            if code == 200:
                return answer[0]["service_request_id"]
            assert time.monotonic() < deadline, answer
            time.sleep(0.1)


def take(town, channel, count, queue=None, reject=lambda event: False):
    """So many messages, acknowledged; what `reject` names is refused for good."""
    events = []
    queue = queue or f"o311.{town.key}.requests"
    for method, properties, body in channel.consume(queue, inactivity_timeout=30):
        assert method is not None, f"{len(events)} of {count} messages in {queue}"
        event = json.loads(body)
        events.append((event, properties))
        if reject(event):
            channel.basic_reject(method.delivery_tag, requeue=False)
        else:
            channel.basic_ack(method.delivery_tag)
        if len(events) == count:
            break
    channel.cancel()
    return events


# --- the file ---------------------------------------------------------------------------------------------------------------------


def faults(city):
    """Everything that is wrong is listed, with its line; nothing is applied."""
    town = Town(city, "faulty", "open311")
    with open(town.path, "w", encoding="utf-8") as file:
        file.write("tenant: faulty\nname: F\njurisdictions: [valmont.example]\ncontacts:\n  manager: {email: nobody}\nlimit:\n  channels: 3\n")
    town.operator.refused("tenant", "apply", "-f", town.path, says=[
        "2 faults; nothing was changed", "line 5: contacts.manager.email: must be an e-mail address",
        "line 6: limit: there is no such field; did you mean limits?"])
    with open(town.path, "w", encoding="utf-8") as file:
        file.write("tenant: faulty\nname: F\njurisdictions: [valmont.example]\n")
    for command in ("plan", "apply"):
        town.operator.refused("tenant", command, "-f", town.path, says=["line 3: jurisdictions: valmont.example belongs to"])
    with open(os.path.join(town.folder, "catalogue.json"), "w", encoding="utf-8") as file:
        json.dump([{"service_code": "X", "service_name": {"fr": "X"}, "description": {"fr": "X"}, "group": {"fr": "X"},
                    "attributes": [{"code": "k", "datatype": "singlevaluelist", "description": {"fr": "?"}}]}], file)
    town.write(policies=["boundary: nowhere.geojson"])
    town.operator.refused("tenant", "apply", "-f", town.path, says=[
        "catalogue: catalogue.json: X: attribute k", "policies.boundary: the file nowhere.geojson cannot be read"])
    assert sql(city, "select count(*) from tenants where key like 'faulty%'") == "0"
    town.operator.refused("tenant", "plan", says=["file with -f"])


def notices(town):
    """Policy and words of notices as the file says: shown, applied, exported; a fault by its line; what is not said stays."""
    operator = town.operator
    words = os.path.join(town.folder, "done-fr.txt")
    with open(words, "w", encoding="utf-8") as file:
        file.write("Objet : Fait à {{city}}\n\nBonjour,\n{{note}}\nNuméro {{nombre}}\n")
    wanted = ["kinds: [done, received]", "reply_to: mairie@valmont.example", "templates:", "  - done fr done-fr.txt", "  - done en gone.txt"]
    town.write(notices=wanted)
    operator.refused("tenant", "plan", "-f", town.path, says=[
        "2 faults", "line 14: notices.templates.0: done-fr.txt: body, line 3 has {{nombre}}", "line 15: notices.templates.1: the file gone.txt cannot be read"])
    with open(words, "w", encoding="utf-8") as file:
        file.write("Objet : Fait à {{city}}\n\nBonjour,\n{{note}}\nNuméro {{number}}\n")
    town.write(notices=wanted[:-1])
    plan = town.plan()["record"]
    assert [(one["path"], one["wanted"]) for one in plan] == [
        ("notices.kinds", "[received, done]"), ("notices.reply_to", "mairie@valmont.example"),
        ("notices.templates", "1 templates (new or changed done fr)")], plan
    town.apply()
    assert town.plan()["record"] == []
    policy = operator.json("notices", "policy", town.key)
    assert policy["kinds"] == ["received", "done"] and policy["reply_to"] == "mairie@valmont.example", policy
    assert operator.json("notices", "preview", town.key, "--kind", "done", "--language", "fr")["own_words"]
    folder = os.path.join(town.folder, "export")
    assert "notice-done-fr.txt" in operator.json("tenant", "export", town.key, "--folder", folder)
    operator.text("tenant", "plan", "-f", os.path.join(folder, "tenant.yaml"))
    # What a command changed is shown as a difference; a file that says nothing leaves it alone.
    operator.json("notices", "policy", town.key, "--kinds", "all")
    assert [one["path"] for one in town.plan()["record"]] == ["notices.kinds"]
    town.write()
    assert town.plan()["record"] == []
    town.write(notices=["kinds: []", "templates: []"])
    assert [one["path"] for one in town.plan()["record"]] == ["notices.kinds", "notices.reply_to", "notices.templates"]
    town.apply()
    assert operator.json("notices", "policy", town.key)["kinds"] == [] and operator.json("notices", "template", "list", town.key) == []
    town.write()


def lifecycle(town):
    """plan → apply → plan is empty; export → plan is empty; a change is shown before it is made."""
    city, operator = town.city, town.operator
    plan = town.plan()
    assert plan["is_new"] and plan["tenant"] == f"{town.stem}-…"
    report = town.apply()
    assert report["is_new"] and town.key.startswith(town.stem + "-")
    assert town.plan()["changes"] == []
    assert "Nothing to do." in operator.text("tenant", "apply", "-f", town.path)
    town.write()
    assert not town.plan()["is_new"], "the key in the file"

    exported = operator.text("tenant", "export", town.key)
    path = os.path.join(town.folder, "exported.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(exported)
    operator.text("tenant", "plan", "-f", path)
    operator.text("tenant", "export", town.key, "--folder", os.path.join(town.folder, "export"))
    operator.text("tenant", "plan", "-f", os.path.join(town.folder, "export", "tenant.yaml"))
    notices(town)
    with open(os.path.join(REPOSITORY, "docs", "operators", "tenant.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(exported))
    assert not jsonschema.Draft202012Validator(schema).is_valid({**yaml.safe_load(exported), "limits": {"conections": 5}})

    square = [[[3.0, 43.0], [4.0, 43.0], [4.0, 44.0], [3.0, 44.0], [3.0, 43.0]]]
    with open(os.path.join(town.folder, "territory.geojson"), "w", encoding="utf-8") as file:
        json.dump({"type": "Polygon", "coordinates": square}, file)
    town.write(
        limits=["connections: 3", "channels: 6", "request_queue:", "  messages: 5000", "  bytes: 32MiB"],
        policies=["identifiers: immediate", "boundary: territory.geojson", "contract: 2"], name="Ville nouvelle")
    plan = town.plan()
    assert [each["path"] for each in plan["record"]] == [
        "name", "limits.request_queue.messages", "limits.request_queue.bytes", "limits.connections", "limits.channels", "policies.contract",
        "policies.boundary"], plan
    changes = {(each["action"], each["object"]) for each in plan["changes"]}
    assert changes == {("create", "policy"), ("update", "limits")}, plan
    town.apply()
    assert town.plan()["changes"] == []
    done = operator.run("tenant", "show", town.key)
    assert "Ville nouvelle" in done.stdout
    assert sql(city, f"select contract_version from tenants where key = '{town.key}'") == "2"
    # The watch sees into the tenant's own virtual host too: else it would be blind for every tenant.
    with urllib.request.urlopen(city.settings["health_url"] + "/health/ready", timeout=5) as answer:
        assert answer.status == 200
    granted = json.loads(management(city, f"/api/permissions/{town.virtual_host}/svc.monitor"))
    assert (granted["configure"], granted["write"], granted["read"]) == ("^$", "^$", "^$"), granted
    live = json.loads(management(city, f"/api/policies/{town.virtual_host}/o311.{town.key}.requests"))
    assert live["definition"]["max-length"] == 5000 and live["definition"]["dead-letter-strategy"] == "at-least-once" and live["priority"] == 50
    operator.text("tenant", "export", town.key, "--folder", os.path.join(town.folder, "export"))
    operator.text("tenant", "plan", "-f", os.path.join(town.folder, "export", "tenant.yaml"))

    # A tenant cannot be moved by an edit.
    town.virtual_host, host = "elsewhere", town.virtual_host
    town.write()
    operator.refused("tenant", "apply", "-f", town.path, says=["cannot be changed here"])
    town.virtual_host = host


def drift(town):
    """What somebody changed on the broker is shown for all tenants at once, and repaired."""
    city, operator = town.city, town.operator
    town.write(limits=["request_queue:", "  messages: 5000"])
    town.apply()
    host, key = town.virtual_host, town.key
    management(city, f"/api/policies/{host}/o311.{key}.requests", "DELETE")
    management(city, f"/api/permissions/{host}/t.{key}.a", "PUT", {"configure": ".*", "write": ".*", "read": ".*"})
    management(city, f"/api/user-limits/t.{key}.a/max-connections", "PUT", {"value": 500})
    for binding in json.loads(management(city, f"/api/exchanges/{host}/o311.{key}.out/bindings/source")):
        if binding["routing_key"].endswith("bus.#"):
            management(
                city, f"/api/bindings/{host}/e/o311.{key}.out/q/{binding['destination']}/{binding['properties_key'].replace('#', '%23')}", "DELETE")
    management(city, f"/api/policies/{host}/hasty", "PUT", {
        "pattern": f"^o311\\.{key}\\.dead$", "definition": {"max-length": 3}, "priority": 99, "apply-to": "queues"})
    # Whoever may read in the virtual host reads every message.
    management(city, "/api/users/spy", "PUT", {"password": "x", "tags": "monitoring"})
    management(city, f"/api/permissions/{host}/spy", "PUT", {"configure": "^$", "write": "^$", "read": ".*"})
    # Made by hand beside the tenant's own, or left by one that a restored database does not know.
    foreign = [f"o311.{key}.extra", "o311.ghost-000000.requests"]
    for queue in foreign:
        management(city, f"/api/queues/{host}/{queue}", "PUT", {"durable": True})
    for exchange in ("o311.ghost-000000.out", "theirs"):
        management(city, f"/api/exchanges/{host}/{exchange}", "PUT", {"type": "topic", "durable": True})
    relay = json.loads(management(city, "/api/users/svc.relay"))
    tagged = {"password_hash": relay["password_hash"], "hashing_algorithm": relay["hashing_algorithm"], "tags": "monitoring,management"}
    management(city, "/api/users/svc.relay", "PUT", tagged)
    drift = operator.json("tenant", "drift", code=2)
    seen = [change for each in drift if "tenant" not in each and each.get("virtual_host") == host for change in each["changes"]]
    assert [(change["object"], change["name"]) for change in seen] == [
        ("permission", "spy"), *sorted(("queue", queue) for queue in foreign), ("exchange", "o311.ghost-000000.out")], seen
    assert all(change["action"] == "notice" for change in seen), seen
    assert "delete_queue" in seen[1]["remedy"], seen
    (tags,) = (change for each in drift if "virtual_host" not in each for change in each["changes"])
    assert (tags["object"], tags["name"], tags["remedy"]) == ("user", "svc.relay", "rabbitmqctl set_user_tags svc.relay"), tags
    assert any(f"none of {key}'s" in change["details"][0] for change in seen) and "no tenant" in seen[-1]["details"][0], seen
    told = operator.run("doctor").stdout
    assert "stranger" in told and all(name in told for name in ("spy", "svc.relay", *foreign, "o311.ghost-000000.out")), told
    management(city, "/api/users/svc.relay", "PUT", {**tagged, "tags": ""})
    management(city, "/api/users/spy", "DELETE")
    for queue in foreign:
        management(city, f"/api/queues/{host}/{queue}", "DELETE")
    management(city, f"/api/exchanges/{host}/o311.ghost-000000.out", "DELETE")
    found = {each.get("tenant"): each["changes"] for each in drift}
    seen = {(each["action"], each["object"], each["name"]) for each in found[key]}
    assert {("create", "policy", f"o311.{key}.requests"), ("update", "permission", f"t.{key}.a"), ("update", "limits", f"t.{key}.a"),
            ("notice", "policy", "hasty")} <= seen and any(kind == "binding" for _, kind, _ in seen), seen
    assert city.settings["tenant"] not in found, "a tenant with a virtual host of its own drifts alone"
    town.apply()
    left = {each.get("tenant"): each["changes"] for each in operator.json("tenant", "drift", code=2)}
    assert [each["name"] for each in left[key]] == ["hasty"] and "clear_policy" in left[key][0]["remedy"], left
    management(city, f"/api/policies/{host}/hasty", "DELETE")
    # Others are cut in the middle meanwhile.
    done = operator.run("tenant", "drift", "--format", "json")
    assert done.returncode in (0, 2) and key not in done.stdout, done
    town.write()
    town.apply()
    assert json.loads(management(city, f"/api/policies/{host}")) and "o311." + key not in management(city, f"/api/policies/{host}").decode()


def cut(city):
    """Killed at any moment, the same command does the rest."""
    town = Town(city, "cut", "open311")
    for number in range(6):
        started = subprocess.Popen(
            [PROGRAM, "tenant", "apply", "-f", town.path, "--config", town.operator.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.15 * (number + 1))
        started.kill()
        started.communicate()
        count = sql(city, "select count(*) from tenants where key like 'cut-%'")
        assert count in ("0", "1"), count
        if count == "1":
            whole = sql(
                city, "select (select count(*) from jurisdictions j where j.tenant_id = t.id) || ' ' || (select count(*) from services s "
                "where s.tenant_id = t.id) || ' ' || (select count(*) from tenant_contacts c where c.tenant_id = t.id) from tenants t where key like 'cut-%'")
            with open(CATALOGUE, encoding="utf-8") as file:
                assert whole == f"1 {len(json.load(file))} 1", whole
    town.apply()
    assert town.plan()["changes"] == [] and sql(city, "select count(*) from tenants where key like 'cut-%'") == "1"
    return town


def room(city):
    """A tenant whose queues could fill the disk is refused, before anything is made."""
    node = json.loads(management(city, "/api/nodes"))[0]
    rabbitmqctl(city, "set_disk_free_limit", str(node["disk_free"] - 700 * 1024 * 1024))
    try:
        wait_until(lambda: json.loads(management(city, "/api/nodes"))[0]["disk_free_limit"] > node["disk_free_limit"], 30, "the limit is reported")
        town = Town(city, "greedy", "open311")
        town.operator.refused("tenant", "apply", "-f", town.path, code=1, says=["could grow to", "above its disk_free_limit", "--overcommit"])
        assert sql(city, "select count(*) from tenants where key like 'greedy-%'") == "0"
    finally:
        rabbitmqctl(city, "set_disk_free_limit", str(node["disk_free_limit"]))


# --- its own virtual host ---------------------------------------------------------------------------------------------------------


def own_host(town):
    """Relay, status consumer, dead letters and replay work in it as in the shared one."""
    operator = town.operator
    town.open_doors()
    connection = town.connect("a")
    channel = connection.channel()
    first, second = town.stored("au virtual host"), town.stored("poison")
    events = take(town, channel, 2, reject=lambda event: event["data"]["description"] == "poison")
    assert {event["data"]["service_request_id"] for event, _ in events} == {first, second}

    channel.basic_publish(
        f"o311.{town.key}.status", f"{town.key}.status_update.v1",
        json.dumps({"service_request_id": first, "status": "closed", "status_notes": "fait"}).encode(),
        pika.BasicProperties(message_id="own-1", delivery_mode=2, content_type="application/json"))
    ((receipt, _),) = take(town, channel, 1, queue=f"o311.{town.key}.receipts")
    assert receipt["data"]["update_id"] == "own-1" and receipt["data"]["outcome"] == "applied", receipt

    wait_until(lambda: operator.json("dead-letters", "list", town.key) != [], 30, "the dead letter")
    assert operator.json("dead-letters", "return", town.key, "--all")["returned"] == 1
    ((again, _),) = take(town, channel, 1)
    assert again["data"]["service_request_id"] == second, again
    assert operator.json("dead-letters", "list", town.key) == []

    sent = operator.json("replay", "--tenant", town.key, "--request", first)["events"]
    assert sent == len(take(town, channel, sent)) >= 1
    connection.close()
    town.operator.text("tenant", "plan", "-f", town.path)


# --- credentials ------------------------------------------------------------------------------------------------------------------


class Consumer(threading.Thread):
    """A CRM on one credential: acknowledges everything, and keeps what it saw and when."""

    def __init__(self, town, slot):
        super().__init__(daemon=True)
        self.town, self.slot, self.seen, self.ended, self.stopping = town, slot, [], None, False
        self.connection = town.connect(slot)
        self.start()

    def run(self):
        try:
            channel = self.connection.channel()
            channel.basic_qos(prefetch_count=20)
            for method, _, body in channel.consume(f"o311.{self.town.key}.requests", inactivity_timeout=0.2):
                if method is not None:
                    self.seen.append((time.monotonic(), json.loads(body)["data"]["service_request_id"]))
                    channel.basic_ack(method.delivery_tag)
                if self.stopping:
                    channel.cancel()
                    self.connection.close()
                    break
            self.ended = "closed by us"
        except pika.exceptions.AMQPError as error:
            self.ended = type(error).__name__

    def stop(self):
        self.stopping = True
        self.join(10)


def rotation(town):
    """F25: a password is changed under load, without a gap: nothing lost, nobody waits."""
    city, operator = town.city, town.operator
    posted, stopping = [], threading.Event()

    def load():
        while not stopping.is_set():
            posted.append((time.monotonic(), town.stored(f"rotation {len(posted)}")))
            time.sleep(0.02)

    old = Consumer(town, "a")
    citizens = threading.Thread(target=load, daemon=True)
    citizens.start()
    wait_until(lambda: len(old.seen) > 20, 30, "the CRM consumes")

    operator.refused("credential", "finish-rotation", town.key, says=["no rotation is under way"])
    operator.refused("credential", "issue", town.key, "a", code=1, says=["issue the other slot, b"])
    path = os.path.join(town.folder, "password")
    issued = operator.json("credential", "rotate", town.key, "--password-file", path)
    assert "password" not in issued and issued["user"] == f"t.{town.key}.b", issued
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with open(path, encoding="utf-8") as file:
        town.users["b"] = (issued["user"], file.read().strip())
    operator.refused("credential", "rotate", town.key, says=["finish-rotation"])
    operator.refused("credential", "rotate", town.key, "--password-file", path, says=["finish-rotation"])
    wait_until(lambda: any(each["connections"] for each in operator.json("credential", "list", town.key)["amqp"]), 20, "the broker tells of a")
    operator.refused("credential", "finish-rotation", town.key, says=[f"t.{town.key}.a was not deleted", "open connections"])

    new = Consumer(town, "b")

    def listed():
        return {each["slot"]: each for each in operator.json("credential", "list", town.key)["amqp"]}

    wait_until(lambda: all(each["connections"] and each["connections"][0].get("product") for each in listed().values()), 20, "both are seen")
    both = listed()
    assert set(both) == {"a", "b"} and all(each.get("last_seen") and each.get("created") for each in both.values()), both
    shown = both["b"]["connections"][0]
    assert "Pika" in shown["product"] and shown["version"] == pika.__version__ and shown["peer"].startswith("127.0.0.1:"), shown
    assert town.users["a"][1] not in json.dumps(both) and town.users["b"][1] not in json.dumps(both)
    limits = {each["user"]: each["value"] for each in json.loads(management(city, "/api/user-limits"))}
    assert limits[f"t.{town.key}.a"] == limits[f"t.{town.key}.b"], "both slots have the same limits"

    # The vendor stops the old one; the first finish still refuses, because it was there a moment ago.
    before = time.monotonic()
    finished = operator.json("credential", "finish-rotation", town.key, "--force")
    assert finished["deleted"] == f"t.{town.key}.a" and finished["in_use"] == f"t.{town.key}.b", finished
    wait_until(lambda: old.ended is not None, 10, "the old connection is closed")
    assert old.ended != "closed by us" and time.monotonic() - before < 10
    try:
        town.connect("a")
        raise AssertionError("the old password still opens")
    except pika.exceptions.AMQPConnectionError:
        pass
    count = len(posted)
    wait_until(lambda: len(posted) > count + 30, 30, "citizens go on")
    stopping.set()
    citizens.join(20)
    ids = {number for _, number in posted}
    wait_until(lambda: ids <= {number for _, number in old.seen + new.seen}, 30, "everything arrived")
    moments = sorted(moment for moment, _ in old.seen + new.seen)
    gap = max(after - before for before, after in zip(moments, moments[1:]))
    pauses = sorted(moment for moment, _ in posted)
    citizens_gap = max(after - before for before, after in zip(pauses, pauses[1:]))
    assert gap < citizens_gap + 2, (gap, citizens_gap)
    new.stop()
    assert new.ended == "closed by us", new.ended
    print(f"tenants: rotated under load, {len(ids)} requests, none lost, longest pause of the CRM {gap:.2f} s (of the citizens {citizens_gap:.2f} s)")


def careful_finish(town):
    """Without force the old user goes only when it is known that nobody uses it."""
    city, operator = town.city, town.operator
    issued = operator.json("credential", "rotate", town.key)
    town.users["a"] = (issued["user"], issued["password"])
    operator.refused("credential", "finish-rotation", town.key, says=["less than 24 hours ago"])
    sql(city, f"update broker_credentials set last_seen_at = now() - interval '25 hours' where slot = 'b' and tenant_id = (select id from tenants where key = '{town.key}')")
    wait_until(lambda: sql(city, "select count(*) from broker_watch") == "1", 60, "the watch service has looked")
    operator.refused("credential", "finish-rotation", town.key, says=[f"nobody was seen connected as t.{town.key}.a yet"])
    connection = town.connect("a")
    wait_until(lambda: any(each["slot"] == "a" and each["connections"] for each in operator.json("credential", "list", town.key)["amqp"]), 20, "a is seen")
    operator.refused("credential", "finish-rotation", town.key, says=["has not looked at the broker for 24 hours"])
    sql(city, "update broker_watch set since = now() - interval '25 hours'")
    assert operator.json("credential", "finish-rotation", town.key)["deleted"] == f"t.{town.key}.b"
    connection.process_data_events(0)
    assert connection.is_open, "the new one is not touched"
    connection.close()


def connection_limits(town):
    """One connection more than allowed is refused; and revoking closes what is open."""
    town.write(limits=["connections: 2", "channels: 4"])
    town.apply()
    open_ones = [town.connect("a"), town.connect("a")]
    try:
        town.connect("a")
        raise AssertionError("a third connection was let in")
    except pika.exceptions.AMQPConnectionError as error:
        refused = f"{error!r}"
    channels = [open_ones[0].channel() for _ in range(4)]
    try:
        open_ones[1].channel()
        raise AssertionError("a fifth channel was let in")
    except pika.exceptions.AMQPError:
        pass
    assert len(channels) == 4 and refused
    town.operator.text("credential", "revoke", town.key, "a")

    def closed():
        try:
            open_ones[0].process_data_events(0)
            return not open_ones[0].is_open
        except pika.exceptions.AMQPError:
            return True

    wait_until(closed, 10, "revoking closes the connection")
    issued = town.operator.json("credential", "issue", town.key, "a")
    town.users["a"] = (issued["user"], issued["password"])
    town.connect("a").close()


def api_rate(town):
    """The tenant's own rate, over all its keys together."""
    town.write(limits=["api_requests_per_minute: 6"])
    town.apply()
    other = town.operator.json("key", "create", town.key, "--label", "second")["api_key"]
    codes = []

    def held():
        for key in (town.api_key, other):
            codes.append(town.city.post("rate", jurisdiction_id=town.jurisdiction, api_key=key)[0])
        return codes[-2:] == [429, 429]

    wait_until(held, 20, "both keys together are held back")
    assert 200 in codes
    town.write()
    town.apply()
    wait_until(lambda: town.post("free again")[0] == 200, 20, "without the limit they are free")


# --- the end ----------------------------------------------------------------------------------------------------------------------


def offboarding(town):
    """Refused while anything waits; then exported, cut, gone on with, closed for good."""
    city, operator = town.city, town.operator
    folder = os.path.join(town.folder, "leaving")
    form = dict(jurisdiction_id=town.jurisdiction, api_key=town.api_key, service_code="LAMP", lat="43.6", long="3.2", description="adieu",
                first_name="Léa", last_name="Petit", email="lea@example.org")
    request = urllib.request.Request(
        city.settings["gateway_url"] + "/requests.json", data=multipart(form, "media", pictures.photo(640, 480)),
        headers={"Content-Type": "multipart/form-data; boundary=zz9"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        number = json.load(answer)[0]["service_request_id"]
    wait_until(lambda: sql(city, f"select state from photos where request_id = {number}") == "ready", 60, "the photo is cleaned")
    channel = town.connect("a").channel()
    wait_until(lambda: channel.queue_declare(f"o311.{town.key}.requests", passive=True).method.message_count >= 2, 30, "messages wait")

    def counted():
        """The broker's counters are seconds behind: what is told is true a moment later, but nothing is ever closed on old numbers."""
        done = operator.run("tenant", "offboard", town.key, "--export", folder)
        assert done.returncode == 64 and "was not closed" in done.stderr, done
        return f"messages in o311.{town.key}.requests" in done.stderr

    wait_until(counted, 20, "the refusal names the queue")
    assert not os.path.exists(folder), os.listdir(folder)
    code, answer = town.post("still open")
    assert code == 200, answer

    def drained():
        # Asked before the queue is: what leaves the outbox after the last message was taken would be overlooked.
        own = f"(select id from tenants where key = '{town.key}')"
        is_sent = sql(city, f"select (select count(*) from outbox where tenant_id = {own} and state = 'pending') "
                            f"+ (select count(*) from photos where tenant_id = {own} and state = 'received')") == "0"
        while True:
            method, _, _ = channel.basic_get(f"o311.{town.key}.requests")
            if method is None:
                return is_sent
            channel.basic_reject(method.delivery_tag, requeue=False)

    wait_until(drained, 30, "the CRM refuses everything")
    dead = f"o311.{town.key}.dead"
    wait_until(lambda: dead in operator.run("tenant", "offboard", town.key, "--export", folder).stderr, 30, "the dead letters stand in the way")
    assert operator.json("dead-letters", "discard", town.key, "--all", "--because", "it leaves")["discarded"] >= 3
    # Citizens' data can be read for a tenant that leaves, and for no other.
    assert sql(city, "set role bus311_admin; begin; select set_config('bus311.tenant', (select id::text from tenants where key = "
                     f"'{city.settings['tenant']}'), true); select count(*) from bus311_export_requests('-infinity', 0, 10); commit").split()[-1] == "0"

    # The broker's counters may still tell of the dead letters: that holds it up, and is no refusal.
    for pause in (10.0, 2.0):
        started = subprocess.Popen(
            [PROGRAM, "tenant", "offboard", town.key, "--export", folder, "--config", operator.config], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        time.sleep(pause)
        assert started.poll() in (None, 0), started.communicate()
        started.kill()
        started.communicate()
    done = operator.json("tenant", "offboard", town.key, "--export", folder)
    assert done["closed_at"] and done["counts"]["photo_files"] == 1 and done["counts"]["photo_files_missing"] == 0, done

    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    for entry in manifest["files"]:
        with open(os.path.join(folder, entry["name"]), "rb") as file:
            content = file.read()
        assert len(content) == entry["bytes"] and hashlib.sha256(content).hexdigest() == entry["sha256"], entry

    def lines(name):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    requests = {each["service_request_id"]: each for each in lines("requests.jsonl")}
    assert requests[number]["reporter"]["email"] == "lea@example.org" and requests[number]["description"] == "adieu"
    assert len(requests) == manifest["counts"]["requests"] == int(sql(
        city, f"select count(*) from service_requests where tenant_id = (select tenant_id from tenant_tombstones where key = '{town.key}')"))
    assert any(each["update_id"] == "own-1" for each in lines("statuses.jsonl"))
    (picture,) = lines("photos.jsonl")
    assert picture["photo"]["request_id"] == number and os.path.exists(os.path.join(folder, picture["file"]))
    assert any(each["what"] == "credential issued" for each in lines("operator-actions.jsonl"))
    with open(os.path.join(folder, "catalogue.json"), encoding="utf-8") as file, open(CATALOGUE, encoding="utf-8") as demo:
        assert [each["service_code"] for each in json.load(file)] == [each["service_code"] for each in json.load(demo)]

    assert town.post("too late")[0] != 200 and town.key not in operator.text("tenant", "list")
    assert town.key not in management(city, "/api/definitions").decode(), "something of it is left on the broker"
    try:
        town.connect("a")
        raise AssertionError("the CRM still gets in")
    except pika.exceptions.AMQPConnectionError:
        pass
    assert operator.json("tenant", "offboard", town.key, "--export", folder)["closed_at"] == done["closed_at"]
    town.virtual_host = "open311"
    town.write()
    operator.refused("tenant", "apply", "-f", town.path, says=["a key is never given again"])
    print(f"tenants: closed with {len(requests)} requests exported")


def main():
    with City() as city:
        own = Town(city, "proche", "city-x")
        lifecycle(own)
        own.write()
        own.apply()
        failures = []

        def side(name, *steps):
            """Runs beside the others; what it finds is told at the end."""
            def work():
                started = time.monotonic()
                try:
                    for what, step in steps:
                        before = time.monotonic()
                        step()
                        print(f"tenants: {what} in {time.monotonic() - before:.1f} s", flush=True)
                    print(f"tenants: {name} in {time.monotonic() - started:.1f} s", flush=True)
                except BaseException:
                    failures.append((name, traceback.format_exc()))
            thread = threading.Thread(target=work)
            thread.start()
            return thread

        steps = (drift, own_host, rotation, careful_finish, connection_limits, api_rate)
        chosen = [step for step in steps if len(sys.argv) == 1 or step.__name__ in sys.argv[1:]]
        threads = [side("the virtual host of its own", *[(step.__name__, lambda step=step: step(own)) for step in chosen])]
        if len(sys.argv) == 1:
            leaving = Town(city, "adieu", "open311")
            leaving.apply()
            threads.append(side("the leaving", *[(step.__name__, lambda step=step: step(leaving)) for step in (own_host, offboarding)]))
            threads.append(side("files", *[(step.__name__, lambda step=step: step(city)) for step in (faults, cut, room)]))
        for thread in threads:
            thread.join()
        for name, trace in failures:
            print(f"tenants: {name} failed:\n{trace}", file=sys.stderr)
        assert not failures
    print("tenants: passed")


if __name__ == "__main__":
    main()
