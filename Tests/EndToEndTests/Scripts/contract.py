"""The message contract against the live city: the AsyncAPI document, every type of event, two versions at once, moderation, erasure."""
import base64
import calendar
import copy
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings

import jsonschema
import pika
import pictures
import yaml
from city import PROGRAM, REPOSITORY, City, sql, wait_until

warnings.filterwarnings("ignore")
from asyncapi3 import AsyncAPI3  # noqa: E402: its models warn while they load

CONTRACT = os.path.join(REPOSITORY, "docs", "contract")
CANARY = "canary-7391@mail.example"


def fetch(url, method="GET", body=None, **headers):
    request = urllib.request.Request(url, method=method, data=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def multipart(fields, content=None):
    part = 'Content-Disposition: form-data; name="%s"'
    texts = [part % key + "\r\n\r\n" + value for key, value in fields.items()]
    parts = [text.encode() for text in texts]
    if content:
        parts.append((part % "media" + '; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n').encode() + content)
    return b"".join(b"--zz9\r\n" + each + b"\r\n" for each in parts) + b"--zz9--\r\n"


class Bench:
    """The city with its operator and a CRM that checks each message it takes."""

    def __init__(self, city):
        self.city = city
        self.settings = city.settings
        self.tenant = city.settings["tenant"]
        self.config = os.path.join(city.home, "settings.json")
        self.root = city.settings["gateway_url"].removesuffix("/open311/v2")
        self.connection = pika.BlockingConnection(pika.URLParameters(city.settings["amqp_uri"]))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.schemas = {}
        with open(os.path.join(CONTRACT, "asyncapi.yaml"), encoding="utf-8") as file:
            self.document = yaml.safe_load(file)
        self.seen = set()
        with open(self.config, encoding="utf-8") as file:
            self.broker = json.load(file)["bus311"]["broker"]

    def run(self, *arguments, code=0):
        answer = subprocess.run(
            [PROGRAM, *arguments, "--format", "json", "--config", self.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        assert answer.returncode == code, (arguments, answer.returncode, answer.stderr.decode())
        return json.loads(answer.stdout) if code == 0 else answer.stderr.decode()

    def policy(self, *arguments):
        self.run("tenant", "policy", self.tenant, *arguments)
        # Gateways follow within a second or so.
        time.sleep(1.5)

    def post(self, description, **fields):
        status, answer = self.city.post(description, email=CANARY, first_name="Canary7391", **fields)
        assert status == 200, answer
        return answer[0]["service_request_id"]

    def status_ingest(self, method, path, body=None):
        code, _, answer = fetch(
            self.settings["status_ingest_url"] + path, method, None if body is None else json.dumps(body).encode(),
            Authorization="Bearer " + self.settings["crm_token"], Content_Type="application/json")
        return code, json.loads(answer)

    def management(self, path, method="GET", body=None):
        login = base64.b64encode(f"{self.broker['provisionerUser']}:{self.broker['provisionerPassword']}".encode()).decode()
        code, _, answer = fetch(
            self.broker["management"] + "/api" + path, method, None if body is None else json.dumps(body).encode(),
            Authorization="Basic " + login, Content_Type="application/json")
        assert code < 300, (path, code, answer)
        return json.loads(answer) if answer else None

    # What is consumed

    def schema(self, name, version, strict):
        key = (name, version, strict)
        if key not in self.schemas:
            if strict:
                with open(os.path.join(CONTRACT, "schemas", name, version + ".producer.json"), encoding="utf-8") as file:
                    text = file.read()
            else:
                code, headers, text = fetch(f"{self.root}/schemas/{name}/{version}.json")
                assert code == 200 and headers["Content-Type"].startswith("application/schema+json"), (code, headers)
            schema = json.loads(text)
            jsonschema.Draft202012Validator.check_schema(schema)
            self.schemas[key] = jsonschema.Draft202012Validator(schema)
        return self.schemas[key]

    def check(self, method, properties, body, channel):
        """A message against the AsyncAPI document and the schema at its own address."""
        event = json.loads(body)
        short = properties.type
        name, major = re.fullmatch(r"(.+)\.v([0-9]+)", short).groups()
        message = next((m for m in self.document["components"]["messages"].values() if m["name"] == short), None)
        assert message, f"{short} is not in the document"
        listed = [entry["$ref"] for entry in self.document["channels"][channel]["messages"].values()]
        assert any(self.document["components"]["messages"][ref.rsplit("/", 1)[1]]["name"] == short for ref in listed), (channel, short)
        assert message["bindings"]["amqp"]["messageType"] == short
        assert properties.content_type == message["contentType"], properties
        assert properties.delivery_mode == 2 and properties.content_encoding is None and properties.app_id.startswith("bus311/")
        assert properties.reply_to == self.settings["status_exchange"], properties
        assert len(body) <= 262_144 and properties.message_id == event["id"], properties
        assert method.routing_key == f"{self.tenant}.{name}", method
        assert event["type"].endswith("." + short) and event["source"] == f"/open311/{self.tenant}", event
        if name.startswith("service_request."):
            assert properties.correlation_id == event["subject"] == event["data"]["service_request_id"], (properties, event)
            assert event["sequence"] == str(event["data"]["sequence"]), event
        headers = properties.headers
        jsonschema.Draft202012Validator(self.document["components"]["schemas"]["headers"]).validate(headers)
        for attribute in ("id", "specversion", "source", "type", "time"):
            assert headers["ce-" + attribute] == event[attribute], (attribute, headers, event)
        assert headers["ce-subject"] == event.get("subject", ""), (headers, event)
        assert properties.timestamp == calendar.timegm(time.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ")), (properties, event)
        assert headers["ce-sequence"] == event.get("sequence", "0"), headers
        version = headers["x-o311-schema"]
        assert version.split(".")[0] == major and event["dataschema"] == f"{self.root}/schemas/{name}/{version}.json", event["dataschema"]
        for strict in (True, False):
            self.schema(name, version, strict).validate(event)
        assert message["payload"]["schema"]["$ref"] == f"schemas/{name}/{version}.json", message
        self.seen.add(short)
        return event, properties

    def take(self, count, queue="request_queue", channel="requests", reject=False):
        """The next messages, in order, each checked."""
        taken = []

        def more():
            method, properties, body = self.channel.basic_get(self.settings[queue])
            if method:
                taken.append(self.check(method, properties, body, channel))
                if reject:
                    self.channel.basic_reject(method.delivery_tag, requeue=False)
                else:
                    self.channel.basic_ack(method.delivery_tag)
            return len(taken) >= count

        while len(taken) < count:
            wait_until(lambda: more() or len(taken) > 0 and taken[-1] is not None, 60, f"{count} messages of {queue}, had {len(taken)}")
        return taken

    def nothing(self, seconds=1.5):
        time.sleep(seconds)
        method, properties, _ = self.channel.basic_get(self.settings["request_queue"])
        assert method is None, properties

    def settled(self):
        wait_until(lambda: sql(self.city, "select count(*) from outbox where state = 'pending'") == "0", 60, "all settled")


def references(value, place="#"):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield place, inner
            else:
                yield from references(inner, f"{place}/{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from references(inner, f"{place}/{number}")


def document(bench):
    """Valid AsyncAPI 3, every reference leads somewhere, nothing published is left out; what is served is what is written."""
    AsyncAPI3.model_validate(bench.document)
    assert bench.document["asyncapi"] == "3.0.0"
    for path, wrong in ((("operations", "sendStatus", "action"), "push"), (("channels", "requests", "bindings", "amqp", "is"), "stream"),
                        (("servers", "bus", "protocol"), None), (("operations", "receiveRequests", "channel"), {"name": "requests"})):
        broken = copy.deepcopy(bench.document)
        part = broken
        for word in path[:-1]:
            part = part[word]
        part[path[-1]] = wrong
        try:
            AsyncAPI3.model_validate(broken)
        except ValueError:
            continue
        raise AssertionError(f"{path} may be {wrong}: the validator finds nothing")
    described = set()
    for place, reference in references(bench.document):
        if reference.startswith("#"):
            part = bench.document
            for word in reference[2:].split("/"):
                assert word in part, f"{place}: {reference} leads nowhere"
                part = part[word]
        else:
            with open(os.path.join(CONTRACT, reference), encoding="utf-8") as file:
                jsonschema.Draft202012Validator.check_schema(json.load(file))
            described.add(reference)
    published = {os.path.relpath(path, CONTRACT) for path in glob.glob(os.path.join(CONTRACT, "schemas", "*", "*.json"))}
    published = {path for path in published if not path.endswith(".producer.json")}
    newest = {}
    for path in published:
        major, minor = path.removesuffix(".json").rsplit(".", 1)
        newest[major] = max(newest.get(major, 0), int(minor))
    # Earlier minors are served for ever, and described by none.
    assert described == {f"{major}.{minor}.json" for major, minor in newest.items()}, (described, newest)
    for path in sorted(published) + ["asyncapi.yaml"]:
        code, headers, served = fetch(f"{bench.root}/{path}")
        with open(os.path.join(CONTRACT, path), "rb") as file:
            assert code == 200 and served == file.read(), path
        assert "max-age=" in headers["Cache-Control"], headers
        assert fetch(f"{bench.root}/{path}", If_None_Match=headers["ETag"])[0] == 304, path
    assert fetch(bench.root + "/schemas/service_request.created/9.9.json")[0] == 404
    assert fetch(bench.root + "/schemas/../openapi.json")[0] == 404
    assert fetch(bench.root + "/asyncapi.yaml", "POST", b"")[0] == 405


def topology(bench):
    """What the document says of exchanges, queues, policies and bindings is what the broker has; and it has no more of this tenant."""
    vhost = bench.settings["vhost"]
    exchanges, queues, bindings = set(), set(), set()
    fill = lambda text: text.replace("{tenant}", bench.tenant)
    policies = {policy["name"]: policy for policy in bench.management(f"/policies/{vhost}")}

    def exchange(name, kind, durable, automatic, internal=False, alternate=None):
        live = bench.management(f"/exchanges/{vhost}/{name}")
        assert (live["type"], live["durable"], live["auto_delete"], live["internal"]) == (kind, durable, automatic, internal), live
        assert live["arguments"] == {}, live
        if alternate:
            assert policies[live["policy"]]["definition"] == {"alternate-exchange": alternate}, live
        exchanges.add(name)

    for channel in bench.document["channels"].values():
        amqp = channel["bindings"]["amqp"]
        assert amqp["bindingVersion"] == "0.3.0"
        if amqp["is"] == "routingKey":
            it = amqp["exchange"]
            assert it["vhost"] == vhost
            exchange(fill(it["name"]), it["type"], it["durable"], it["autoDelete"], alternate=channel.get("x-o311-alternate-exchange"))
            continue
        it = amqp["queue"]
        name = fill(it["name"])
        assert name == fill(channel["address"]) and it["vhost"] == vhost
        # Policies are shown with the first statistics, some seconds after the queue was made.
        wait_until(lambda: "effective_policy_definition" in bench.management(f"/queues/{vhost}/{name}"), 30, f"statistics of {name}")
        live = bench.management(f"/queues/{vhost}/{name}")
        assert (live["durable"], live["exclusive"], live["auto_delete"]) == (it["durable"], it["exclusive"], it["autoDelete"]), live
        assert live["type"] == channel["x-o311-queue-type"] and live["arguments"] == {"x-queue-type": "quorum"}, live
        policy = channel["x-o311-policy"]
        assert live["policy"] == policy["name"] and live["effective_policy_definition"].items() >= {
            key: value for key, value in policy["definition"].items()}.items(), (live["effective_policy_definition"], policy)
        assert policies[policy["name"]]["definition"] == policy["definition"], policies[policy["name"]]
        queues.add(name)
        bindings |= {(fill(entry["exchange"]), name, fill(entry["routingKey"])) for entry in channel["x-o311-bindings"]}
        if "x-o311-dead-letter-exchange" in channel:
            dead = channel["x-o311-dead-letter-exchange"]
            exchange(dead["name"], dead["type"], dead["durable"], False, dead["internal"])
    own = f"o311.{bench.tenant}."
    assert {q["name"] for q in bench.management(f"/queues/{vhost}") if q["name"].startswith(own)} == queues
    assert {x["name"] for x in bench.management(f"/exchanges/{vhost}") if x["name"].startswith(own)} == {x for x in exchanges if own in x}
    live = {(b["source"], b["destination"], b["routing_key"]) for b in bench.management(f"/bindings/{vhost}")
            if b["destination"].startswith(own) and b["source"]}
    assert live == bindings, live ^ bindings


def versions(bench):
    """One version, both, the second alone: the tenant chooses, each change makes one message in each."""
    bench.post("erste")
    ((event, properties),) = bench.take(1)
    assert properties.type == "service_request.created.v1" and "x-o311-sunset" not in properties.headers
    bench.policy("--contract", "both", "--sunset", "2030-01-31")
    number = bench.post("both")
    (first, before), (second, after) = bench.take(2)
    assert [before.type, after.type] == ["service_request.created.v1", "service_request.created.v2"]
    assert before.headers["x-o311-sunset"] == "2030-01-31T00:00:00Z" and "x-o311-sunset" not in after.headers, before.headers
    assert first["id"] != second["id"] and first["sequence"] == second["sequence"] == "1" and first["subject"] == second["subject"] == number
    old, new = first["data"], second["data"]
    assert new["state"] == {key: old[key] for key in ("status", "detailed_status")}, new
    assert new["position"] == {"latitude": old["lat"], "longitude": old["long"]}, new
    assert {key: value for key, value in new.items() if key not in ("state", "position")} == {
        key: value for key, value in old.items() if key not in ("status", "detailed_status", "lat", "long")}
    bench.settled()
    timeline = bench.run("timeline", number)
    assert timeline["waits_for"] == "acknowledged" and len(timeline["events"]) == 2, timeline
    # A replay sends both again; a dead letter of one comes back alone.
    assert bench.run("replay", "--tenant", bench.tenant, "--request", number)["events"] == 2
    again = bench.take(1) + bench.take(1, reject=True)
    assert {event["id"] for event, _ in again} == {first["id"], second["id"]}
    wait_until(lambda: bench.run("dead-letters", "list", bench.tenant) != [], 30, "the dead letter")
    assert bench.run("dead-letters", "return", bench.tenant, "--all")["returned"] == 1
    ((returned, _),) = bench.take(1)
    assert returned["id"] == again[1][0]["id"]
    assert "--sunset" in bench.run("tenant", "policy", bench.tenant, "--contract", "2", "--sunset", "2030-01-31", code=64)
    bench.policy("--contract", "2")
    bench.post("second only")
    ((event, properties),) = bench.take(1)
    assert properties.type == "service_request.created.v2" and "x-o311-sunset" not in properties.headers
    bench.policy("--contract", "both")
    number = bench.post("updated later")
    bench.take(2)
    citizen = dict(
        jurisdiction_id=bench.settings["jurisdiction_id"], api_key=bench.settings["api_key"], service_request_id=number, update_id="fms-1",
        updated_datetime="2026-01-02T10:00:00Z", status="FIXED", description="Réparé", email=CANARY)
    code, _, answer = fetch(
        bench.settings["gateway_url"] + "/servicerequestupdates.json", "POST", urllib.parse.urlencode(citizen).encode())
    assert code == 200, answer
    (first, _), (second, _) = bench.take(2)
    assert first["type"].endswith("updated.v1") and second["type"].endswith("updated.v2")
    assert first["data"]["sequence"] == second["data"]["sequence"] == 2 and first["data"]["changed"] == ["citizen_update"], first
    return number


def others(bench):
    """The types that are about no request, and the receipts."""
    bench.run("notice", "ping", bench.tenant)
    bench.run("notice", "refresh", bench.tenant, "--what", "services", "--reason", "2027")
    assert [properties.type for _, properties in bench.take(2)] == ["bus.ping.v1", "reference_data.refresh_requested.v1"]
    number = bench.post("status")
    bench.take(2)
    with open(os.path.join(CONTRACT, "examples", "status_update", "1.0-full.json"), encoding="utf-8") as file:
        update = dict(json.load(file), service_request_id=number, updated_datetime="2026-01-02T10:00:00Z")
    bench.schema("status_update", "1.0", False).validate(update)
    channel = bench.document["channels"]["status"]
    exchange = channel["bindings"]["amqp"]["exchange"]["name"].replace("{tenant}", bench.tenant)
    for name, body in (("u-1", update), ("u-2", dict(update, service_request_id="2601999999999"))):
        bench.channel.basic_publish(
            exchange, channel["address"].replace("{tenant}", bench.tenant), json.dumps(body).encode(),
            pika.BasicProperties(message_id=name, delivery_mode=2, content_type=bench.document["components"]["messages"]["statusUpdate"][
                "contentType"]), mandatory=True)
    kinds = sorted(properties.type for _, properties in bench.take(2, "receipts_queue", "receipts"))
    assert kinds == ["status_update.accepted.v1", "status_update.rejected.v1"]


def shown(bench, number):
    """Whether the public sees a request: by id, in lists, in searches, in updates."""
    jurisdiction = "jurisdiction_id=" + bench.settings["jurisdiction_id"]
    base = bench.settings["gateway_url"]
    found = set()
    code, _, answer = fetch(f"{base}/requests/{number}.json?{jurisdiction}")
    found.add(code == 200)
    assert code in (200, 404), answer
    for query in ("", "&q=photograph", f"&service_request_id={number}", "&lat=43.6&long=3.2&radius=100"):
        code, _, answer = fetch(f"{base}/requests.json?{jurisdiction}{query}")
        assert code == 200, answer
        found.add(number in [entry["service_request_id"] for entry in json.loads(answer)])
    code, _, answer = fetch(f"{base}/servicerequestupdates.json?{jurisdiction}")
    found.add(number in [entry["service_request_id"] for entry in json.loads(answer)])
    assert len(found) == 1, f"{number} is shown here and not there"
    return found.pop()


def submit(bench, description, photo=None, **more):
    fields = dict(
        jurisdiction_id=bench.settings["jurisdiction_id"], api_key=bench.settings["api_key"], service_code="LAMP", lat="43.6", long="3.2",
        description=description, email=CANARY, **more)
    code, _, answer = fetch(
        bench.settings["gateway_url"] + "/requests.json", "POST", multipart(fields, photo),
        Content_Type="multipart/form-data; boundary=zz9")
    return code, json.loads(answer)


def photographed(bench, description):
    code, answer = submit(bench, description, pictures.photo())
    assert code == 200, answer
    number = answer[0]["service_request_id"]
    events = [event for event, _ in bench.take(3)]
    assert [event["type"].rsplit(".", 2)[1] for event in events] == ["created", "created", "media_added"], events
    code, _ = bench.status_ingest("PUT", f"/v1/service-requests/{number}/updates/1", {"status_notes": CANARY})
    assert code == 201
    return number, events[2]["data"]["media"][0]["url"]


def moderation(bench):
    number, url = photographed(bench, "photograph of a neighbour")
    assert shown(bench, number) and fetch(url)[0] == 200
    path = f"/v1/service-requests/{number}/moderation"
    assert bench.run("moderate", "hide", number, "--reason", "names a neighbour") == {
        "service_request_id": number, "outcome": "applied", "hidden": True}
    assert not shown(bench, number) and fetch(url)[0] in (404, 410)
    (first, _), (second, properties) = bench.take(2)
    assert properties.type == "service_request.moderated.v2" and first["data"]["sequence"] == second["data"]["sequence"] == 3, first
    assert first["data"]["moderation"]["state"] == "hidden" and first["data"]["moderation"]["moderated_by"] == "operator", first
    # A word of the CRM changes the status, and does not show it again.
    assert bench.status_ingest("PUT", f"/v1/service-requests/{number}/updates/2", {"status": "IN_PROCESS"})[0] == 201
    assert not shown(bench, number)
    assert bench.run("moderate", "hide", number, "--reason", "again")["outcome"] == "unchanged"
    assert bench.status_ingest("POST", path, {"action": "shout", "reason": "x"})[0] == 400
    assert bench.status_ingest("POST", path, {"action": "restore"})[0] == 400
    assert bench.status_ingest("POST", "/v1/service-requests/2601999999999/moderation", {"action": "hide", "reason": "x"})[0] == 404
    code, answer = bench.status_ingest("POST", path, {"action": "restore", "reason": "reviewed"})
    assert code == 200 and answer == {"service_request_id": number, "outcome": "applied", "hidden": False}, answer
    assert shown(bench, number) and fetch(url)[0] == 200
    (first, _), _ = bench.take(2)
    assert first["data"]["moderation"] | {"moderated_datetime": ""} == {
        "state": "restored", "reason": "reviewed", "moderated_by": "crm", "moderated_datetime": ""}, first
    bench.settled()
    story = [(event["sequence"], event["type"].split(".")[1]) for event in bench.run("timeline", number)["events"]]
    assert story == [(1, "created")] * 2 + [(2, "media_added")] + [(3, "moderated")] * 2 + [(4, "moderated")] * 2, story
    # A photo's event that waits for a person is seen where its request is.
    sql(bench.city, "update outbox set state = 'parked', attempts = 1, last_error = 'invalid' "
                    f"where request_id = {number} and type like '%media_added%'")
    (parked,) = [event for event in bench.run("timeline", number)["events"] if event["state"] == "parked"]
    assert parked["type"] == "service_request.media_added.v1" and parked["reason"] == "invalid", parked
    sql(bench.city, "update outbox set state = 'confirmed', attempts = 0, last_error = null "
                    f"where request_id = {number} and type like '%media_added%'")
    assert fetch(bench.settings["status_ingest_url"] + path, "POST", b"{}")[0] == 401
    bench.nothing(0.5)


def binding(bench, method):
    """Takes away, or gives back, the way of requests to the queue: what is published meanwhile stays in the outbox."""
    path = f"/bindings/{bench.settings['vhost']}/e/o311.{bench.tenant}.out/q/o311.{bench.tenant}.requests"
    key = f"{bench.tenant}.service_request.#"
    if method == "DELETE":
        bench.management(f"{path}/{urllib.parse.quote(key, safe='')}", "DELETE")
    else:
        bench.management(path, "POST", {"routing_key": key, "arguments": {}})


def traces(bench, number):
    """Whatever the database holds of a request, as text."""
    columns = "select string_agg(t::text, ' ') from {} t where {} = " + number
    tables = {"service_requests": "id", "reporters": "request_id", "client_references": "request_id", "citizen_updates": "request_id",
              "status_updates": "request_id", "photos": "request_id", "moderations": "request_id", "erasures": "request_id"}
    texts = [sql(bench.city, columns.format(table, column)) for table, column in tables.items()]
    texts.append(sql(bench.city, f"select string_agg(convert_from(body, 'UTF8') || coalesce(last_error, ''), ' ') from outbox where request_id = {number}"))
    return " ".join(texts)


def relay_was_blocked(bench):
    """How often it was told."""
    with urllib.request.urlopen(bench.city.settings["health_url"] + "/metrics", timeout=10) as answer:
        return float(re.search(r'^o311_relay_failures_total\{reason="blocked"\} (\S+)$', answer.read().decode(), re.MULTILINE)[1])


def erasure(bench, updated):
    """At each stage: queued, dead, waiting, replayed. Nothing of the person leaves again, and the CRM is told."""
    # Taken by the CRM, one event dead, another still in the queue.
    number, url = photographed(bench, "photograph " + CANARY)
    bench.run("moderate", "hide", number, "--reason", CANARY)
    bench.take(1, reject=True)
    wait_until(lambda: bench.run("dead-letters", "list", bench.tenant) != [], 30, "the dead letter")
    assert CANARY in traces(bench, number)
    path = f"/v1/service-requests/{number}/personal-data"
    assert bench.status_ingest("DELETE", path, {"reason": "because of Mrs Martin"})[0] == 400
    code, answer = bench.status_ingest("DELETE", path)
    assert code == 200 and answer["outcome"] == "erased" and answer["reason"] == "data_subject_request", answer
    left = traces(bench, number)
    assert CANARY not in left and "Canary7391" not in left and url.rsplit("/", 1)[1] not in sql(
        bench.city, f"select media_urls::text from service_requests where id = {number}"), left
    # The queue cannot be unsent: the copy in it comes, then the word that it was erased.
    (queued, _), (word, properties) = bench.take(2)
    assert queued["type"].endswith("moderated.v2") and properties.type == "service_request.erased.v1", (queued, word)
    assert word["data"].keys() == {"service_request_id", "tenant", "jurisdiction_id", "sequence", "reason", "erased_datetime"}, word
    assert word["data"]["sequence"] == queued["data"]["sequence"] + 1 and CANARY not in json.dumps(word), word
    assert not shown(bench, number) and fetch(url)[0] == 410
    outcome = bench.run("dead-letters", "return", bench.tenant, "--all")
    assert outcome["returned"] == 0 and outcome["erased"] == 1 and bench.run("dead-letters", "list", bench.tenant) == [], outcome
    # A replay has the word only; a hand that queues more is stopped by the database.
    bench.settled()
    assert bench.run("replay", "--tenant", bench.tenant, "--request", number)["events"] == 1
    ((again, _),) = bench.take(1)
    assert again == word
    sql(bench.city, "insert into outbox (event_id, tenant_id, shard, request_id, request_sequence, type, body, replay_id) select "
                    f"gen_random_uuid(), tenant_id, shard, request_id, 1, 'service_request.created.v1', 'x', 1 from outbox where request_id = {number} limit 1")
    # Nothing more is kept of it.
    assert bench.status_ingest("DELETE", path)[1]["outcome"] == "repeated"
    assert bench.status_ingest("PUT", f"/v1/service-requests/{number}/updates/9", {"status_notes": CANARY})[0] == 410
    assert bench.status_ingest("POST", f"/v1/service-requests/{number}/moderation", {"action": "restore", "reason": "x"})[0] == 410
    assert "erased" in bench.run("moderate", "restore", number, "--reason", "x", code=64)
    assert bench.run("timeline", number)["events"][-1]["type"] == "service_request.erased.v1"

    # With what a citizen added to it.
    assert CANARY not in (sql(bench.city, f"select description from citizen_updates where request_id = {updated}"))
    assert sql(bench.city, f"select description from citizen_updates where request_id = {updated}") == "Réparé"
    assert bench.run("erase", updated, "--reason", "legal_order")["outcome"] == "erased"
    assert bench.run("erase", updated, "--reason", "retention")["reason"] == "legal_order"
    assert sql(bench.city, f"select description from citizen_updates where request_id = {updated}") == ""
    ((word, _),) = bench.take(1)
    assert word["data"]["reason"] == "legal_order" and word["data"]["sequence"] == 3
    assert "data_subject_request" in bench.run("erase", updated, "--reason", "she asked", code=64)
    assert "No tenant" in bench.run("erase", "2601999999999", "--reason", "retention", code=64)

    # Waiting for the broker.
    binding(bench, "DELETE")
    waiting = bench.post("waits " + CANARY)
    other = bench.post("waits too")
    wait_until(lambda: int(sql(bench.city, f"select coalesce(max(attempts), 0) from outbox where request_id = {waiting}")) > 0, 30, "a refusal")
    assert bench.run("erase", waiting, "--reason", "sent_by_mistake")["outcome"] == "erased"
    states = sql(bench.city, f"select string_agg(state || coalesce(last_error, '') || length(body), ',' order by seq) from outbox where request_id = {waiting} and type not like '%erased%'")
    assert states == "confirmederased0,confirmederased0", states
    assert CANARY not in traces(bench, waiting)
    binding(bench, "POST")
    events = bench.take(3)
    assert sorted((event["subject"], properties.type) for event, properties in events) == sorted([
        (other, "service_request.created.v1"), (other, "service_request.created.v2"), (waiting, "service_request.erased.v1")]), events
    bench.nothing()

    # In the relay's memory: read before it was erased, held back by a broker that takes nothing.
    ctl = lambda *words: subprocess.run(
        [os.path.join(bench.city.home, "rabbitmq", "bin", "rabbitmqctl"), *words], check=True, timeout=60, stdout=subprocess.DEVNULL)
    ctl("set_vm_memory_high_watermark", "0")
    blocked = relay_was_blocked(bench)
    first = bench.post("the publication that finds the broker blocked")
    # What is on its way before the broker has said so is read when it reads again.
    wait_until(lambda: relay_was_blocked(bench) > blocked, 30, "the relay knows that the broker takes nothing")
    held = bench.post("held " + CANARY)
    time.sleep(1.5)
    waits = f"select count(*) from outbox where request_id in ({first}, {held}) and state = 'pending' and attempts = 0"
    assert sql(bench.city, waits) == "4", "the broker takes what it should not"
    assert bench.run("erase", held, "--reason", "retention")["outcome"] == "erased"
    time.sleep(0.5)
    ctl("set_vm_memory_high_watermark", "0.4")
    events = bench.take(3)
    assert sorted((event["subject"], properties.type) for event, properties in events) == sorted([
        (first, "service_request.created.v1"), (first, "service_request.created.v2"), (held, "service_request.erased.v1")]), [
            (event["subject"], properties.type) for event, properties in events]
    bench.nothing()

    # The files go with the cleaner's sweep.
    for path in glob.glob(os.path.join(bench.city.home, "media", bench.tenant, "*", "*", "*")):
        os.utime(path, (time.time() - 7_200,) * 2)
    kept = int(sql(bench.city, "select count(distinct public_sha256) + count(distinct small_sha256) from photos where state = 'ready'"))
    files = lambda: glob.glob(os.path.join(bench.city.home, "media", bench.tenant, "*", "*", "*"))
    return kept, files


def sizes(bench):
    """Larger than 256 KiB: never published, never lost, told; and the next ones go."""
    number = bench.post("will be too large")
    bench.take(2)
    bench.settled()
    sql(bench.city, "insert into outbox (event_id, tenant_id, shard, request_id, request_sequence, type, body) select gen_random_uuid(), "
                    "tenant_id, shard, request_id, 2, 'service_request.updated.v1', convert_to(repeat('x', 262145), 'UTF8') "
                    f"from outbox where request_id = {number} limit 1")
    after = bench.post("after it")
    assert {event["subject"] for event, _ in bench.take(2)} == {after}
    wait_until(lambda: bench.run("parked", "list") != [], 30, "the event to be parked")
    (view,) = bench.run("parked", "list")
    assert view["reason"] == "too_large" and view["service_request_id"] == number, view
    gauge = f'o311_outbox_parked{{tenant="{bench.tenant}"}} 1'
    wait_until(lambda: gauge in fetch(bench.settings["health_url"] + "/metrics")[2].decode(), 60, "the gauge that alerts watch")
    bench.run("parked", "skip", str(view["number"]), "--reason", "a test")
    # The largest that a form may carry is taken, and comes.
    answers = {f"attribute[long{place}]": '"' * 4_000 for place in range(16)}
    assert submit(bench, "\U0001F6B2" * 4_000, **answers)[0] == 200
    (event, _), _ = bench.take(2)
    assert len(json.dumps(event, ensure_ascii=False).encode()) > 130_000
    code, answer = submit(bench, "too much", **answers, **{"attribute[more]": "x" * 3_000})
    assert code == 400 and "65536" in answer[0]["description"], (code, answer)


def evolution():
    """What would break is refused by the command, with its place and its reason; files alone are needed."""
    def check(*arguments, code=0):
        answer = subprocess.run([PROGRAM, "contract", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        assert answer.returncode == code, (arguments, answer)
        return answer.stdout.decode() or answer.stderr.decode()

    with tempfile.TemporaryDirectory() as folder:
        copied = os.path.join(folder, "contract")
        shutil.copytree(CONTRACT, copied)
        assert "Nothing breaks" in check("check", "--contract", copied, "--published")
        path = os.path.join(copied, "schemas", "service_request.created", "1.2.json")
        next_path = path.replace("1.2.json", "1.3.json")
        with open(path, encoding="utf-8") as file:
            schema = json.load(file)
        later = copy.deepcopy(schema)
        later["properties"]["data"]["properties"]["priority"] = {"type": "string"}
        with open(next_path, "w", encoding="utf-8") as file:
            json.dump(later, file)
        report = json.loads(check("check", "--contract", copied, "--format", "json"))
        assert report["breaking"] == [] and "service_request.created 1.3" in report["additions"], report
        del later["properties"]["data"]["properties"]["service_code"]
        with open(next_path, "w", encoding="utf-8") as file:
            json.dump(later, file)
        report = json.loads(check("check", "--contract", copied, "--against", CONTRACT, "--format", "json", code=1))
        (finding,) = report["breaking"]
        assert (finding["rule"], finding["type"], finding["path"]) == (
            "property-removed", "service_request.created", "/properties/data/properties/service_code"), finding
        assert "BREAKS" in check("check", "--contract", copied, code=1)
        assert "BREAKS" in check("publish", "2099-01-01", "--contract", copied, code=1)
        os.remove(next_path)
        check("publish", "2099-01-01", "--contract", copied)
        subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], cwd=os.path.join(copied, "published", "2099-01-01"), check=True)
        document = os.path.join(copied, "asyncapi.yaml")
        with open(document, encoding="utf-8") as file:
            text = file.read()
        with open(document, "w", encoding="utf-8") as file:
            file.write(text.replace("o311.{tenant}.requests", "o311.{tenant}.inbox"))
        renamed = json.loads(check("check", "--contract", copied, "--format", "json", code=1))["breaking"]
        assert {finding["rule"] for finding in renamed} == {"topology-changed"}, renamed
        assert "/channels/requests/address" in [finding["path"] for finding in renamed], renamed
        for old, new, rule, place in (
                ("service_request.created/1.2.json", "service_request.created/1.7.json", "reference-missing", "/$ref"),
                ("        delivery-limit: 10\n", "        delivery-limit: 10\n        max-age: 1h\n", "topology-changed",
                 "/channels/requests/x-o311-policy/definition/max-age")):
            assert old in text
            with open(document, "w", encoding="utf-8") as file:
                file.write(text.replace(old, new))
            found = json.loads(check("check", "--contract", copied, "--format", "json", code=1))["breaking"]
            assert {finding["rule"] for finding in found} == {rule}, found
            assert any(finding["path"].endswith(place) for finding in found), found
        os.remove(document)
        assert "topology-removed" in check("check", "--contract", copied, code=1)
        assert "holds no contract" in check("check", "--contract", folder, code=64)


def main():
    evolution()
    with City() as city:
        bench = Bench(city)
        for case in (document, topology):
            case(bench)
        updated = versions(bench)
        others(bench)
        moderation(bench)
        sizes(bench)
        kept, files = erasure(bench, updated)
        expected = {message["name"] for message in bench.document["components"]["messages"].values()} - {"status_update.v1"}
        assert bench.seen == expected, f"never consumed: {expected - bench.seen}"
        assert CANARY not in city.log() and "Canary7391" not in city.log()
        # The sweep runs when the cleaner starts.
        city.kill("bus311 all")
        wait_until(lambda: len(files()) <= kept, 60, "the sweep of the erased photo's files")
    print("contract: 8 passed, 0 failed")


if __name__ == "__main__":
    sys.exit(main())
