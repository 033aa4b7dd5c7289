"""Statuses that a CRM sends over AMQP: the rules of REST, a receipt for each, and nothing that ends the consumer."""
import json
import os
import random
import sys
import urllib.error
import urllib.request

import jsonschema
import pika
from city import REPOSITORY, City, wait_until


def schema(name):
    path = os.path.join(REPOSITORY, "docs", "contract", "schemas", name, "1.0.producer.json")
    with open(path, encoding="utf-8") as file:
        return jsonschema.Draft202012Validator(json.load(file))


class CRM:
    """One connection of the tenant's user, as a vendor writes it: confirms, mandatory, receipts by hand."""

    def __init__(self, city):
        self.settings = city.settings
        self.connection = pika.BlockingConnection(pika.URLParameters(city.settings["amqp_uri"]))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.key = f"{city.settings['tenant']}.status_update.v1"
        self.receipts = {}
        self.strict = {kind: schema(f"status_update.{kind}") for kind in ("accepted", "rejected")}

    def send(self, message_id, body, key=None, **properties):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        properties = dict({"content_type": "application/json"}, **properties)
        self.channel.basic_publish(
            self.settings["status_exchange"], key or self.key, body,
            pika.BasicProperties(message_id=message_id, delivery_mode=2, **properties), mandatory=True)

    def receive(self):
        """Every receipt there is now, checked against the contract."""
        while True:
            method, properties, body = self.channel.basic_get(self.settings["receipts_queue"])
            if method is None:
                return
            event = json.loads(body)
            kind = method.routing_key.rsplit(".", 1)[1]
            self.strict[kind].validate(event)
            assert properties.message_id == event["id"] and properties.type == f"status_update.{kind}.v1", properties
            # An id that no update can have is given back to match by, and named nowhere else.
            named = event["data"]["update_id"]
            assert named in (properties.correlation_id, None) and event.get("subject") == named, (properties, event)
            assert properties.headers["ce-subject"] == (named or ""), properties
            self.receipts.setdefault(properties.correlation_id, []).append((kind, event))
            self.channel.basic_ack(method.delivery_tag)

    def answers(self, message_id, count=1):
        def there():
            self.receive()
            return len(self.receipts.get(message_id, [])) >= count

        wait_until(there, 60, f"receipt {count} of {message_id}")
        return self.receipts[message_id]

    def accepted(self, message_id, outcome, status=None):
        kind, event = self.answers(message_id)[-1]
        assert kind == "accepted" and event["data"]["outcome"] == outcome, event
        assert status is None or event["data"]["status"] == status, event

    def rejected(self, message_id, reason, count=1):
        kind, event = self.answers(message_id, count)[count - 1]
        assert kind == "rejected" and event["data"]["reason"] == reason, event


def rules(city, crm, request):
    update = {"service_request_id": request, "status": "IN_PROCESS", "status_notes": "canary-notes e\u0300", "external_reference": "R-1",
              "updated_datetime": "2026-01-02T10:00:00Z"}
    crm.send("u-1", update)
    crm.accepted("u-1", "applied", "open")
    shown = json.loads(city.get(f"/requests/{request}.json"))[0]
    assert shown["status_notes"] == "canary-notes \u00e8", shown

    # Again the same: the very same receipt. Again with another content: refused, as by REST.
    crm.send("u-1", update)
    first, second = crm.answers("u-1", 2)
    assert first == second, (first, second)
    crm.send("u-1", dict(update, status="closed"))
    crm.rejected("u-1", "conflicting-update", 3)

    crm.send("u-old", dict(update, updated_datetime="2026-01-01T10:00:00Z", status="closed"))
    crm.accepted("u-old", "superseded", "open")
    crm.send("u-2", {"service_request_id": request, "status": "closed"})
    crm.accepted("u-2", "applied", "closed")
    crm.send("u-3", {"service_request_id": request, "status": "RECEIVED"})
    crm.rejected("u-3", "illegal-transition")
    crm.send("u-4", {"service_request_id": request, "status": "SOLVED", "expected_datetime": "soon"})
    crm.rejected("u-4", "invalid-update")
    assert {error["pointer"] for error in crm.answers("u-4")[0][1]["data"]["errors"]} == {"/status", "/expected_datetime"}
    crm.send("u-5", {"service_request_id": "2601999999999", "status": "closed"})
    crm.rejected("u-5", "unknown-request")
    crm.send("u-6", {"status": "closed"})
    crm.rejected("u-6", "invalid-update")
    crm.send("u-7", {"service_request_id": request})
    crm.rejected("u-7", "empty-update")
    assert json.loads(city.get(f"/requests/{request}.json"))[0]["status"] == "closed"

    # REST and the bus are two doors of one house: the other knows the id.
    path = f"{city.settings['status_ingest_url']}/v1/service-requests/{request}/updates/u-2"
    again = urllib.request.Request(path, method="PUT", data=b'{"status":"closed"}', headers={
        "Authorization": f"Bearer {city.settings['crm_token']}", "Content-Type": "application/json"})
    with urllib.request.urlopen(again, timeout=10) as answer:
        assert json.load(answer)["outcome"] == "repeated"


def strangers(city, crm, request):
    """Wrong keys, forged senders, garbage: answered or set aside, and the next honest message is applied."""
    crm.send("k-1", {"service_request_id": request, "status": "closed"}, key=f"{city.settings['tenant']}.status_update.v2")
    crm.rejected("k-1", "wrong-routing-key")
    assert crm.key in crm.answers("k-1")[0][1]["data"]["detail"]
    crm.send(None, {"service_request_id": request, "status": "closed"})
    crm.rejected(None, "missing-message-id")
    for name in ("x" * 129, "y" * 255, "a\u0007b"):
        crm.send(name, {"service_request_id": request, "status": "closed"})
        crm.rejected(name, "invalid-update-id")
        assert crm.answers(name)[0][1]["data"]["update_id"] is None
    crm.send("big", b'{"service_request_id":"' + request.encode() + b'","status_notes":"' + b"x" * 100_000 + b'"}')
    crm.rejected("big", "too-large")
    user = city.settings["amqp_uri"].split("//")[1].split(":")[0]
    crm.send("named", {"service_request_id": request, "status_notes": "n"}, user_id=user)
    crm.accepted("named", "applied")

    said = {"service_request_id": request, "status_notes": "dit"}
    for number, (body, properties, reason) in enumerate([
            (said, {"content_type": None}, None), (said, {"content_type": "application/vnd.grc+json; charset=utf-8"}, None),
            (said, {"content_encoding": "utf-8"}, None), (said, {"content_type": "text/xml"}, "unsupported-media-type"),
            (said, {"content_encoding": "gzip"}, "unsupported-content-encoding"),
            (json.dumps(said).encode("utf-16"), {}, "malformed-json"), (json.dumps(said).encode("utf-32-le"), {}, "malformed-json")]):
        crm.send(f"t-{number}", body, **properties)
        crm.accepted(f"t-{number}", "applied") if reason is None else crm.rejected(f"t-{number}", reason)
        # REST wants a type, and says the same of everything else.
        headers = {"Content-Type": properties.get("content_type", "application/json"), "Content-Encoding": properties.get("content_encoding")}
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        told = rest(city, request, f"rest-t-{number}", sent, {name: value for name, value in headers.items() if value})[0]
        wanted = "unsupported-media-type" if headers["Content-Type"] is None else reason or "applied"
        assert told == wanted, (number, told)

    seed = random.randrange(1 << 32)
    print(f"garbage with seed {seed}", flush=True)
    dice = random.Random(seed)
    whole = json.dumps({"service_request_id": request, "status": "closed", "status_notes": "é\u0000"}).encode()
    garbage = [b"", b"[" * 60_000, b"{" * 900, b"\xff\xfe", b"null", b'{"service_request_id":5}', b'{"service_request_id":{}}',
               b'{"status":"\\ud800"}', whole[: dice.randrange(len(whole))]]
    garbage += [bytes(dice.randrange(256) for _ in range(dice.randrange(1, 300))) for _ in range(60)]
    garbage += [bytes(b ^ (dice.random() < 0.05) * dice.randrange(256) for b in whole) for _ in range(60)]
    for number, body in enumerate(garbage):
        crm.send(f"g-{number}", body)
    for number in range(len(garbage)):
        crm.answers(f"g-{number}")
    crm.send("after", {"service_request_id": request, "status_notes": "encore là"})
    crm.accepted("after", "applied")


def stray(city, crm, request):
    """A binding is gone: the broker's alternate exchange keeps what the CRM sends, and it is told why."""
    import base64

    tenant = city.settings["tenant"]
    with open(os.path.join(city.home, "settings.json"), encoding="utf-8") as file:
        broker = json.load(file)["bus311"]["broker"]
    login = base64.b64encode(f"{broker['provisionerUser']}:{broker['provisionerPassword']}".encode()).decode()
    path = f"/api/bindings/open311/e/o311.{tenant}.status/q/o311.{tenant}.status-in/{tenant}.status_update.%23"
    urllib.request.urlopen(urllib.request.Request(
        broker["management"] + path, method="DELETE", headers={"Authorization": "Basic " + login}), timeout=10).read()
    crm.send("s-1", {"service_request_id": request, "status_notes": "détour"})
    crm.accepted("s-1", "applied")


def rest(city, request, number, body, headers={"Content-Type": "application/json"}):
    """What the other door says: (outcome or the code of the refusal, status, members at fault)."""
    url = f"{city.settings['status_ingest_url']}/v1/service-requests/{request}/updates/{number}"
    call = urllib.request.Request(url, method="PUT", data=body, headers={
        "Authorization": f"Bearer {city.settings['crm_token']}", **headers})
    try:
        with urllib.request.urlopen(call, timeout=20) as answer:
            document = json.load(answer)
            return document["outcome"], document["status"], []
    except urllib.error.HTTPError as error:
        document = json.load(error)
        return document["type"].removeprefix("urn:bus311:problem:"), None, sorted(m["pointer"] for m in document.get("errors", []))


def both_doors(city, crm):
    """The same random updates, in the same order, through REST to one request and over AMQP to another: the same verdicts, the same
    end. Repetitions, conflicts, old moments, illegal moves, faults of every kind among them."""
    seed = random.randrange(1 << 32)
    print(f"both doors with seed {seed}", flush=True)
    dice = random.Random(seed)
    words = ["open", "closed", "PENDING", "RECEIVED", "IN_PROCESS", "IN_PROCESS,PUBLIC_WORKS_NEW", "PROCESSED", "REJECTED", "ARCHIVED", "SOLVED", "", 5]

    def document():
        if dice.random() < 0.08:
            return dice.choice(["[]", "null", "{", "", '"x"', "7", '{"status":"\\ud800"}'])
        body = {}
        if dice.random() < 0.8:
            # Mostly words that exist, and of these mostly some that lead back and forth.
            body["status"] = dice.choice(words if dice.random() < 0.2 else ["open", "closed", "IN_PROCESS", "PROCESSED", "IN_PROCESS", "REJECTED"])
        for name, values in (
            ("status_notes", ["réparé", "x" * 4_001, "", None, ["a"], "a\u0007b"]), ("agency_responsible", ["Voirie", "y" * 256, 4]),
            ("expected_datetime", ["2027-01-02T03:04:05Z", "demain", None]), ("service_notice", ["la nuit", {}]),
            ("external_reference", ["GRC-@", "GRC-@-2", "z" * 300]), ("unknown", [1]), ("ack", [True, False, "yes"]),
        ):
            if dice.random() < 0.25:
                # The first is always right.
                body[name] = values[0] if dice.random() < 0.85 else dice.choice(values)
        # Always a moment: without one, the door's own clock would decide what is newer.
        body["updated_datetime"] = dice.choice(
            [f"2026-01-{dice.randrange(1, 29):02}T{dice.randrange(24):02}:00:00Z"] * 30 + ["2099-01-01T00:00:00Z", "hier"])
        return body

    # Moves in time mostly forward, so that many are applied.
    steps, sent = [], {}
    for number in range(120):
        name = f"door-{number}" if dice.random() < 0.85 or not sent else dice.choice(sorted(sent))
        body = sent.get(name) if name in sent and dice.random() < 0.6 else document()
        if isinstance(body, dict) and name not in sent and dice.random() < 0.85 and body.get("updated_datetime", "").startswith("2026"):
            body["updated_datetime"] = f"2026-02-{1 + number // 24:02}T{number % 24:02}:00:00Z"
        sent.setdefault(name, body)
        steps.append((name, body))

    first, second = (city.post("through a door")[1][0]["service_request_id"] for _ in ("rest", "amqp"))
    verdicts, told, done = [], {}, []
    for name, body in steps:
        done.append((name, body))
        # Receipts of one id are told apart by their order only, and what names no request is answered before the others.
        if name in told:
            crm.answers(name, told[name])
        told[name] = told.get(name, 0) + 1
        # A reference names one request.
        sent_to = {request: body if isinstance(body, str) else json.loads(json.dumps(body).replace("@", request)) for request in (first, second)}
        verdicts.append(rest(city, first, name, body.encode() if isinstance(body, str) else json.dumps(sent_to[first]).encode()))
        crm.send(name, body.encode() if isinstance(body, str) else dict(sent_to[second], service_request_id=second))
    counts, kinds = {}, {}
    for (name, body), (verdict, status, pointers) in zip(done, verdicts):
        counts[name] = counts.get(name, 0) + 1
        kind, event = crm.answers(name, counts[name])[counts[name] - 1]
        data = event["data"]
        if kind == "accepted":
            # The bus gives a message that comes again its first receipt, REST says that it is a repetition.
            assert verdict in (data["outcome"], "repeated"), (seed, name, body, verdict, data)
            assert verdict == "repeated" or status == data["status"], (seed, name, body, status, data)
        else:
            found = sorted(error["pointer"] for error in data.get("errors", []))
            assert (data["reason"], found) == (verdict, pointers), (seed, name, body, verdict, pointers, data)
        kinds[verdict] = kinds.get(verdict, 0) + 1
    shown = [json.loads(city.get(f"/requests/{request}.json?extensions=true"))[0] for request in (first, second)]
    own = ("service_request_id", "requested_datetime", "updated_datetime", "description", "media_url")
    ends = [{name: value for name, value in request.items() if name not in own} for request in shown]
    ends = [json.loads(json.dumps(end).replace(first, "ID").replace(second, "ID")) for end in ends]
    assert ends[0] == ends[1], (seed, ends)
    print(f"both doors: {json.dumps(kinds)}", flush=True)
    assert kinds.get("applied", 0) > 5 and len(kinds) >= 5, (seed, kinds)


def redelivery(city, crm, request):
    """Killed in the middle of a flood: every message has its receipt, and none was applied twice."""
    count = 300
    for number in range(count):
        crm.send(f"r-{number}", {"service_request_id": request, "status_notes": f"note {number}"})
        if number == count // 2:
            city.kill("bus311 all")
    for number in range(count):
        crm.accepted(f"r-{number}", "applied")
    ids = {event["id"] for answers in crm.receipts.values() for _, event in answers}
    kept = sum(len({event["id"] for _, event in crm.receipts[f"r-{number}"]}) for number in range(count))
    assert kept == count, f"{kept} receipts of {count} messages, {len(ids)} in all"


def main():
    with City() as city:
        # What a Macintosh writes: e and an accent. What is stored, shown and sent is the one letter.
        status, answer = city.post("Un lampadaire e\u0301teint")
        assert status == 200, answer
        request = answer[0]["service_request_id"]
        assert json.loads(city.get(f"/requests/{request}.json"))[0]["description"] == "Un lampadaire \u00e9teint"
        crm = CRM(city)
        rules(city, crm, request)
        strangers(city, crm, request)
        both_doors(city, crm)
        redelivery(city, crm, request)
        stray(city, crm, request)
        assert "canary-notes" not in city.log()
        metrics = urllib.request.urlopen(city.settings["health_url"] + "/metrics", timeout=10).read().decode()
        assert 'door="amqp"' in metrics, "updates by AMQP are not counted"
    print("status over AMQP: 5 passed, 0 failed")


if __name__ == "__main__":
    sys.exit(main())
