"""The way back: what a CRM says of service requests, by REST and over AMQP, and what citizens see of it.

Each part has requests of its own; run some of them with their names as arguments.
"""
import concurrent.futures
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import pictures
import pika
from city import PROGRAM, City, sql, wait_until
from photobench import multipart

STATES = ["PENDING", "RECEIVED", "IN_PROCESS", "PROCESSED", "REJECTED", "ARCHIVED"]
RANK = {"PENDING": 0, "RECEIVED": 1, "IN_PROCESS": 2, "PROCESSED": 2, "REJECTED": 2, "ARCHIVED": 3}


class CRM:
    """Both doors of status-ingest."""

    def __init__(self, city, token=None):
        self.city, self.url = city, city.settings["status_ingest_url"]
        self.token = token or city.settings["crm_token"]

    def call(self, method, path, body=None, **headers):
        """(status, headers, document)"""
        values = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            values["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        values.update({name.replace("_", "-"): value for name, value in headers.items()})
        request = urllib.request.Request(self.url + path, method=method, data=body, headers=values)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.loads(error.read())

    def put(self, request, update, body, status=201, **headers):
        code, _, document = self.call("PUT", f"/v1/service-requests/{request}/updates/{urllib.parse.quote(update, safe='')}", body, **headers)
        assert code == status, (request, update, body, code, document)
        return document

    def refuse(self, request, update, body, status, code, **headers):
        document = self.put(request, update, body, status, **headers)
        assert document["code"] == code and document["type"] == f"urn:bus311:problem:{code}", document
        return document

    def show(self, request):
        code, headers, document = self.call("GET", f"/v1/service-requests/{request}")
        assert code == 200 and headers["ETag"] == f'"{document["version"]}"', (code, document)
        return document

    def updates(self, request):
        code, _, document = self.call("GET", f"/v1/service-requests/{request}/updates")
        assert code == 200, document
        return document["updates"]

    def batch(self, updates, status=200):
        code, _, document = self.call("POST", "/v1/status-updates", {"updates": updates})
        assert code == status, (code, document)
        return document


class Bus:
    """The AMQP door."""

    def __init__(self, city):
        self.settings = city.settings
        self.connection = pika.BlockingConnection(pika.URLParameters(city.settings["amqp_uri"]))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.answers = {}

    def send(self, message_id, body):
        self.channel.basic_publish(
            self.settings["status_exchange"], f"{self.settings['tenant']}.status_update.v1", json.dumps(body).encode(),
            pika.BasicProperties(message_id=message_id, delivery_mode=2, content_type="application/json"), mandatory=True)

    def receive(self):
        while True:
            method, _, body = self.channel.basic_get(self.settings["receipts_queue"], auto_ack=True)
            if method is None:
                return
            event = json.loads(body)
            self.answers.setdefault(event["data"]["update_id"], []).append(event)

    def answer(self, message_id, count=1):
        def there():
            self.receive()
            return len(self.answers.get(message_id, [])) >= count

        wait_until(there, 60, f"receipt {count} of {message_id}")
        return self.answers[message_id][count - 1]


def made(city, count=1, **fields):
    """That many new requests."""
    def one(number):
        status, answer = city.post(f"request {number}", timeout=30, **fields)
        assert status in (200, 201), answer
        return answer[0]["service_request_id"]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        return list(pool.map(one, range(count)))


def seen(city, request, more=""):
    """As a citizen's app reads it."""
    return json.loads(city.get(f"/requests/{request}.json{more}"))[0]


def at(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def program(city, *arguments, code=0):
    answer = subprocess.run(
        [PROGRAM, *arguments, "--config", os.path.join(city.home, "settings.json")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert answer.returncode == code, (arguments, answer.returncode, answer.stderr.decode())
    return (answer.stdout if code == 0 else answer.stderr).decode()


# Each part takes (city, crm).

def moves(city, crm):
    """Every move from every state that a request can be in: the legal ones show at once, the others change nothing and say why."""
    pairs = [(first, then) for first in STATES[1:] for then in STATES]
    for (first, then), request in zip(pairs, made(city, len(pairs))):
        if first != "RECEIVED":
            crm.put(request, "first", {"status": first})
        before = crm.show(request)
        is_legal = RANK[then] >= RANK[first]
        assert (then in before["next_statuses"]) == (is_legal and then != first), (first, then, before)
        if is_legal:
            crm.put(request, "then", {"status": then})
        else:
            problem = crm.refuse(request, "then", {"status": then}, 409, "illegal-transition")
            assert problem["errors"][0]["pointer"] == "/status" and then in problem["detail"], problem
            assert crm.show(request) == before
        assert crm.show(request)["detailed_status"] == (then if is_legal else first)
        expected = "open" if (then if is_legal else first) in STATES[:3] else "closed"
        assert seen(city, request)["status"] == expected


def detailed(city, crm):
    """One general status, refined by words of the CRM's own: two that contradict each other are refused by both doors."""
    (request,) = made(city)
    for number, (words, other) in enumerate((("IN_PROCESS,PROCESSED", "PROCESSED"), ("processed,rejected,archived", "REJECTED"),
                                             ("IN_PROCESS,NEW,CLOSED", "CLOSED"), ("PROCESSED,OPEN", "OPEN"))):
        problem = crm.refuse(request, f"d-{number}", {"status": words}, 400, "invalid-update")
        assert [error["pointer"] for error in problem["errors"]] == ["/status"], problem
        assert f"{words.split(',')[0].upper()} and {other}, which contradict" in problem["errors"][0]["detail"], problem
    bus = Bus(city)
    bus.send("d-amqp", {"service_request_id": request, "status": "IN_PROCESS,REJECTED"})
    assert bus.answer("d-amqp")["data"]["reason"] == "invalid-update"
    answer = crm.batch([{"service_request_id": request, "update_id": "d-batch", "status": "IN_PROCESS,PROCESSED"}])
    assert answer["refused"] == 1 and crm.show(request)["detailed_status"] == "RECEIVED", answer
    # Said twice counts once.
    crm.put(request, "d", {"status": "IN_PROCESS,in_process,PUBLIC_WORKS_NEW,X,public_works_new,X"})
    assert crm.show(request)["detailed_status"] == "IN_PROCESS,PUBLIC_WORKS_NEW,X"


def circles(city, crm):
    """No two requests end as each other's duplicates, whatever comes late; what is refused for that changes nothing."""
    one, two = made(city, 2)
    crm.put(one, "1", {"merged_into": two, "updated_datetime": at(-600)})
    crm.put(one, "2", {"status": "open", "updated_datetime": at(-300)})
    crm.put(two, "1", {"merged_into": one, "updated_datetime": at(-200)})
    before, late = crm.show(one), {"status": "ARCHIVED", "updated_datetime": at(-400)}
    problem = crm.refuse(one, "3", late, 409, "invalid-parent")
    assert problem["errors"][0]["pointer"] == "/updated_datetime" and two in problem["detail"], problem
    assert crm.show(one) == before and all(update["counts"] for update in crm.updates(one)), crm.updates(one)
    # The other one stands for itself again: then it may.
    crm.put(two, "2", {"status": "open", "updated_datetime": at(-100)})
    crm.put(one, "3", late, 200)
    assert (crm.show(one)["merged_into"], crm.show(two)["merged_into"]) == (two, None)


def notes(city, crm):
    """Public and internal notes, agency, a date that changes; reading back what was received, with receipts."""
    (request,) = made(city)
    first = crm.put(request, "n/1", {
        "status": "IN_PROCESS", "status_notes": "Une équipe passera", "internal_notes": "canary-internal: M. Durand", "agency_responsible": "Voirie",
        "expected_datetime": "2027-03-01T10:00:00Z"})
    crm.put(request, "n-2", {"expected_datetime": "2027-04-01T10:00:00Z", "status_notes": "Retardé par la neige"})
    crm.put(request, "n-3", {"internal_notes": "canary-internal: rappeler"})
    shown = seen(city, request, "?extensions=true")
    assert shown["expected_datetime"].startswith("2027-04-01") and shown["status_notes"] == "Retardé par la neige", shown
    assert shown["agency_responsible"] == "Voirie" and "canary" not in json.dumps(shown), shown
    assert [note["description"] for note in shown["notes"]] == [None, "Une équipe passera", "Retardé par la neige"], shown["notes"]
    updates = crm.updates(request)
    assert [update["update_id"] for update in updates] == ["n/1", "n-2", "n-3"], updates
    assert [update["expected_datetime"] for update in updates[:2]] == ["2027-03-01T10:00:00Z", "2027-04-01T10:00:00Z"], updates
    assert updates[0]["internal_notes"] == "canary-internal: M. Durand" and updates[0]["receipt"]["door"] == "rest", updates[0]
    assert updates[0]["receipt"]["receipt_id"] == first["receipt_id"] and updates[0]["receipt"]["outcome"] == "applied", (updates[0], first)
    code, _, one = crm.call("GET", f"/v1/service-requests/{request}/updates/n%2F1")
    assert code == 200 and one == updates[0], one
    code, _, missing = crm.call("GET", f"/v1/service-requests/{request}/updates/none")
    assert code == 404 and missing["code"] == "unknown-update", missing
    again = crm.put(request, "n-3", {"internal_notes": "canary-internal: rappeler"}, 200)
    assert again["outcome"] == "repeated" and again["receipt_id"] == updates[2]["receipt"]["receipt_id"], again
    # What citizens are not shown does not move what they are: no mirror fetches the request again for it.
    before = seen(city, request)["updated_datetime"]
    since = urllib.parse.quote(at(2))
    for number, body in enumerate(({"ack": True}, {"internal_notes": "canary-internal"}, {"external_reference": "notes-1"})):
        version = crm.show(request)["version"]
        crm.put(request, f"silent-{number}", dict(body, updated_datetime=at(5)))
        assert seen(city, request)["updated_datetime"] == before and crm.show(request)["version"] != version, body
    assert json.loads(city.get("/requests.json?updated_after=" + since)) == []
    crm.put(request, "loud", {"agency_responsible": "canary-agency: Mme Durand", "updated_datetime": at(6)})
    assert [one["service_request_id"] for one in json.loads(city.get("/requests.json?updated_after=" + since))] == [request]
    # Erased with the person.
    code, _, _ = crm.call("DELETE", f"/v1/service-requests/{request}/personal-data")
    assert code == 200 and "canary" not in json.dumps(crm.updates(request)) and "canary" not in json.dumps(crm.show(request))
    assert crm.show(request)["external_references"] == ["notes-1"], "by which the CRM knows what to erase"
    crm.refuse(request, "n-4", {"internal_notes": "encore"}, 410, "erased-request")


def reopening(city, crm):
    """Closed, opened again, merged into a parent, opened again: it stands for itself then."""
    parent, child, third = made(city, 3)
    crm.put(child, "1", {"status": "closed"})
    crm.put(child, "2", {"status": "open", "status_notes": "Rouvert"})
    assert seen(city, child)["status"] == "open" and crm.show(child)["detailed_status"] == "IN_PROCESS"
    crm.put(child, "3", {"merged_into": parent, "status_notes": "Doublon"})
    view = crm.show(child)
    assert (view["status"], view["detailed_status"], view["merged_into"]) == ("closed", "REJECTED,DUPLICATE", parent), view
    assert seen(city, child, "?extensions=true")["extended_attributes"]["merged_into"] == parent
    crm.refuse(child, "4", {"merged_into": child}, 409, "invalid-parent")
    crm.refuse(parent, "4", {"merged_into": child}, 409, "invalid-parent")
    crm.refuse(third, "4", {"merged_into": "2601999999999"}, 409, "unknown-parent")
    crm.refuse(third, "4", {"merged_into": parent, "status": "open"}, 400, "invalid-update")
    crm.put(child, "5", {"status": "IN_PROCESS"})
    assert crm.show(child)["merged_into"] is None
    crm.put(third, "4", {"merged_into": parent, "status": "PROCESSED,SAME_WORKS"})
    assert crm.show(third)["detailed_status"] == "PROCESSED,SAME_WORKS"


def duplicates(city, crm):
    """A duplicate shows how its parent stands, and counts as updated whenever that changes for citizens; a hidden parent shows nothing."""
    parent, child, grandchild = made(city, 3)
    crm.put(child, "1", {"merged_into": parent})
    # The grandchild was the child's duplicate before the child was another's.
    other = made(city)[0]
    crm.put(grandchild, "1", {"merged_into": other})
    crm.put(other, "1", {"merged_into": parent})
    told = lambda request: seen(city, request, "?extensions=true")["extended_attributes"].get("parent")
    assert told(child)["service_request_id"] == parent and told(child)["status"] == "open", told(child)
    assert told(grandchild)["service_request_id"] == other and told(parent) is None

    def changed(since):
        answer = json.loads(city.get("/requests.json?updated_after=" + urllib.parse.quote(since)))
        return {request["service_request_id"] for request in answer}

    for number, (body, status) in enumerate([
            ({"status": "IN_PROCESS", "status_notes": "Une équipe est en route"}, "IN_PROCESS"), ({"expected_datetime": "2031-01-01T00:00:00Z"}, "IN_PROCESS"),
            ({"status": "PROCESSED", "status_notes": "Réparé"}, "PROCESSED")]):
        moment = at(number + 2)
        crm.put(parent, f"p-{number}", dict(body, updated_datetime=moment))
        shown = told(child)
        assert (shown["detailed_status"], shown["status_notes"]) == (status, "Réparé" if status == "PROCESSED" else "Une équipe est en route"), shown
        assert changed(moment) >= {parent, child, other, grandchild}, (moment, changed(moment))
        assert seen(city, child)["updated_datetime"] == seen(city, parent)["updated_datetime"]
    assert crm.show(child)["detailed_status"] == "REJECTED,DUPLICATE", "a duplicate stays one"
    moment = at(8)
    crm.put(parent, "p-silent", {"internal_notes": "canary-internal", "updated_datetime": moment})
    assert child not in changed(moment), "nothing changed for citizens"
    # Opened again, it stands for itself.
    crm.put(child, "2", {"status": "open"})
    moment = at(10)
    crm.put(parent, "p-9", {"status": "open", "updated_datetime": moment})
    assert told(child) is None and child not in changed(moment) and other in changed(moment)
    code, _, _ = crm.call("POST", f"/v1/service-requests/{parent}/moderation", {"action": "hide", "reason": "test"})
    assert code == 200 and told(other) is None
    # Many that merge and close their common parent at once: nobody waits for ever, and all show the end.
    (parent,), many = made(city), made(city, 40)
    def merge(request):
        return crm.put(request, "m", {"merged_into": parent})["outcome"]

    def close(number):
        # Of those that come together the later one may be taken first: then the earlier one is late.
        body = {"status": "closed", "status_notes": f"{number}", "sequence": number}
        return crm.call("PUT", f"/v1/service-requests/{parent}/updates/c-{number}", body)[2]["outcome"]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        merged = [pool.submit(merge, request) for request in many]
        closed = [pool.submit(close, number) for number in range(20)]
        assert {one.result() for one in merged} == {"applied"} and {one.result() for one in closed} <= {"applied", "superseded"}
    end = crm.show(parent)["status_notes"]
    assert {told(request)["status_notes"] for request in many} == {end}


def refused(city, crm):
    """What was refused can be read back with its reason, by request and all together, from both doors; what another tenant has is not there."""
    (request, another), bus = made(city, 2), Bus(city)
    listed = lambda: crm.call("GET", f"/v1/service-requests/{request}/updates")[2]["refused"]
    assert listed() == []
    # A body that names another request than its path, in whatever type, or none at all.
    for number, named in enumerate([int(another), another, "", "a b", True, [request], {}, 1.5]):
        problem = crm.refuse(another if number > 1 else request, f"wrong-{number}", {"service_request_id": named, "status": "closed"}, 400, "invalid-update")
        assert [error["pointer"] for error in problem["errors"]] == ["/service_request_id"], (named, problem)
    bus.send("amqp-number", {"service_request_id": int(another), "status": "closed"})
    assert bus.answer("amqp-number")["data"]["reason"] == "invalid-update"
    assert crm.show(another)["detailed_status"] == crm.show(request)["detailed_status"] == "RECEIVED"
    for number, named in enumerate([int(another), another, None]):
        crm.put(another, f"right-{number}", {"service_request_id": named, "ack": True})
    crm.refuse(request, "bad", {"status": "SOLVED", "expected_datetime": "soon"}, 400, "invalid-update")
    crm.put(request, "1", {"status": "ARCHIVED"})
    crm.refuse(request, "late", {"status": "IN_PROCESS"}, 409, "illegal-transition")
    crm.refuse(request, "late", {"status": "IN_PROCESS"}, 409, "illegal-transition")
    crm.refuse(request, "1", {"status": "PROCESSED"}, 409, "conflicting-update")
    crm.refuse("2601999999999", "nobody", {"status": "PROCESSED"}, 404, "unknown-request")
    answer = crm.batch([{"service_request_id": request, "update_id": "batch-1", "status": 5},
                        {"service_request_id": request, "update_id": "batch-2", "status": "PENDING"}])
    assert answer["refused"] == 2, answer
    # One base for all places of an answer: the body that was sent, also for what was judged.
    assert [[error["pointer"] for error in one["error"]["errors"]] for one in answer["results"]] == [["/updates/0/status"], ["/updates/1/status"]], answer
    code, _, problem = crm.call("POST", "/v1/status-updates", {"updates": [{"service_request_id": request, "update_id": "b", "ack": True}]},
                                If_Match='"9-9"')
    assert code == 400 and problem["code"] == "unconditional-batch", problem
    assert "b" not in [update["update_id"] for update in crm.updates(request)], "nothing of it was applied"
    bus.send("amqp-bad", {"service_request_id": request, "status": "SOLVED"})
    bus.send("amqp-late", {"service_request_id": request, "status": "IN_PROCESS"})
    receipts = {name: bus.answer(name)["id"] for name in ("amqp-bad", "amqp-late")}
    kept = {one["update_id"]: one for one in listed()}
    assert {name: one["error"]["code"] for name, one in kept.items()} == {
        "wrong-0": "invalid-update", "wrong-1": "invalid-update", "bad": "invalid-update", "late": "illegal-transition", "1": "conflicting-update", "batch-1": "invalid-update",
        "batch-2": "illegal-transition", "amqp-bad": "invalid-update", "amqp-late": "illegal-transition"}, kept
    assert [one["pointer"] for one in kept["bad"]["error"]["errors"]] == ["/status", "/expected_datetime"], kept["bad"]
    assert [one["pointer"] for one in kept["batch-1"]["error"]["errors"]] == ["/status"], "kept as of the update alone"
    assert kept["late"]["times"] == 2 and "ARCHIVED" in kept["late"]["error"]["detail"], kept["late"]
    assert kept["amqp-late"]["receipt"]["door"] == "amqp" and kept["late"]["receipt"]["door"] == "rest"
    assert {name: kept[name]["receipt"]["receipt_id"] for name in receipts} == receipts
    assert crm.call("GET", f"/v1/service-requests/{request}/updates/late")[2] == kept["late"]
    assert crm.call("GET", f"/v1/service-requests/{request}/updates/1")[2]["receipt"]["outcome"] == "applied"
    everything = crm.call("GET", "/v1/status-updates/refused")[2]["refused"]
    assert [one["update_id"] for one in everything if one["service_request_id"] is None][0] == "nobody", everything[:3]
    assert {one["update_id"] for one in everything} >= set(kept)
    # A page at a time, all of it, nothing twice.
    path, pages = "/v1/status-updates/refused?limit=3", []
    while path:
        code, headers, page = crm.call("GET", path)
        assert code == 200 and len(page["refused"]) <= 3, page
        pages += page["refused"]
        path = headers["Link"][1:].partition(">")[0] if headers["Link"] else None
    assert pages == everything, (len(pages), len(everything))
    for query, word in (("limit=abc", "1 to 1000"), ("limit=0", "1 to 1000"), ("after=x", "Link"), ("page=2", "page is unknown")):
        code, _, problem = crm.call("GET", f"/v1/status-updates/refused?{query}")
        assert (code, problem["code"]) == (400, "invalid-query") and word in problem["detail"], problem
    code, _, problem = crm.call("GET", "/v1/service-requests?external_reference=x&tokn=y")
    assert code == 400 and problem["code"] == "invalid-search" and "tokn" in problem["detail"], problem
    # Accepted after all.
    crm.put(request, "batch-1", {"internal_notes": "canary-internal"})
    assert {one["update_id"]: one["accepted_since"] for one in listed()}["batch-1"] is True
    # Erased with the person: codes stay, words go.
    assert crm.call("DELETE", f"/v1/service-requests/{request}/personal-data")[0] == 200
    crm.refuse(request, "after", {"status_notes": "x"}, 410, "erased-request")
    crm.refuse(request, "after-bad", {"status": "CANARYWORD"}, 400, "invalid-update")
    gone = {one["update_id"]: one["error"] for one in listed()}
    assert gone["after"]["code"] == "erased-request" and all(one["detail"] == "" and one["errors"] == [] for one in gone.values()), gone


def erasures(city, crm):
    """The CRM answers service_request.erased by a message too: the rules of REST, with receipts."""
    first, second, living = made(city, 3)
    bus = Bus(city)
    crm.put(first, "1", {"external_reference": "ERASED-1"})
    for request in (first, second):
        assert crm.call("DELETE", f"/v1/service-requests/{request}/personal-data")[0] == 200
    state = lambda request: crm.call("GET", f"/v1/service-requests/{request}/personal-data/acknowledgement")[2]["acknowledgement"]
    assert state(first)["state"] == "awaited"
    bus.send("e-1", {"service_request_id": first, "erasure": {"outcome": "kept", "reason": "legal_obligation"}})
    assert bus.answer("e-1")["data"]["outcome"] == "applied" and bus.answer("e-1")["type"].endswith("status_update.accepted.v1")
    assert (state(first)["state"], state(first)["reason"]) == ("kept", "legal_obligation")
    bus.send("e-2", {"external_reference": "ERASED-1", "erasure": {"outcome": "erased"}})
    assert bus.answer("e-2")["data"]["outcome"] == "applied" and state(first)["state"] == "erased"
    moment = state(first)["acknowledged_datetime"]
    bus.send("e-3", {"service_request_id": first, "erasure": {"outcome": "erased"}})
    assert bus.answer("e-3")["data"]["outcome"] == "repeated"
    # What is erased stays so.
    bus.send("e-4", {"service_request_id": first, "erasure": {"outcome": "kept", "reason": "legal_obligation"}})
    assert bus.answer("e-4")["data"]["outcome"] == "superseded" and state(first) == {
        "state": "erased", "reason": None, "acknowledged_datetime": moment}
    for name, body, reason in (
            ("e-5", {"service_request_id": living, "erasure": {"outcome": "erased"}}, "unknown-erasure"),
            ("e-6", {"service_request_id": "2601999999999", "erasure": {"outcome": "erased"}}, "unknown-request"),
            ("e-7", {"service_request_id": second, "erasure": {"outcome": "gone"}}, "invalid-update"),
            ("e-8", {"service_request_id": second, "erasure": {"outcome": "kept"}}, "invalid-update"),
            ("e-9", {"service_request_id": second, "erasure": {"outcome": "kept", "reason": "Mme Martin"}}, "invalid-update"),
            ("e-10", {"service_request_id": second, "erasure": {"outcome": "erased"}, "status_notes": "au revoir"}, "invalid-update"),
            ("e-11", {"service_request_id": second, "erasure": "erased"}, "invalid-update")):
        bus.send(name, body)
        answer = bus.answer(name)["data"]
        assert answer["reason"] == reason, (name, answer)
        if reason == "invalid-update":
            assert answer["errors"][0]["pointer"].startswith("/erasure"), answer
    assert state(second)["state"] == "awaited"
    # The same by the door of updates, alone and in a batch.
    assert crm.put(second, "r-1", {"erasure": {"outcome": "kept", "reason": "archive_law"}})["outcome"] == "applied"
    crm.refuse(living, "r-1", {"erasure": {"outcome": "erased"}}, 404, "unknown-erasure")
    answer = crm.batch([{"service_request_id": second, "update_id": "r-2", "erasure": {"outcome": "erased"}},
                        {"service_request_id": second, "update_id": "r-3", "erasure": {"outcome": "erased"}}])
    assert [one["outcome"] for one in answer["results"]] == ["applied", "repeated"] and state(second)["state"] == "erased", answer


def photos(city, crm):
    """Photos after the work: cleaned as citizens' own, shown behind them; the same file is the same photo."""
    (request,) = made(city)
    root = city.settings["gateway_url"].removesuffix("/open311/v2")

    def send(body, to=request):
        return crm.call("POST", f"/v1/service-requests/{to}/photos", body, Content_Type="image/jpeg")

    picture = pictures.photo()
    version = crm.show(request)["version"]
    code, _, first = send(picture)
    assert code == 202 and first["outcome"] == "added", (code, first)
    assert crm.show(request)["version"] != version
    code, _, again = send(picture)
    assert code == 200 and again == dict(first, outcome="repeated"), (code, again)

    def ready():
        try:
            with urllib.request.urlopen(root + first["path"], timeout=10) as answer:
                return answer.read()
        except urllib.error.HTTPError:
            return None

    wait_until(ready, 60, "the photo is cleaned")
    assert picture not in ready() and b"Exif" not in ready()
    shown = seen(city, request, "?extensions=media")
    assert shown["media_url"].endswith(first["path"]), shown
    code, _, problem = send(b"GIF89a" + b"x" * 100)
    assert (code, problem["code"]) == (415, "no-photo"), problem
    code, _, problem = send(b"")
    assert (code, problem["code"]) == (415, "no-photo"), problem
    code, _, problem = send(picture, "2601999999999")
    assert (code, problem["code"]) == (404, "unknown-request"), problem
    code, _, problem = send(picture[:2_000] + b"x" * 11_000_000)
    assert (code, problem["code"]) == (413, "too-large"), problem
    # Five at most, and no more of the files that were refused or sent twice.
    codes = [send(pictures.photo(width=641 + number))[0] for number in range(5)]
    assert codes == [202] * 4 + [409], codes
    # A message holds fifteen photos and links: the citizen's own are counted with those of the CRM.
    form = multipart(
        dict(service_code="LAMP", lat="43.6", long="3.2", description="eleven", jurisdiction_id=city.settings["jurisdiction_id"],
             api_key=city.settings["api_key"], media_url=[f"https://img.example/{number}.jpg" for number in range(10)]),
        [("media", "a.jpg", picture)])
    sent = urllib.request.Request(
        city.settings["gateway_url"] + "/requests.json", form, {"Content-Type": "multipart/form-data; boundary=zz9"})
    with urllib.request.urlopen(sent, timeout=30) as answer:
        crowded = json.load(answer)[0]["service_request_id"]
    for number in range(5):
        code, _, problem = send(pictures.photo(width=641 + number), crowded)
        assert code == (202 if number < 4 else 409), (number, code, problem)
    assert problem["code"] == "too-many-photos" and "15 photos and links" in problem["detail"], problem

    def settled():
        return sql(city, "select count(*) from photos where state = 'received'") == "0"

    # Nothing is being cleaned when the city stops.
    wait_until(settled, 90, "every photo is cleaned")


def versions(city, crm):
    """ETag and If-Match: a decision on a version that is no longer the newest is refused; a repetition is not."""
    (request,) = made(city)
    version = crm.show(request)["version"]
    first = crm.put(request, "1", {"status": "IN_PROCESS"}, If_Match=f'"{version}"')
    assert first["version"] != version
    crm.put(request, "1", {"status": "IN_PROCESS"}, 200, If_Match=f'"{version}"')
    problem = crm.refuse(request, "2", {"status": "closed"}, 412, "stale-version", If_Match=f'"{version}"')
    assert first["version"] in problem["detail"] and seen(city, request)["status"] == "open"
    for tags in (f'"{version}", "{first["version"]}"', "*"):
        crm.put(request, f"3-{len(tags)}", {"status_notes": tags}, If_Match=tags)
    crm.refuse(request, "4", {"status": "closed"}, 412, "stale-version", If_Match=f'W/"{crm.show(request)["version"]}"')
    # Eight at once on one version: one wins.
    version = crm.show(request)["version"]

    def race(number):
        return crm.call("PUT", f"/v1/service-requests/{request}/updates/race-{number}", {"status_notes": str(number)}, If_Match=f'"{version}"')[0]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(race, range(8)))
    assert codes == [201] + [412] * 7, codes


def mapping(city, crm):
    """The CRM's own codes, edited as data: every fault by its path, nothing half-applied; both doors speak them."""
    tenant = city.settings["tenant"]
    (request, other) = made(city, 2)
    problem = crm.refuse(request, "1", {"status_code": "EC"}, 400, "invalid-update")
    assert problem["errors"][0]["pointer"] == "/status_code", problem
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "codes.json")

        def load(document, code=0):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(document, file)
            return program(city, "tenant", "statuses", tenant, "--mapping", path, code=code)

        bad = load([{"code": "A", "status": "IN_PROCESS"}, {"code": "a", "status": "closed"}, {"code": "B", "status": "SOLVED"}, {"status": "open"}, 5,
                    {"code": "C", "status": "open", "colour": "red"}], code=64)
        for place in ("/1/code", "/2/status", "/3/code", "/4", "/5/colour"):
            assert f"{place}: " in bad, (place, bad)
        crm.refuse(request, "1", {"status_code": "A"}, 400, "invalid-update")
        load({"codes": [{"code": "EC", "status": "IN_PROCESS,PUBLIC_WORKS_NEW", "status_notes": "Une équipe est en route"}, {"code": "21", "status": "closed"}]})

        def known():
            return crm.call("PUT", f"/v1/service-requests/{request}/updates/1", {"status_code": "ec"})[0] != 400

        wait_until(known, 20, "the mapping is known")
        view = crm.show(request)
        assert (view["detailed_status"], view["status_notes"]) == ("IN_PROCESS,PUBLIC_WORKS_NEW", "Une équipe est en route"), view
        bus = Bus(city)
        bus.send("m-1", {"service_request_id": request, "status_code": "21", "status_notes": "Fait"})
        assert bus.answer("m-1")["data"]["detailed_status"] == "PROCESSED"
        crm.refuse(request, "2", {"status_code": "EC", "status": "closed"}, 400, "invalid-update")
        crm.put(request, "2", {"status_code": "EC", "status": "IN_PROCESS,PUBLIC_WORKS_NEW"})
        assert [update["status_code"] for update in crm.updates(request)] == ["ec", "21", "EC"]
        # What a code means changes; what the CRM said before is the same still.
        load([{"code": "EC", "status": "REJECTED", "status_notes": "Refusé"}])

        def changed():
            crm.call("PUT", f"/v1/service-requests/{other}/updates/{time.monotonic()}", {"status_code": "EC"})
            return crm.show(other)["detailed_status"] == "REJECTED"

        wait_until(changed, 20, "the new meaning")
        assert crm.put(request, "2", {"status_code": "EC", "status": "REJECTED"}, 200)["outcome"] == "repeated"
        assert crm.show(request)["detailed_status"] == "IN_PROCESS,PUBLIC_WORKS_NEW"
        # So is a code that the mapping has no more, by both doors and in a batch; whoever says it anew is refused.
        load([])
        wait_until(lambda: crm.call("PUT", f"/v1/service-requests/{other}/updates/{time.monotonic()}", {"status_code": "EC"})[0] == 400, 20, "no codes")
        assert crm.put(request, "2", {"status_code": "EC", "status": "REJECTED"}, 200)["outcome"] == "repeated"
        bus.send("m-1", {"service_request_id": request, "status_code": "21", "status_notes": "Fait"})
        assert bus.answer("m-1", 2)["type"].endswith("status_update.accepted.v1"), "over AMQP too"
        crm.refuse(request, "2", {"status_code": "EC", "status_notes": "other"}, 409, "conflicting-update")
        crm.refuse(request, "3", {"status_code": "EC"}, 400, "invalid-update")


def tokens(city, crm):
    """The CRM gives the id, or the tenant's time gives ours."""
    tenant = city.settings["tenant"]
    program(city, "tenant", "policy", tenant, "--identifiers", "tokens")

    def token():
        return city.post("by token")[1][0].get("token")

    wait_until(token, 20, "the gateway answers tokens")
    first, second, third, fourth = (token() for _ in range(4))

    def resolved(one):
        return json.loads(city.get(f"/tokens/{one}.json"))[0].get("service_request_id")

    bus = Bus(city)
    events = []

    def told():
        while (answer := bus.channel.basic_get(city.settings["request_queue"], auto_ack=True))[0] is not None:
            events.append(json.loads(answer[2]))
            if events[-1]["data"].get("token") == first:
                return True
        return False

    wait_until(told, 30, "the event with the token")
    event = events[-1]
    number = event["data"]["service_request_id"]
    assert resolved(first) is None
    shown = json.loads(program(city, "timeline", first, "--format", "json"))
    assert shown["service_request_id"] == number and shown["waits_for"], shown
    code, _, view = crm.call("GET", f"/v1/tokens/{first}")
    assert code == 200 and view["outcome"] == "pending" and view["public_service_request_id"] is None and view["service_request_id"] == number, view
    code, headers, view = crm.call("PUT", f"/v1/tokens/{first}", {"service_request_id": "CRM-4711", "external_reference": "dossier 4711"})
    assert code == 200 and view["outcome"] == "applied" and view["acknowledged_datetime"] and headers["ETag"], view
    assert resolved(first) == "CRM-4711"
    assert seen(city, "CRM-4711")["service_request_id"] == "CRM-4711" and seen(city, number)["service_request_id"] == "CRM-4711"
    listed = json.loads(city.get(f"/requests.json?service_request_id=CRM-4711,{number}&jurisdiction_id={city.settings['jurisdiction_id']}"))
    assert [request["service_request_id"] for request in listed] == ["CRM-4711"], listed
    assert crm.call("PUT", f"/v1/tokens/{first}", {"service_request_id": "CRM-4711"})[2]["outcome"] == "repeated"
    for one, body, status, problem in (
        (first, {"service_request_id": "CRM-4712"}, 409, "token-resolved"), (second, {"service_request_id": "CRM-4711"}, 409, "identifier-in-use"),
        (second, {"external_reference": "dossier 4711"}, 409, "reference-in-use"), (second, {"service_request_id": "a/b"}, 400, "invalid-identifier"),
        (second, {"service_request_id": number}, 400, "invalid-identifier"), (second, {"service_request_id": 5}, 400, "invalid-identifier"),
        ("0" * 32, {}, 404, "unknown-token"), ("x", {}, 404, "unknown-token"),
    ):
        code, _, document = crm.call("PUT", f"/v1/tokens/{one}", body)
        assert (code, document["code"]) == (status, problem), (one, body, code, document)
    assert resolved(second) is None
    # What was said before the token was answered and comes late takes its place before it: the token's reference stays.
    crm.put("CRM-4711", "late", {"internal_notes": "n", "updated_datetime": at(-600), "external_reference": "dossier 4710"}, 200)
    assert crm.updates(number)[-1]["external_reference"] == "dossier 4711", crm.updates(number)
    shown = sql(city, f"select external_reference from service_requests where id = {number}")
    assert shown == "dossier 4711", shown
    # It is an address everywhere.
    code, _, service = crm.call("GET", "/v1/service-requests/CRM-4711/service")
    assert code == 200 and service == crm.call("GET", f"/v1/service-requests/{number}/service")[2], service
    assert crm.call("GET", "/v1/service-requests/CRM-4799/service")[2]["code"] == "unknown-request"

    def said(request, update):
        fields = dict(jurisdiction_id=city.settings["jurisdiction_id"], api_key=city.settings["api_key"], service_request_id=request, update_id=update,
                      updated_datetime="2026-01-02T10:00:00Z", status="OPEN", description="It is still dark", email="x@mail.example", first_name="Ada")
        asked = urllib.request.Request(city.settings["gateway_url"] + "/servicerequestupdates.json", data=urllib.parse.urlencode(fields).encode())
        try:
            with urllib.request.urlopen(asked, timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    answers = [said(name, "7") for name in ("CRM-4711", number, "CRM-4799", "a/b")]
    assert answers[0] in (200, 201) and answers[1] == answers[0] and answers[2:] == [404, 404], answers
    assert sql(city, f"select count(*) from citizen_updates where request_id = {number}") == "1", "by either name it is the same update"
    # Updates by the id that was given, by both doors; citizens read them under it.
    crm.put("CRM-4711", "1", {"status": "IN_PROCESS"})
    bus.send("t-1", {"service_request_id": "CRM-4711", "status": "closed"})
    assert bus.answer("t-1")["data"]["service_request_id"] == number
    assert seen(city, "CRM-4711")["status"] == "closed"
    updates = json.loads(city.get(f"/servicerequestupdates.json?jurisdiction_id={city.settings['jurisdiction_id']}"))
    assert any(update["service_request_id"] == "CRM-4711" for update in updates), updates
    # None given: ours. The CRM's first word resolves it too.
    assert crm.call("PUT", f"/v1/tokens/{second}")[2]["public_service_request_id"] == resolved(second)
    view = crm.call("GET", f"/v1/tokens/{third}")[2]
    crm.put(view["service_request_id"], "1", {"ack": True})
    assert resolved(third) == view["service_request_id"]
    # The tenant's time is over: as if it had waited a minute longer.
    sql(city, f"update service_requests set requested_at = requested_at - interval '2 minutes' where token = '{fourth}'")
    assert resolved(fourth) is None
    program(city, "tenant", "statuses", tenant, "--tokens-wait", "1")
    wait_until(lambda: resolved(fourth), 30, "our id by the time limit")
    program(city, "tenant", "policy", tenant, "--identifiers", "immediate")
    wait_until(lambda: city.post("by id")[1][0].get("service_request_id"), 20, "the gateway answers ids")


def acknowledgement(city, crm):
    """`ack: true` alone is enough, by both doors; what is not acknowledged in time can be asked for."""
    rest, amqp, silent = made(city, 3)
    bus = Bus(city)

    def acknowledged(request):
        stations = crm.call("GET", f"/v1/service-requests/{request}/timeline")[2]["stations"]
        return next(station["at"] for station in stations if station["station"] == "acknowledged")

    assert acknowledged(rest) is None and acknowledged(amqp) is None
    assert crm.put(rest, "received", {"ack": True})["detailed_status"] == "RECEIVED"
    bus.send("received", {"service_request_id": amqp, "ack": True})
    assert bus.answer("received")["data"]["outcome"] == "applied"
    for request in (rest, amqp):
        assert acknowledged(request) and crm.show(request)["acknowledged_datetime"], request
        assert len(seen(city, request, "?extensions=true")["notes"]) == 1, "an acknowledgement is nothing to citizens"
    for body, code in (({"ack": False}, "empty-update"), ({}, "empty-update"), ({"ack": "yes"}, "invalid-update"), ({"ack": 1}, "invalid-update")):
        crm.refuse(silent, "no", body, 400, code)
    assert acknowledged(silent) is None
    crm.put(silent, "late", {"external_reference": f"S-{silent}"})
    assert acknowledged(silent)


def references(city, crm):
    """The CRM's own references: several for a request, each one request's, searchable, good as an address."""
    one, other = made(city, 2)
    crm.put(one, "1", {"external_reference": "GRC/2026 é-1"})
    crm.put(one, "2", {"external_reference": "GRC-2"})
    problem = crm.refuse(other, "1", {"external_reference": "GRC-2", "status": "closed"}, 409, "reference-in-use")
    assert problem["errors"][0]["pointer"] == "/external_reference" and seen(city, other)["status"] == "open"
    for reference in ("GRC/2026 é-1", "GRC-2"):
        found = crm.call("GET", "/v1/service-requests?external_reference=" + urllib.parse.quote(reference, safe=""))[2]["service_requests"]
        assert [request["service_request_id"] for request in found] == [one], found
        assert sorted(found[0]["external_references"]) == ["GRC-2", "GRC/2026 é-1"], found
    assert crm.call("GET", "/v1/service-requests?external_reference=none")[2] == {"service_requests": []}
    assert crm.call("GET", "/v1/service-requests")[2]["code"] == "invalid-search"
    # A body may name the request that the path names, and no other.
    crm.put(one, "3", {"service_request_id": one, "status_notes": "encore"})
    problem = crm.refuse(one, "4", {"service_request_id": other, "status": "closed"}, 400, "invalid-update")
    assert problem["errors"][0]["pointer"] == "/service_request_id" and seen(city, one)["status"] == "open"
    # What was accepted is read back page by page.
    ids, path = [], f"/v1/service-requests/{one}/updates?limit=2"
    while path:
        code, headers, page = crm.call("GET", path)
        assert code == 200 and len(page["updates"]) <= 2, page
        ids += [update["update_id"] for update in page["updates"]]
        path = (headers["Link"] or "").partition(">")[0][1:]
    assert ids == ["1", "2", "3"], ids
    assert crm.call("GET", f"/v1/service-requests/{one}/updates?size=2")[2]["code"] == "invalid-query"
    bus = Bus(city)
    bus.send("ref-1", {"external_reference": "GRC-2", "status": "closed"})
    assert bus.answer("ref-1")["data"]["service_request_id"] == one
    bus.send("ref-2", {"external_reference": "nobody's", "status": "closed"})
    assert bus.answer("ref-2")["data"]["reason"] == "unknown-request"
    # Eight requests ask for one reference at once: one gets it.
    many = made(city, 8)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(lambda request: crm.call("PUT", f"/v1/service-requests/{request}/updates/x", {"external_reference": "one"})[0], many))
    assert codes == [201] + [409] * 7, codes


def batches(city, crm):
    """Up to a thousand at once, an outcome for each; a thousand and one, and nothing happens."""
    requests = made(city, 250)
    updates = [{"service_request_id": request, "update_id": f"b-{number}", "status": "IN_PROCESS", "status_notes": f"Étape {number}", "sequence": number}
               for number in range(4) for request in requests]
    assert len(updates) == 1_000
    times = []
    start = time.monotonic()
    whole = crm.batch(updates)
    times.append(time.monotonic() - start)
    assert whole["applied"] == 1_000 and [result["index"] for result in whole["results"]] == list(range(1_000)), whole
    assert all(result["outcome"] == "applied" and result["receipt_id"] for result in whole["results"])
    assert seen(city, requests[0])["status_notes"] == "Étape 3"
    again = crm.batch(updates)
    assert again["repeated"] == 1_000 and [r["receipt_id"] for r in again["results"]] == [r["receipt_id"] for r in whole["results"]]
    print(f"a batch of 1,000: {1e3 * times[0]:.0f} ms", flush=True)

    crm.batch([], 400)
    problem = crm.batch([dict(update, update_id="over") for update in updates] + [dict(updates[0], update_id="over-1")], 413)
    assert problem["code"] == "too-many-updates" and "nothing" in problem["detail"], problem
    assert all(update["update_id"] != "over" for update in crm.updates(requests[0]))
    one, two, three = requests[:3]
    crm.put(three, "r", {"external_reference": "batch-3"})
    mixed = crm.batch([
        {"service_request_id": one, "update_id": "m-1", "status": "closed"},
        {"service_request_id": one, "update_id": "m-2", "status": "RECEIVED"},
        {"service_request_id": one, "update_id": "m-1", "status": "closed"},
        {"service_request_id": one, "update_id": "m-1", "status": "open"},
        {"service_request_id": "2601999999999", "update_id": "m", "status": "closed"},
        {"service_request_id": two, "update_id": "m-1", "status": "SOLVED", "expected_datetime": "demain"},
        {"service_request_id": two, "status": "closed"}, 5,
        {"service_request_id": two, "update_id": "m-2", "updated_datetime": "2099-01-01T00:00:00Z", "status": "closed"},
        {"external_reference": "batch-3", "update_id": "m-1", "status": "closed"},
        {"service_request_id": two, "update_id": "m-3", "status": "closed", "updated_datetime": at(-3600)},
        {"service_request_id": "", "update_id": "m-4", "status": "closed"},
        # A text that no database holds: taken out, as everywhere.
        {"service_request_id": two, "update_id": "m-5", "status_notes": "a\u0000b"},
    ])
    outcomes = [result.get("error", {}).get("code", result["outcome"]) for result in mixed["results"]]
    assert outcomes == ["applied", "illegal-transition", "repeated", "conflicting-update", "unknown-request", "invalid-update", "invalid-update", "invalid-update",
                        "invalid-update", "applied", "superseded", "invalid-update", "applied"], outcomes
    assert [error["pointer"] for error in mixed["results"][5]["error"]["errors"]] == ["/updates/5/status", "/updates/5/expected_datetime"], mixed
    assert (mixed["applied"], mixed["repeated"], mixed["superseded"], mixed["refused"]) == (3, 1, 1, 8), mixed
    for body in (b"[]", b"{", b'{"updates": {}}', b"[" * 200_000):
        code, _, document = crm.call("POST", "/v1/status-updates", body)
        assert code == 400 and document["code"] in ("malformed-json", "invalid-update"), document
    assert crm.call("POST", "/v1/status-updates", b"x" * 8_400_000)[2]["code"] == "too-large"


def strangers(city, crm):
    """Someone else's request does not exist, and nobody gets in without a token. Last: of two cities an app must name one."""
    (request,) = made(city)
    for token in ("", "x", "crm_AAAAAAAA_" + "A" * 43):
        for method, path in (("GET", f"/v1/service-requests/{request}"), ("PUT", f"/v1/service-requests/{request}/updates/1"),
                             ("POST", "/v1/status-updates"), ("PUT", "/v1/tokens/" + "0" * 32), ("GET", "/v1/service-requests?token=x")):
            code, headers, document = CRM(city, token or "-").call(method, path, {} if method != "GET" else None)
            assert code == 401 and document["code"] == "unauthorized" and "Bearer" in headers["WWW-Authenticate"], (token, path, document)
    program(city, "tenant", "create", "autre", "--name", "Autre", "--jurisdiction", "autre.example")
    tenants = json.loads(program(city, "tenant", "list", "--format", "json"))
    other = next(tenant["tenant"] for tenant in tenants if tenant["tenant"].startswith("autre-"))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "token")
        program(city, "credential", "issue", other, "crm", "--label", "t", "--password-file", path)
        with open(path, encoding="utf-8") as file:
            stranger = CRM(city, file.read().strip())
    wait_until(lambda: stranger.call("GET", f"/v1/service-requests/{request}")[0] == 404, 20, "the new token is known")
    stranger.refuse(request, "1", {"status": "closed"}, 404, "unknown-request")
    assert stranger.call("GET", f"/v1/service-requests/{request}/updates")[0] == 404
    assert stranger.batch([{"service_request_id": request, "update_id": "1", "status": "closed"}])["refused"] == 1
    crm.put(request, "1", {"external_reference": "mine"})
    assert stranger.call("GET", "/v1/service-requests?external_reference=mine")[2] == {"service_requests": []}
    assert crm.show(request)["status"] == "open"


def history(dice, count):
    """Updates of one request in their order: words of every kind, illegal moves among them; no two in one moment, unless a counter tells
    them apart."""
    words = ["open", "closed", "PENDING", "RECEIVED", "IN_PROCESS", "IN_PROCESS,PUBLIC_WORKS_NEW", "PROCESSED", "REJECTED", "ARCHIVED"]
    weights = [4, 4, 1, 2, 4, 3, 4, 3, 1]
    moment, sequence, updates = 1_760_000_000, 0, []
    for number in range(count):
        body = {}
        if dice.random() < 0.3:
            sequence += 1
        else:
            moment, sequence = moment + dice.randrange(1, 500_000), 0
        body["sequence"] = sequence
        body["updated_datetime"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
        if dice.random() < 0.75:
            body["status"] = dice.choices(words, weights)[0]
        for name, value in (("status_notes", f"note {number}"), ("agency_responsible", f"agence {number}"), ("service_notice", f"avis {number}"),
                            ("expected_datetime", f"2027-01-{1 + number:02}T00:00:00Z"), ("internal_notes", "interne"), ("ack", True)):
            if dice.random() < 0.3:
                body[name] = value
        if len(body) > 2:
            updates.append((f"h-{number}", body))
    return updates


def interleaving(city, crm):
    """Whatever the order, the doors and the repetitions: one request's updates end as the ordered history does."""
    seed = int(os.environ.get("BUS311_SEED", random.randrange(1 << 32)))
    print(f"interleaving with seed {seed}", flush=True)
    dice = random.Random(seed)
    pairs = 12
    requests = made(city, 2 * pairs)
    bus, messages, trails, counts = Bus(city), 0, [], {}
    for number in range(pairs):
        ordered, mixed = requests[2 * number], requests[2 * number + 1]
        updates = history(dice, dice.randrange(3, 16))
        trails.append((ordered, mixed, updates))
        for update, body in updates:
            crm.call("PUT", f"/v1/service-requests/{ordered}/updates/{update}", body)
        steps = updates + dice.choices(updates, k=len(updates) // 2)
        dice.shuffle(steps)
        for update, body in steps:
            if dice.random() < 0.5:
                # Of every request, for the queue is one; so that doors overtake each other.
                bus.send(f"{update}", dict(body, service_request_id=mixed))
                messages += 1
            else:
                code, _, document = crm.call("PUT", f"/v1/service-requests/{mixed}/updates/{update}", body)
                word = document.get("outcome", document.get("code"))
                counts[word] = counts.get(word, 0) + 1

    def answered():
        bus.receive()
        return sum(len(answers) for answers in bus.answers.values()) >= messages

    wait_until(answered, 60, f"{messages} receipts")
    for answers in bus.answers.values():
        for event in answers:
            word = event["data"].get("outcome", event["data"].get("reason"))
            counts[word] = counts.get(word, 0) + 1
    own = ("service_request_id", "requested_datetime", "updated_datetime", "description", "media_url")
    for ordered, mixed, updates in trails:
        ends = []
        for request in (ordered, mixed):
            shown = seen(city, request, "?extensions=true")
            shown = {name: value for name, value in shown.items() if name not in own}
            # When the submission was made is each request's own.
            shown["notes"], shown["extended_attributes"].pop("title"), shown["extended_attributes"].pop("media_urls", None)
            shown["notes"] = shown["notes"][1:]
            ends.append(shown)
        assert ends[0] == ends[1], (seed, updates, ends)
    print(f"interleaving: {json.dumps(counts)}", flush=True)
    assert {"applied", "superseded", "repeated", "illegal-transition"} <= counts.keys(), counts


def refusals_again(city, crm):
    """What was refused left nothing behind: sent again word for word, it is judged again, by both doors."""
    (request,) = made(city)
    bus = Bus(city)
    body = {"merged_into": "X-unknown", "status_notes": "n"}
    crm.refuse(request, "again", body, 409, "unknown-parent")
    bus.send("again-amqp", dict(body, service_request_id=request))
    assert bus.answer("again-amqp")["data"]["reason"] == "unknown-parent"
    token = None
    program(city, "tenant", "policy", city.settings["tenant"], "--identifiers", "tokens")

    def taken():
        nonlocal token
        token = city.post("parent")[1][0].get("token")
        return token

    wait_until(taken, 20, "a token")
    assert crm.call("PUT", f"/v1/tokens/{token}", {"service_request_id": "X-unknown"})[0] == 200
    program(city, "tenant", "policy", city.settings["tenant"], "--identifiers", "immediate")
    bus.send("again-amqp", dict(body, service_request_id=request))
    assert bus.answer("again-amqp", 2)["data"]["outcome"] == "applied", bus.answers
    assert crm.put(request, "again", body)["outcome"] == "applied"
    # What was accepted is answered as the first time: the very receipt.
    bus.send("again-amqp", dict(body, service_request_id=request))
    assert bus.answer("again-amqp", 3)["id"] == bus.answer("again-amqp", 2)["id"]
    wait_until(lambda: city.post("by id")[1][0].get("service_request_id"), 20, "the gateway answers ids")


def described(city, crm):
    """Schemathesis against status-ingest's own description: no server error, no answer that is not described."""
    (request,) = made(city)
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"
    with tempfile.TemporaryDirectory() as folder:
        with urllib.request.urlopen(crm.url + "/openapi.json", timeout=10) as answer:
            document = json.load(answer)
        # So that some of what is tried names a request that there is.
        for path in document["paths"].values():
            for operation in path.values():
                for parameter in operation.get("parameters", []):
                    if parameter["name"] == "service_request_id" and operation["operationId"] != "erase":
                        parameter["schema"] = {"enum": [request, "2601000000001", "CRM-1"]}
        path = os.path.join(folder, "openapi.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file)
        subprocess.run(
            [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", path, "--url", crm.url, "--checks", checks,
             "--max-examples", os.environ.get("BUS311_SCHEMATHESIS_EXAMPLES", "10"), "--header", f"Authorization: Bearer {crm.token}",
             "--seed", "311", "--no-color", "--suppress-health-check", "all", "--request-timeout", "20"],
            check=True, cwd=folder, timeout=180)


PARTS = (moves, detailed, circles, notes, reopening, duplicates, refused, erasures, photos, versions, mapping, references, batches, interleaving, acknowledgement, tokens, refusals_again, described,
         strangers)


def main():
    wanted = sys.argv[1:]
    with City() as city:
        crm = CRM(city)
        ran = 0
        for part in PARTS:
            if not wanted or part.__name__ in wanted:
                start = time.monotonic()
                part(city, crm)
                ran += 1
                print(f"{part.__name__}: {time.monotonic() - start:.1f} s", flush=True)
        assert "canary-internal" not in city.log()
    print(f"lifecycle: {ran} passed, 0 failed")


if __name__ == "__main__":
    sys.exit(main())
