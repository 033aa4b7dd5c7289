"""The journey with clients nobody here wrote: GeoReport by PyPI's georeport, AMQP by pika and amqp-tools, schemas by jsonschema."""
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import georeport
import jsonschema
import pika
from city import REPOSITORY, City, wait_until


def status(city, request_id, update_id, body, token=None):
    request = urllib.request.Request(
        f"{city.settings['status_ingest_url']}/v1/service-requests/{request_id}/updates/{update_id}", method="PUT",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token or city.settings['crm_token']}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        assert error.headers["Content-Type"] == "application/problem+json"
        return error.code, json.loads(error.read())


def refusals(city):
    def check(code, word, **fields):
        got, errors = city.post("x", **fields)
        assert got == code and isinstance(errors, list), (got, errors)
        assert any(word in error["description"] for error in errors), errors
        assert all(error["code"] == code for error in errors)

    check(403, "api_key", api_key="wrong")
    check(404, "jurisdiction_id", jurisdiction_id="nowhere.example")
    check(404, "service_code", service_code="NOPE")
    check(400, "size required", service_code="POTHOLE")
    check(400, "long", long="")
    check(413, "address_string", address_string="x" * 10_000_000)
    for body, kind, code in (
        (b"description=%ff%fe&api_key=x", "application/x-www-form-urlencoded", 400),
        (b"description=%zz", "application/x-www-form-urlencoded", 400),
        (b"{}", "text/plain", 415),
    ):
        request = urllib.request.Request(
            city.settings["gateway_url"] + "/requests.json", data=body, headers={"Content-Type": kind}
        )
        try:
            urllib.request.urlopen(request, timeout=10)
            raise AssertionError("accepted")
        except urllib.error.HTTPError as error:
            assert error.code == code and json.loads(error.read())[0]["code"] == code


def foreign_client(city, request_id):
    for form in ("json", "xml"):
        client = georeport.GeoReport(
            city.settings["gateway_url"], jurisdiction=city.settings["jurisdiction_id"], output_format=form
        )
        codes = [service["service_code"] for service in client.get_service_list()]
        assert "LAMP" in codes and "POTHOLE" in codes, codes
        assert client.get_service_definition("POTHOLE")["service_code"] == "POTHOLE"
        assert client.get_service_request(request_id)["service_request_id"] == request_id


def main():
    with City(patient=True) as city:
        refusals(city)
        assert json.loads(city.get("/requests.json")) == [], "a refused request was stored"

        # Posted once, repeated under the same reference, refused with other content.
        code, first = city.post("Un lampadaire", email="canary@mail.example", client_request_id="c-1")
        assert code == 200, first
        request_id = first[0]["service_request_id"]
        assert city.post("Un lampadaire", email="canary@mail.example", client_request_id="c-1") == (200, first)
        assert city.post("Autre chose", client_request_id="c-1")[0] == 409

        # What is really consumed is what the contract says.
        connection = pika.BlockingConnection(pika.URLParameters(city.settings["amqp_uri"]))
        channel = connection.channel()
        message = []

        def arrived():
            method, properties, body = channel.basic_get(city.settings["request_queue"])
            if method is None:
                return False
            message.extend([method, properties, json.loads(body)])
            return True

        wait_until(arrived, 10, "the event in the queue")
        method, properties, event = message
        folder = os.path.join(REPOSITORY, "docs", "contract", "schemas", "service_request.created")
        # Of the version that it says it has, strictly; and of the first, as a CRM that was written for that reads it.
        minor = event["dataschema"].rpartition("/")[2].removesuffix(".json")
        for name in (f"{minor}.producer.json", f"{minor}.json", "1.0.json"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                schema = json.load(file)
            jsonschema.Draft202012Validator(schema).validate(event)
        assert properties.message_id == event["id"] and properties.correlation_id == request_id == event["subject"]
        assert properties.delivery_mode == 2 and properties.type == "service_request.created.v1"
        assert event["data"]["requester"]["email"] == "canary@mail.example"
        channel.basic_nack(method.delivery_tag, requeue=True)
        connection.close()

        # The two examples do the whole CRM side.
        store = os.path.join(city.folder.name, "crm.sqlite3")
        subprocess.run(
            [sys.executable, os.path.join(REPOSITORY, "examples", "consumer.py"), city.settings_path, "--store", store, "--count", "1"],
            check=True, timeout=60,
        )
        foreign_client(city, request_id)
        seen = json.loads(city.get(f"/requests/{request_id}.json"))[0]
        assert seen["status"] == "open" and seen["status_notes"] == "Pris en charge", seen
        assert city.post("Pour le shell")[0] == 200
        box = os.path.join(city.folder.name, "box")
        subprocess.run(
            [os.path.join(REPOSITORY, "examples", "consumer.sh"), city.settings_path, box, "1"], check=True, timeout=60
        )
        assert len(os.listdir(box)) == 1

        # The way back, and what it refuses.
        assert status(city, request_id, "u-2", {"status": "closed", "status_notes": "Réparé"})[0] == 201
        assert status(city, request_id, "u-2", {"status": "open"})[0] == 409
        assert json.loads(city.get(f"/requests/{request_id}.json"))[0]["status"] == "closed"
        assert status(city, request_id, "u-3", {"status": "SOLVED"})[0] == 400
        assert status(city, request_id, "u-4", {"status": "RECEIVED"})[0] == 409
        assert status(city, "2611999999999", "u-5", {"status": "closed"})[0] == 404
        assert status(city, request_id, "u-6", {"status": "closed"}, token="broken")[0] == 401

        assert city.post("", email="canary@mail.example", lat="")[0] == 400
        assert "canary@mail.example" not in city.log() and city.settings["api_key"] not in city.log()
        lines = [json.loads(line) for line in city.log().splitlines() if line.startswith("{")]
        refused = [line for line in lines if line.get("status") == "400" and line["service"] == "gateway"]
        assert refused and all(line["request_id"] for line in refused), refused
        assert any(line.get("tenant") == city.settings["tenant"] for line in refused), refused
        metrics = urllib.request.urlopen(city.settings["health_url"] + "/metrics", timeout=10).read()
        subprocess.run(["promtool", "check", "metrics"], input=metrics, check=True)
    print("journey: 1 passed, 0 failed")


main()
