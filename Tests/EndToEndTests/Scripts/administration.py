"""Keys and catalogues as an operator changes them with bus311, and what apps see of it at once."""
import json
import os
import subprocess
import time
import urllib.parse
import urllib.request

from city import PROGRAM, City, wait_until


def bus311(city, *arguments, code=0):
    """The command's JSON; `code` is the exit code that it must end with."""
    settings = os.path.join(city.home, "settings.json")
    done = subprocess.run(
        [PROGRAM, *arguments, "--config", settings, "--format", "json"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout.strip() else done.stderr


def keys(city):
    tenant = city.settings["tenant"]
    for label in ("", "é" * 256):
        bus311(city, "key", "create", tenant, "--label", label, code=64)
    bus311(city, "key", "create", tenant, "--label", "é" * 255)
    made = bus311(city, "key", "create", tenant, "--label", "second app", "--scope", "write", "--expires", "30d")
    assert city.post("avec la seconde clé", api_key=made["api_key"])[0] == 200

    # A key for trying opens the test endpoint, and only that.
    trying = bus311(city, "key", "create", tenant, "--label", "trying", "--scope", "test")
    assert city.post("refusé", api_key=trying["api_key"])[0] == 403
    root = city.settings["gateway_url"].removesuffix("/open311/v2")
    form = urllib.parse.urlencode({"api_key": trying["api_key"], "service_code": "LAMP", "lat": 1, "long": 2, "description": "essai"})
    with urllib.request.urlopen(f"{root}/{tenant}/test/open311/v2/requests.json", form.encode(), timeout=10) as answer:
        tried = json.load(answer)[0]["service_request_id"]
    listed = [request["service_request_id"] for request in json.loads(city.get(f"/requests.json?jurisdiction_id={city.settings['jurisdiction_id']}"))]
    assert tried not in listed and len(listed) == 1

    # Both work until the overlap ends; then the old one may go.
    successor = bus311(city, "key", "rotate", tenant, made["id"], "--overlap", "7d")
    assert city.post("avec l’ancienne", api_key=made["api_key"])[0] == 200
    assert city.post("avec la nouvelle", api_key=successor["api_key"])[0] == 200
    bus311(city, "key", "revoke", tenant, made["id"])
    wait_until(lambda: city.post("refusé", api_key=made["api_key"])[0] == 403, 10, "the revoked key is refused")
    assert city.post("avec la nouvelle", api_key=successor["api_key"])[0] == 200

    shown = {key["id"]: key for key in bus311(city, "key", "list", tenant)}
    assert shown[successor["id"]]["scopes"] == ["write"] and shown[successor["id"]]["label"] == "second app", shown
    assert shown[made["id"]]["revoked"] and shown[trying["id"]]["scopes"] == ["test"], shown
    assert not any(made["api_key"] in str(key) for key in shown.values())
    wait_until(
        lambda: any(key.get("last_used") for key in bus311(city, "key", "list", tenant) if key["id"] == successor["id"]), 60,
        "the last use is written")
    for wrong in (["--scope", "everything"], ["--expires", "yesterday"], ["--expires", "2020-01-01"]):
        bus311(city, "key", "create", tenant, "--label", "x", *wrong, code=64)
    bus311(city, "key", "rotate", tenant, "Unknown1", code=64)


def catalogue(city):
    tenant = city.settings["tenant"]
    assert bus311(city, "catalogue", "check", tenant) == []
    missing = bus311(city, "catalogue", "check", tenant, "--language", "nl", code=1)
    assert missing and all(each["kind"] == "missing-translation" for each in missing), missing[:3]

    path = os.path.join(city.folder.name, "catalogue.json")
    service = {
        "service_code": "NEW", "service_name": {"fr": "Nouveau"}, "description": {"fr": "Un service nouveau"}, "group": {"fr": "Divers"},
        "attributes": [{"code": "kind", "datatype": "singlevaluelist", "description": {"fr": "Lequel ?"}}],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump([service], file)
    refused = bus311(city, "catalogue", "load", tenant, path, code=64)
    assert "kind" in refused and "list without values" in refused, refused
    service["attributes"][0]["values"] = [{"key": "a", "name": {"fr": "A"}}]
    with open(path, "w", encoding="utf-8") as file:
        json.dump([service], file)
    started = time.monotonic()
    bus311(city, "catalogue", "load", tenant, path)

    def served():
        services = json.loads(city.get(f"/services.json?jurisdiction_id={city.settings['jurisdiction_id']}"))
        return [each["service_code"] for each in services] == ["NEW"]

    wait_until(served, 10, "the new catalogue is served")
    print(f"administration: the new catalogue was served {time.monotonic() - started:.1f} s after its command began")


with City() as own:
    keys(own)
    catalogue(own)
print("administration: 1 passed, 0 failed")
