"""Clients that nobody here wrote, each over its whole surface, against the gateway of the conformance rows.

    clients.py ROW SHEET    ROW: W01 to W06, or schemathesis; SHEET: JSON with the gateway's addresses, keys and known ids
"""
import itertools
import json
import os
import subprocess
import sys
import tempfile
import urllib.parse
import xml.etree.ElementTree as ElementTree

import requests

HERE = os.path.dirname(os.path.abspath(__file__))


def answer(url, **arguments):
    got = requests.get(url, timeout=20, **arguments)
    assert got.status_code == 200, (url, got.status_code, got.text)
    return got


def form(sheet, **fields):
    return dict(jurisdiction_id=sheet["jurisdiction_id"], api_key=sheet["api_key"], service_code="BIN", lat="43.6", long="3.2", **fields)


def w01_georeport(sheet):
    """PyPI georeport: all five methods in both formats."""
    import georeport

    base = f"{sheet['base']}/services.json?jurisdiction_id={sheet['jurisdiction_id']}"
    count = len(answer(base).json())
    for output in ("json", "xml"):
        client = georeport.GeoReport(sheet["base"], jurisdiction=sheet["jurisdiction_id"], output_format=output)
        services = client.get_service_list()
        assert len(services) == count, (output, len(services), count)
        definition = client.get_service_definition("POT")
        assert definition["service_code"] == "POT", definition
        listed = client.get_service_requests()
        assert sheet["r1"] in [request["service_request_id"] for request in listed], output
        closed = client.get_service_requests(status="closed")
        # In XML the client gives a list of one as its element.
        closed = [closed] if isinstance(closed, dict) else closed
        assert closed and all(request["status"] == "closed" for request in closed), output
        assert client.get_service_request(sheet["r1"])["service_request_id"] == sheet["r1"]


def three_client(sheet, **more):
    # Written for Python 2: the one name that is missing since.
    itertools.ifilter = filter
    from three import Three

    return Three(sheet["base"], jurisdiction=sheet["jurisdiction_id"], api_key=sheet["api_key"], **more)


def w02_three(sheet):
    """PyPI three, in JSON: discovery, services, requests, post with and without a picture."""
    client = three_client(sheet)
    assert client.discovery()["endpoints"], "discovery"
    assert {"POT", "BIN"} <= {service["service_code"] for service in client.services()}
    assert client.services("POT")["service_code"] == "POT"
    assert sheet["r1"] in [request["service_request_id"] for request in client.requests()]
    assert all(request["service_code"] == "BIN" for request in client.requests("BIN"))
    assert len(client.requests(count=2)) == 2
    assert client.request(sheet["r1"])[0]["service_request_id"] == sheet["r1"]
    made = client.post("BIN", address="1 rue du Pont", name="Ada Lovelace", email="ada@mail.example", description="three")
    identifier = made[0]["service_request_id"]
    assert client.request(identifier)[0]["address"] == "1 rue du Pont"
    picture = client.post("BIN", lat="43.6", long="3.2", description="three", media=open(sheet["picture"], "rb"))
    assert picture[0]["service_request_id"], picture
    refused = three_client(dict(sheet, api_key="")).post("BIN", address="x", description="refused")
    assert refused[0]["code"] == 403, refused
    unknown = client.token("unknown")
    assert unknown[0]["code"] == 404, unknown


def w03_open311(sheet):
    """The URLs of PyPI open311: XML, an empty jurisdiction on a city's own base, the key in the query."""
    own = sheet["own_base"]
    for path, root in (
        ("services.xml?jurisdiction_id=", "services"), ("service/POT.xml", "service_definition"),
        ("requests.xml?jurisdiction_id=", "service_requests"), (f"requests/{sheet['r1']}.xml", "service_requests"),
    ):
        assert ElementTree.fromstring(answer(f"{own}/{path}").content).tag == root, path
    query = urllib.parse.urlencode({"jurisdiction_id": "", "api_key": sheet["api_key"]})
    made = requests.post(f"{own}/requests.xml?{query}", data={"service_code": "BIN", "lat": "1", "long": "2", "description": "x"}, timeout=20)
    assert made.status_code == 200 and ElementTree.fromstring(made.content).find("request/service_request_id").text


def w04_schemas(sheet):
    """Every JSON answer against schemas made from the reference, formats checked."""
    import jsonschema

    with open(os.path.join(HERE, "schemas.json"), encoding="utf-8") as file:
        schemas = json.load(file)

    def check(name, value):
        schema = dict(schemas, **{"$ref": f"#/$defs/{name}"})
        jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER).validate(value)

    query = f"?jurisdiction_id={sheet['jurisdiction_id']}"
    check("discovery", answer(f"{sheet['base']}/discovery.json").json())
    services = answer(f"{sheet['base']}/services.json{query}").json()
    check("services", services)
    for service in services:
        code = urllib.parse.quote(service["service_code"], safe="")
        check("service_definition", answer(f"{sheet['base']}/services/{code}.json{query}").json())
    listed = answer(f"{sheet['base']}/requests.json{query}").json()
    assert listed
    check("service_requests", listed)
    for request in listed[:20]:
        check("service_requests", answer(f"{sheet['base']}/requests/{request['service_request_id']}.json{query}").json())
    check("created", requests.post(f"{sheet['base']}/requests.json", data=form(sheet, description="x"), timeout=20).json())
    check("errors", requests.get(f"{sheet['base']}/services.json", timeout=20).json())


def w05_validator(sheet):
    """The rules of SeeClickFix's validator, which asks without an extension and reads with Ruby's strict clock."""
    import datetime

    document = answer(f"{sheet['root']}/discovery", headers={"Accept": "application/json"}).json()
    assert len(document["endpoints"]) >= 2 and any(endpoint["type"] == "test" for endpoint in document["endpoints"])
    now = datetime.datetime.now(datetime.timezone.utc)
    for changeset in [document["changeset"]] + [endpoint["changeset"] for endpoint in document["endpoints"]]:
        assert datetime.datetime.fromisoformat(changeset.replace("Z", "+00:00")) <= now
    for endpoint in document["endpoints"]:
        assert len(endpoint["formats"]) >= 2 and endpoint["specification"].lower().endswith("_v2")
    tests = [endpoint for endpoint in document["endpoints"] if endpoint["type"] != "production" and sheet["own_key"] in endpoint["url"]]
    for endpoint in tests:
        services = answer(f"{endpoint['url']}/services.json").json()
        assert services
        for service in services:
            if service["metadata"]:
                assert answer(f"{endpoint['url']}/services/{service['service_code']}.json").json()["attributes"]
    assert tests


def w06_georeporter(sheet):
    """GeoReporter: multipart with a picture, then the request by its id, with the key on every call."""
    with open(sheet["picture"], "rb") as picture:
        made = requests.post(
            f"{sheet['base']}/requests.json", data=form(sheet, address_string="", first_name="", description="GeoReporter"),
            files={"media": ("media.png", picture, "image/png")}, timeout=20)
    assert made.status_code == 200, made.text
    identifier = made.json()[0]["service_request_id"]
    query = urllib.parse.urlencode({"jurisdiction_id": sheet["jurisdiction_id"], "api_key": sheet["api_key"]})
    found = answer(f"{sheet['base']}/requests/{identifier}.json?{query}").json()
    assert len(found) == 1 and found[0]["service_request_id"] == identifier


def schemathesis(sheet):
    """Schemathesis against openapi.json: no server error, no answer that is not described."""
    checks = (
        "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
        "response_schema_conformance",
    )
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(os.path.dirname(sys.executable), "schemathesis")
        subprocess.run(
            [
                program, "run", f"{sheet['root']}/openapi.json", "--url", sheet["own_base"], "--checks", ",".join(checks),
                "--max-examples", os.environ.get("BUS311_SCHEMATHESIS_EXAMPLES", "10"), "--header", f"X-API-Key: {sheet['api_key']}",
                "--seed", "311", "--no-color", "--suppress-health-check", "all", "--request-timeout", "20",
            ],
            check=True, cwd=folder)


ROWS = {
    "W01": w01_georeport, "W02": w02_three, "W03": w03_open311, "W04": w04_schemas, "W05": w05_validator, "W06": w06_georeporter,
    "schemathesis": schemathesis,
}

if __name__ == "__main__":
    with open(sys.argv[2], encoding="utf-8") as sheet_file:
        ROWS[sys.argv[1]](json.load(sheet_file))
