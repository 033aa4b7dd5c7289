"""A tenant's reference data from every door: REST, pulled from a URL, asked of the CRM, bus311 reference; whole or not at all."""
import concurrent.futures
import copy
import http.client
import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from city import PROGRAM, City, sql, wait_until
from photo_links import Stranger
from services import Service


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def pointers(self):
        return [each["pointer"] for each in self.json["errors"]]

    def __repr__(self):
        return f"{self.status} {self.body[:1500]!r}"


class Door:
    """status-ingest's, with a CRM's token."""

    def __init__(self, url, token):
        self.url, self.token = url, token

    def __call__(self, method, path, body=None, kind="application/json", timeout=60, **headers):
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = kind
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())


BASE = "/v1/reference-data/"


def bus311(city, *arguments, code=0):
    done = subprocess.run(
        [PROGRAM, *arguments, "--config", os.path.join(city.home, "settings.json"), "--format", "json"], capture_output=True, text=True,
        timeout=60, check=False)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout.strip() else done.stderr


def served(city):
    return {each["service_code"]: each for each in json.loads(city.get(f"/services.json?jurisdiction_id={city.settings['jurisdiction_id']}"))}


def service(code, **more):
    return {"service_code": code, "service_name": {"fr": code.title(), "en": code.title()}, "description": {"fr": "d", "en": "d"},
            "group": {"fr": "g", "en": "g"}, **more}


def whole_and_part(city, door):
    """PUT, PATCH, previews, conditions, versions, rolling back."""
    live = door("GET", BASE + "catalogue")
    assert live.status == 200 and live.headers["ETag"] == '"catalogue-1"', live
    catalogue = live.json
    assert door("GET", BASE + "catalogue", If_None_Match='"catalogue-1"').status == 304
    again = door("PUT", BASE + "catalogue", catalogue)
    assert again.status == 200 and again.json["outcome"] == "unchanged" and again.json["version"] == 1, again

    changed = copy.deepcopy(catalogue)
    lamp = next(each for each in changed if each["service_code"] == "LAMP")
    lamp["service_name"]["fr"] = "Lampadaire en panne"
    gone = changed.pop(next(i for i, each in enumerate(changed) if each["service_code"] == "SIGN"))
    changed.append(service("BENCH"))
    preview = door("PUT", BASE + "catalogue?dry_run=true", changed)
    assert preview.status == 200 and preview.json["outcome"] == "dry_run" and preview.json["live_version"] == 1, preview
    listed = {(each["op"], each["path"]): each for each in preview.json["differences"]["listed"]}
    assert set(listed) == {("change", "/LAMP/service_name/fr"), ("remove", "/SIGN"), ("add", "/BENCH")}, listed
    assert listed["change", "/LAMP/service_name/fr"]["after"] == "Lampadaire en panne"
    assert door("GET", BASE + "catalogue").headers["ETag"] == '"catalogue-1"', "a preview changed something"

    # A request under the old version, of a service that goes away.
    before = city.post("avant", service_code="SIGN")[1][0]["service_request_id"]
    stored = door("PUT", BASE + "catalogue?note=mobilier", changed, If_Match='"catalogue-1"')
    assert stored.status == 201 and stored.json["version"] == 2 and stored.headers["ETag"] == '"catalogue-2"', stored
    assert stored.headers["Location"] == BASE + "catalogue/versions/2"
    wait_until(lambda: "BENCH" in served(city) and "SIGN" not in served(city), 10, "the new catalogue is served")
    assert city.post("refusé", service_code="SIGN")[0] == 404
    kept = door("GET", f"/v1/service-requests/{before}/service").json
    assert kept["catalogue_version"] == 1 and kept["service"]["service_name"] == gone["service_name"], kept
    after = city.post("après", service_code="BENCH")[1][0]["service_request_id"]
    assert door("GET", f"/v1/service-requests/{after}/service").json["catalogue_version"] == 2
    assert sql(city, "select count(*) from services where code = 'SIGN' and not active") == "1", "a service in use was deleted"

    stale = door("PUT", BASE + "catalogue", catalogue, If_Match='"catalogue-1"')
    assert stale.status == 412 and stale.json["type"].endswith(":stale-version"), stale
    assert door("PUT", BASE + "catalogue", catalogue, If_None_Match="*").status == 412

    # A part: a translation, a question's flag, one service out, one in.
    part = {"LAMP": {"service_name": {"nl": "Lantaarn"}}, "POTHOLE": {"attributes": {"size": {"required": False}}}, "BENCH": None,
            "BANC": {"service_name": "Corbeille", "group": "Propreté", "description": "Corbeille pleine", "colour": 3}}
    stored = door("PATCH", BASE + "catalogue", part, kind="application/merge-patch+json", If_Match='"catalogue-2"')
    assert stored.status == 201 and stored.json["version"] == 3, stored
    paths = {(each["op"], each["path"]) for each in stored.json["differences"]["listed"]}
    assert paths == {("add", "/LAMP/service_name/nl"), ("change", "/POTHOLE/attributes/size/required"), ("remove", "/BENCH"), ("add", "/BANC")}, paths
    assert any(each["pointer"].endswith("/colour") for each in stored.json["advice"]), "what is not kept is not told"
    assert door("PATCH", BASE + "catalogue", part, If_Match='"catalogue-2"').status == 412
    assert door("PATCH", BASE + "catalogue", [1]).status == 400
    assert door("PATCH", BASE + "boundary", {}).status == 405

    versions = door("GET", BASE + "catalogue/versions").json["versions"]
    assert [each["version"] for each in versions] == [3, 2, 1] and [each["state"] for each in versions] == ["published", "superseded", "superseded"]
    assert versions[1]["note"] == "mobilier" and versions[0]["author"].startswith("crm:") and versions[0]["made_from"] == 2
    difference = door("GET", BASE + "catalogue/versions/1/difference?from=3").json
    assert difference["from"] == 3 and (difference["differences"]["add"], difference["differences"]["remove"]) == (1, 2), difference
    assert door("GET", BASE + "catalogue/versions/2").json["document"] == changed_canonically(changed, door)
    assert door("GET", BASE + "catalogue/versions/99").status == 404

    # A part's faults are told by its own places.
    wrong = door("PATCH", BASE + "catalogue", {"FONTAINE": {"type": "slow"}, "POTHOLE": {"attributes": {"size": {"datatype": "colour"}}}})
    assert wrong.status == 400 and set(wrong.pointers()) == {"/FONTAINE/type", "/FONTAINE/service_name", "/POTHOLE/attributes/size/datatype"}, wrong
    # A question more, and nobody says its order.
    question = {"datatype": "string", "description": {"fr": "Où ?", "en": "Where?"}}
    added = door("PATCH", BASE + "catalogue?dry_run=true", {"POTHOLE": {"attributes": {"where": question, "since": question}}},
                 kind="application/vnd.crm.part+json")
    assert added.status == 200, added
    orders = [each["after"]["order"] for each in added.json["differences"]["listed"] if each["op"] == "add"]
    assert len(orders) == 2 and orders[1] == orders[0] + 1 > 2, added

    # What would publish at once although it was not meant to is refused, by every road.
    for method, path, name in (("PUT", "catalogue?dry_run", "dry_run"), ("PUT", "catalogue?publish_at=", "publish_at"), ("PUT", "catalogue?draft=", "draft"),
                               ("POST", "catalogue/rollback?draft=true", "draft"), ("POST", "catalogue/rollback?publish_at=2099-01-01T00:00:00Z", "publish_at"),
                               ("POST", "catalogue/versions/1/publication?dry_run=true", "dry_run"), ("GET", "catalogue?dry_run=true", "dry_run"),
                               ("DELETE", "catalogue/versions/1/publication?draft=true", "draft"), ("GET", "catalogue/versions?from=1", "from")):
        body = catalogue if method == "PUT" else {"to": 1} if "rollback" in path else None
        refused = door(method, BASE + path, body)
        assert refused.status == 400 and refused.json["code"] == "invalid-parameter" and refused.pointers() == ["?" + name], (path, refused)
    preview = door("POST", BASE + "catalogue/rollback?dry_run=true", {"to": 1})
    assert preview.status == 200 and (preview.json["outcome"], preview.json["live_version"]) == ("dry_run", 3), preview
    assert (preview.json["differences"]["add"], preview.json["differences"]["remove"]) == (1, 2), preview
    assert door("POST", BASE + "catalogue/rollback?dry_run=true", {"to": 77}).status == 404
    assert door("POST", BASE + "catalogue/rollback?dry_run=true", {"to": 1}, If_Match='"catalogue-1"').status == 412
    assert door("GET", BASE + "catalogue").headers["ETag"] == '"catalogue-3"', "a preview changed something"

    back = door("POST", BASE + "catalogue/rollback", {"to": 1})
    assert back.status == 201 and back.json["version"] == 4, back
    assert door("GET", BASE + "catalogue").json == catalogue
    wait_until(lambda: "SIGN" in served(city), 10, "what was rolled back to is served")
    assert door("GET", f"/v1/service-requests/{before}/service").json["catalogue_version"] == 1
    assert door("POST", BASE + "catalogue/rollback", {"to": 77}).status == 404
    assert door("POST", BASE + "catalogue/rollback", {"to": "x"}).status == 400
    print("reference data: whole, part, preview, conditions, rolling back")


def codes_at_once(city, door):
    """A mapping holds for the very next update: a new code, and a new meaning of an old one; published anew, and rolled back to."""
    request = city.post("codes")[1][0]["service_request_id"]

    def said(number, code):
        answer = door("PUT", f"/v1/service-requests/{request}/updates/{number}", {"status_code": code})
        assert answer.status == 201, (number, code, answer)
        return door("GET", f"/v1/service-requests/{request}/updates/{number}").json["status_notes"]

    for turn in range(20):
        codes = [{"code": "SAME", "status": "IN_PROCESS", "status_notes": f"meaning {turn}"},
                 {"code": f"NEW-{turn}", "status": "IN_PROCESS", "status_notes": f"code {turn}"}]
        put = door("PUT", BASE + "status-mapping", codes)
        assert put.status == 201, put
        if turn % 2:
            assert said(f"new-{turn}", f"NEW-{turn}") == f"code {turn}"
        else:
            many = door("POST", "/v1/status-updates", {"updates": [
                {"service_request_id": request, "update_id": f"batch-{turn}", "status_code": f"NEW-{turn}"}]})
            assert many.status == 200 and many.json["results"][0]["outcome"] == "applied", many
        assert said(f"same-{turn}", "SAME") == f"meaning {turn}"
    back = door("POST", BASE + "status-mapping/rollback", {"to": 1})
    assert back.status == 201 and said("back", "SAME") == "meaning 0" and said("first", "NEW-0") == "code 0", back
    draft = door("PUT", BASE + "status-mapping?draft=true", [{"code": "SAME", "status": "IN_PROCESS", "status_notes": "drafted"}]).json["version"]
    assert said("draft", "SAME") == "meaning 0"
    assert door("POST", BASE + f"status-mapping/versions/{draft}/publication").status == 201 and said("published", "SAME") == "drafted"
    print("reference data: a mapping holds for the very next update, 20 times")


def changed_canonically(services, door):
    """The services as they are stored: a preview against nothing else would be the same."""
    shown = door("GET", BASE + "catalogue/versions/2").json["document"]
    assert [each["service_code"] for each in shown] == [each["service_code"] for each in services]
    return shown


def moments(city, door):
    """Published at a date, withdrawn, drafts."""
    catalogue = door("GET", BASE + "catalogue").json
    live = door("GET", BASE + "catalogue").headers["ETag"]
    def at(seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))

    soon = copy.deepcopy(catalogue) + [service("SOON")]
    planned = door("PUT", BASE + f"catalogue?publish_at={at(3)}", soon)
    assert planned.status == 202 and planned.json["outcome"] == "scheduled", planned
    later = door("PUT", BASE + f"catalogue?publish_at={at(3600)}", catalogue + [service("LATER")]).json["version"]
    kinds = {each["kind"]: each for each in door("GET", "/v1/reference-data").json["kinds"]}
    assert [each["version"] for each in kinds["catalogue"]["scheduled"]] == [planned.json["version"], later], kinds
    assert door("GET", BASE + "catalogue").headers["ETag"] == live
    withdrawn = door("DELETE", BASE + f"catalogue/versions/{later}/publication")
    assert withdrawn.status == 201 and withdrawn.json["outcome"] == "draft", withdrawn
    wait_until(lambda: "SOON" in served(city), 10, "the scheduled version is live")
    assert door("GET", BASE + "catalogue").headers["ETag"] == f'"catalogue-{planned.json["version"]}"'
    draft = door("PUT", BASE + "catalogue?draft=true", catalogue + [service("DRAFT")])
    assert draft.status == 201 and draft.json["outcome"] == "draft", draft
    assert "DRAFT" not in served(city)
    published = door("POST", BASE + f"catalogue/versions/{draft.json['version']}/publication")
    assert published.status == 201 and published.json["outcome"] == "published", published
    old = door("POST", BASE + "catalogue/versions/1/publication")
    assert old.status == 409 and old.json["type"].endswith(":superseded-version"), old
    assert door("PUT", BASE + "catalogue?publish_at=tomorrow", catalogue).pointers() == ["?publish_at"]
    assert door("PUT", BASE + "catalogue?dryrun=true", catalogue).pointers() == ["?dryrun"]
    print("reference data: at a date, drafts, withdrawn")


def tables(city, door):
    """CSV as spreadsheets write it."""
    table = door("GET", BASE + "catalogue", Accept="text/csv")
    assert table.headers["Content-Type"] == "text/csv; charset=utf-8" and table.body.startswith(b"\xef\xbb\xbfservice_code;"), table
    same = door("PUT", BASE + "catalogue", table.body, kind="text/csv")
    assert same.status == 200 and same.json["outcome"] == "unchanged", same

    rows = [
        "service_code;type;service_name.fr;service_name.en;group.fr;description.fr;keywords;attribute;datatype;required;order;value;name.fr",
        "ARBRE;realtime;Arbre tombé;Fallen tree;Espaces verts;Arbre en travers de la chaussée;arbre, branche;;;;;;",
        "ARBRE;;;;;\"Quelle taille ; à peu près ?\";;taille;singlevaluelist;oui;1;;",
        "ARBRE;;;;;;;taille;;;;p;Moins de 5 m",
        "ARBRE;;;;;;;taille;;;;g;\"Plus de \"\"5\"\" m\"",
    ]
    text = "\r\n".join(rows) + "\r\n"
    dry = door("PUT", BASE + "catalogue?dry_run=true", b"\xef\xbb\xbf" + text.encode(), kind="text/csv")
    assert dry.status == 200, dry
    for body, kind in ((text.encode("windows-1252"), "text/csv; charset=ISO-8859-1"), (text.encode("cp1252"), "text/csv; charset=windows-1252"),
                       (text.replace(";", "\t").encode(), "text/csv; charset=utf-8")):
        other = door("PUT", BASE + "catalogue?dry_run=true", body, kind=kind)
        if "\t" in body.decode("cp1252"):
            continue
        assert other.json["differences"] == dry.json["differences"], (kind, other)
    added = next(each for each in dry.json["differences"]["listed"] if each["path"] == "/ARBRE")["after"]
    assert added["attributes"][0]["values"][1] == {"key": "g", "name": {"fr": 'Plus de "5" m'}}, added
    assert added["attributes"][0]["description"]["fr"] == "Quelle taille ; à peu près ?" and added["attributes"][0]["required"] is True

    # A column of one language, of some services only: a part.
    part = door("PATCH", BASE + "catalogue?dry_run=true", "service_code,service_name.nl\nLAMP,Lantaarn\n".encode(), kind="text/csv")
    assert [(each["op"], each["path"]) for each in part.json["differences"]["listed"]] == [("add", "/LAMP/service_name/nl")], part

    before = door("GET", BASE + "catalogue").headers["ETag"]
    refused = door("PUT", BASE + "catalogue", b"\xef\xbb\xbf" + text.encode("latin-1"), kind="text/csv")
    assert refused.status == 400 and "byte-order mark of UTF-8, but is not UTF-8 (line 2, byte 0xE9)" in refused.json["errors"][0]["detail"], refused
    refused = door("PUT", BASE + "catalogue", text.encode("latin-1"), kind="text/csv")
    assert refused.status == 400 and "charset=windows-1252" in refused.json["errors"][0]["detail"], refused
    assert door("PUT", BASE + "catalogue", text.encode("utf-16"), kind="text/csv").status == 400
    twice = text + "ARBRE;realtime;Encore;;;;;;;;;;\r\nX;fast;X;;;;;;;;;;\r\nY;;Y;;;?;;a;string;peut-être;;;\r\n"
    refused = door("PUT", BASE + "catalogue", twice.encode(), kind="text/csv")
    assert set(refused.pointers()) == {"#cell=6,1", "#cell=7,2", "#cell=8,3", "#cell=8,8", "#cell=8,10"}, refused
    refused = door("PUT", BASE + "catalogue", (text + "X;fast;X;;;;;;;;;;\r\n").encode(), kind="text/csv")
    assert refused.pointers() == ["#cell=6,2"] and "Row 6, column type" in refused.json["errors"][0]["detail"], refused
    refused = door("PUT", BASE + "catalogue", b"service_code;service_nam.fr\nX;Y\n", kind="text/csv")
    assert refused.pointers() == ["#cell=1,2", "#cell=2,1"], refused
    assert door("PUT", BASE + "catalogue", b'service_code;type\n"X;Y\n', kind="text/csv").pointers() == ["#cell=2,1"]
    assert door("PUT", BASE + "boundary", b"a;b\n", kind="text/csv").status == 415
    assert door("GET", BASE + "catalogue").headers["ETag"] == before, "a refused table changed something"
    print("reference data: tables")


SQUARE = {"type": "Polygon", "coordinates": [[[3.0, 43.4], [3.5, 43.4], [3.5, 43.8], [3.0, 43.8], [3.0, 43.4]]]}


def refusals(city, door):
    """An exact error, nothing half-applied."""
    own = f"(select id from tenants where key = '{city.settings['tenant']}')"
    before = sql(city, f"select max(number), count(*) from reference_documents where tenant_id = {own}")
    twice = door("PUT", BASE + "catalogue", [service("A"), service("B"), service("A"), service("C", attributes=[{"code": "x"}])])
    assert twice.status == 400 and twice.headers["Content-Type"] == "application/problem+json", twice
    assert set(twice.pointers()) == {"/2/service_code", "/3/attributes/0/datatype", "/3/attributes/0/description"}, twice
    broken = door("PUT", BASE + "catalogue", b'[{"service_code": "A",]')
    assert broken.status == 400 and "line 1, column 23" in broken.json["errors"][0]["detail"], broken
    assert door("PUT", BASE + "catalogue", b'[{"service_code": "A", "service_code": "B"}]').status == 400
    assert door("PUT", BASE + "catalogue", [service("A")], kind="text/plain").status == 415
    large = door("PUT", BASE + "catalogue", b"[" + b" " * 17_000_000 + b"]")
    assert large.status == 413 and large.json["type"].endswith(":too-large"), large
    crossing = copy.deepcopy(SQUARE)
    crossing["coordinates"][0][1], crossing["coordinates"][0][2] = crossing["coordinates"][0][2], crossing["coordinates"][0][1]
    refused = door("PUT", BASE + "boundary", crossing)
    assert refused.status == 400 and refused.pointers() == ["/coordinates/0"] and "crosses or touches itself near" in refused.body.decode(), refused
    assert door("PUT", BASE + "boundary", {"type": "Point", "coordinates": [3, 43]}).status == 400
    assert door("GET", BASE + "boundary").status == 404
    assert door("GET", BASE + "weather").status == 404
    many = {"type": "Polygon", "coordinates": [[[number % 2, number / 1e6] for number in range(50_001)]]}
    refused = door("PUT", BASE + "boundary", many)
    assert refused.status == 400 and "50000 positions at most, and this has 50001" in refused.body.decode(), refused
    assert door("POST", BASE + "catalogue", [service("A")]).headers["Allow"] == "GET, PUT, PATCH"
    assert Door(door.url, "o311_crm_AAAAAAAA_" + "a" * 43)("GET", BASE + "catalogue").status == 401
    assert sql(city, f"select max(number), count(*) from reference_documents where tenant_id = {own}") == before

    # What is right is taken, and holds for apps at once.
    assert door("PUT", BASE + "boundary", SQUARE, kind="application/vnd.gis+json").status == 201
    refused = door("GET", BASE + "boundary", Accept="text/csv")
    assert refused.status == 406 and refused.json["code"] == "not-acceptable", refused
    assert door("GET", BASE + "boundary", Accept="text/csv, application/json;q=0.5").json["type"] == "MultiPolygon"
    wait_until(lambda: city.post("ailleurs", lat="48.8", long="2.3")[0] == 400, 10, "places outside are refused")
    assert city.post("ici")[0] == 200
    assert door("PUT", BASE + "boundary", b"null").status == 201
    wait_until(lambda: city.post("partout", lat="48.8", long="2.3")[0] == 200, 10, "anywhere again")
    print("reference data: refusals")


def sealed_off(city, door):
    """Another tenant's token sees and changes its own."""
    tenant = bus311(city, "tenant", "create", "voisine", "--name", "Voisine", "--jurisdiction", "voisine.example")["tenant"]
    token = bus311(city, "credential", "issue", tenant, "crm")["crm_token"]
    other = Door(door.url, token)
    live = door("GET", BASE + "catalogue").body
    assert other("GET", BASE + "catalogue").status == 404
    assert other("GET", BASE + "catalogue/versions").json["versions"] == []
    assert other("PUT", BASE + "catalogue", [service("OTHER")]).json["version"] == 1
    assert door("GET", BASE + "catalogue").body == live
    print("reference data: tenants are sealed off")
    return tenant, token


def variant(letter):
    """A catalogue whose one service asks a question that the other's does not know: what is valid under one is not under the other."""
    return [
        service("VERSION", attributes=[
            {"code": f"q-{letter}", "datatype": "singlevaluelist", "required": True, "description": {"fr": "?", "en": "?"},
             "values": [{"key": letter, "name": {"fr": letter, "en": letter}}]}])
    ] + [service("LAMP")]


def two_catalogues_while_64_post(city, door):
    """Each request is valid under the version that it names."""
    assert door("PUT", BASE + "catalogue", variant("a")).status == 201
    wait_until(lambda: "VERSION" in served(city), 10, "served")
    letters = {}
    stop, accepted, refused, failures = threading.Event(), [], [], []

    def client(number):
        letter = "ab"[number % 2]
        while not stop.is_set():
            try:
                status, answer = city.post(f"client {number}", service_code="VERSION", **{f"attribute[q-{letter}]": letter})
            except OSError as error:
                failures.append(error)
                continue
            if status == 200:
                accepted.append((answer[0]["service_request_id"], letter))
            elif status in (400, 404):
                refused.append(letter)
            elif status not in (429, 503):
                failures.append((status, answer))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for turn in range(10):
        letter = "ba"[turn % 2]
        answer = door("PUT", BASE + "catalogue", variant(letter))
        assert answer.status == 201, answer
        letters[answer.json["version"]] = letter
        time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    letters[min(letters) - 1] = "a"
    assert not failures, failures[:3]
    assert len(accepted) > 50 and refused and {letter for _, letter in accepted} == {"a", "b"}, (len(accepted), len(refused))
    named = dict(row.split("|") for row in sql(
        city, "select id, catalogue_version from service_requests where service_code = 'VERSION'").split("\n"))
    assert set(named) == {request for request, _ in accepted}
    for request, letter in accepted:
        assert letters[int(named[request])] == letter, (request, letter, named[request])
    # The CRM is told the same version, in the event and when it reads the request.
    told = dict(row.split("|") for row in sql(
        city, "select request_id, convert_from(body, 'UTF8')::jsonb -> 'data' ->> 'catalogue_version' from outbox "
              "where type = 'service_request.created.v1' and convert_from(body, 'UTF8')::jsonb -> 'data' ->> 'service_code' = 'VERSION'").split("\n"))
    assert told == named
    request, letter = accepted[-1]
    assert door("GET", f"/v1/service-requests/{request}").json["catalogue_version"] == int(named[request])
    shown = door("GET", f"/v1/service-requests/{request}/service").json
    assert shown["service"]["attributes"][0]["code"] == f"q-{letter}", shown
    print(f"reference data: 10 publications while 64 clients posted {len(accepted)} requests, each valid under the version it names")


def pulled(city, door):
    """Fetched from a URL, conditionally, through the guard; or asked of the CRM."""
    tenant = city.settings["tenant"]
    before = door("GET", BASE + "catalogue").headers["ETag"]
    assert "no http" in bus311(city, "reference", "pull", tenant, "--url", "ftp://x/y", "--every", "1h", code=64)
    assert "not https" in bus311(city, "reference", "pull", tenant, "--url", "http://x.example/y", "--every", "1h", code=64)
    bus311(city, "reference", "pull", tenant, code=64)

    stranger = Stranger()
    document = [service("PULLED"), service("LAMP")]

    def page(_):
        if stranger.visits[-1][1].get("If-None-Match") == '"one"':
            return 304, {"ETag": '"one"'}, b""
        return 200, {"Content-Type": "application/json", "ETag": '"one"'}, json.dumps(document).encode()

    stranger.pages = {
        "/catalogue.json": page, "/moved": (302, {"Location": "/catalogue.json"}, b""),
        "/inside": (302, {"Location": f"http://127.0.0.1:{urllib.parse.urlsplit(city.settings['gateway_url']).port}/"}, b""),
        "/twice": (200, {"Content-Type": "application/json"}, json.dumps([service("A"), service("A")]).encode()),
        "/large": (200, {"Content-Type": "application/json"}, b" " * 17_000_000),
        "/page": (200, {"Content-Type": "text/html"}, b"<html>"), "/gone": (404, {}, b""),
        "/facilities.json": (200, {"Content-Type": "application/vnd.crm.places+json"}, json.dumps(
            [{"id": "f-1", "name": {"fr": "F", "en": "F"}, "lat": 43.6, "long": 3.2, "parent": "nowhere"}]).encode()),
        "/parkings.json": (200, {"Content-Type": "application/json"}, json.dumps(
            [{"id": "f-1", "name": "P", "lat": 43.6, "long": 3.2}]).encode()),
        "/table.csv": (200, {"Content-Type": "text/csv; charset=windows-1252"},
                       "service_code;service_name.fr\r\nLAMP;Éclairage\r\nPULLED;Tiré\r\n".encode("cp1252"))}

    def pull(path, code=0, allow=True, kind="catalogue"):
        # A day's pace: nothing happens by itself meanwhile.
        sql(city, "delete from reference_pulls")
        sql(city, f"insert into reference_pulls (tenant_id, kind, url, allows_http, every_seconds, set_by, next_at) select id, '{kind}', "
                  f"'{stranger.url(path)}', true, 86400, 'test', now() + interval '1 day' from tenants where key = '{tenant}'")
        return once(code, allow, kind)

    def once(code=0, allow=True, kind="catalogue"):
        # By a command: the watch of this city knows of no private host that may be asked.
        environment = dict(os.environ, BUS311_REFERENCE_FETCH_ALLOW=f"127.0.0.1:{stranger.port}" if allow else "")
        done = subprocess.run(
            [PROGRAM, "reference", "pull", tenant, "--kind", kind, "--config", os.path.join(city.home, "settings.json"), "--format", "json"],
            capture_output=True, text=True, timeout=60, check=False, env=environment)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)

    assert pull("/catalogue.json", code=1, allow=False)["outcome"] == "not_allowed" and not stranger.visits
    # And the watch refuses likewise, when it is due, and then waits a minute.
    sql(city, "update reference_pulls set next_at = now(), failures = 0")
    wait_until(lambda: bus311(city, "reference", "pull", tenant, "--status")[0]["failures"] == 1, 10, "the watch tried it")
    shown = bus311(city, "reference", "pull", tenant, "--status")[0]
    assert shown["last_outcome"] == "not_allowed" and "reference.fetch.allow" in shown["last_detail"] and not stranger.visits, shown
    assert 30 < float(sql(city, "select extract(epoch from next_at - now()) from reference_pulls")) < 61

    assert pull("/moved")["outcome"] == "published" and stranger.paths() == ["/moved", "/catalogue.json"]
    live = door("GET", BASE + "catalogue")
    assert [each["service_code"] for each in live.json] == ["PULLED", "LAMP"] and live.headers["ETag"] != before
    assert door("GET", BASE + "catalogue/versions?limit=1").json["versions"][0]["author"] == "pull:127.0.0.1"
    assert once()["outcome"] == "not_modified" and stranger.visits[-1][1]["If-None-Match"] == '"one"'
    for path, outcome, word in (
            ("/inside", "not_allowed", ""), ("/twice", "invalid", "/1/service_code"), ("/large", "too_large", "16777216"),
            ("/page", "invalid", "text/html"), ("/gone", "unreachable", "404")):
        result = pull(path, code=1)
        assert result["outcome"] == outcome and word in result["detail"], (path, result)
    assert door("GET", BASE + "catalogue").headers["ETag"] == live.headers["ETag"], "a failed fetch changed something"
    assert pull("/table.csv")["outcome"] == "published"
    assert door("GET", BASE + "catalogue").json[0]["service_name"]["fr"] == "Éclairage"

    # Of places: what other kinds say of them, remarks and faults.
    found = pull("/facilities.json", kind="facilities")
    assert found["outcome"] == "published" and "1 remark: /0/parent: parent nowhere is none" in found["detail"], found
    found = pull("/parkings.json", code=1, kind="parkings")
    assert found["outcome"] == "invalid" and "1 fault: /0/id: id f-1 is one of the facilities" in found["detail"], found

    sql(city, "delete from reference_pulls")

    # Or the CRM is asked, by the watch.
    bus311(city, "reference", "pull", tenant, "--ask-crm", "--every", "1d")
    wait_until(lambda: bus311(city, "reference", "pull", tenant, "--status")[0].get("last_outcome") == "asked", 10, "the CRM is asked")
    assert sql(city, "select convert_from(body, 'UTF8')::jsonb -> 'data' -> 'what' from outbox where type = "
                     "'reference_data.refresh_requested.v1' order by seq desc limit 1") == '["services"]'
    bus311(city, "reference", "pull", tenant, "--off")
    assert bus311(city, "reference", "pull", tenant, "--status") == []
    print("reference data: pulled")


def commands(city, door):
    tenant = city.settings["tenant"]
    path = os.path.join(city.folder.name, "catalogue.csv")
    listed = bus311(city, "reference", "list", tenant, "--kind", "catalogue")
    live = next(each for each in listed if each["state"] == "published")["version"]
    with open(path, "wb") as file:
        file.write("service_code;service_name.fr\r\nLAMP;Éclairage public\r\n".encode("cp1252"))
    assert "charset=windows-1252" in bus311(city, "reference", "diff", tenant, "catalogue", "--file", path, code=64)
    shown = bus311(city, "reference", "diff", tenant, "catalogue", "--file", path, "--charset", "windows-1252", code=2)
    assert {(each["op"], each["path"]) for each in shown} == {("change", "/LAMP/service_name/fr"), ("remove", "/PULLED")}, shown
    made = bus311(city, "reference", "publish", tenant, "catalogue", "--file", path, "--charset", "windows-1252", "--draft")
    advice = made.pop("advice")
    assert {each["pointer"] for each in advice} >= {"#cell=2,1"} and any("group" in each["detail"] for each in advice), advice
    assert made == {"kind": "catalogue", "outcome": "draft", "version": max(each["version"] for each in listed) + 1}, made
    assert bus311(city, "reference", "publish", tenant, "catalogue", "--version", str(made["version"]), "--at", "2099-01-01T00:00:00Z")["outcome"] == "scheduled"
    assert bus311(city, "reference", "publish", tenant, "catalogue", "--version", str(made["version"]))["outcome"] == "published"
    assert bus311(city, "reference", "rollback", tenant, "catalogue", str(live))["outcome"] == "published"
    assert "bus311 reference list" in bus311(city, "reference", "rollback", tenant, "catalogue", "999", code=64)
    assert bus311(city, "reference", "diff", tenant, "catalogue", "--from", str(live), "--to", str(made["version"] + 1)) == []
    shown = bus311(city, "reference", "show", tenant, "catalogue")
    assert shown == door("GET", BASE + "catalogue").json
    print("reference data: commands")


def killed(city, tenant, token):
    """kill -9 in the middle of publications: old or new, never something between."""
    service_process = Service(city, "status-ingest", "status-ingest", city.spare_ports[0])
    with open(service_process.settings, encoding="utf-8") as file:
        settings = json.load(file)
    port = city.spare_ports[1]
    settings["bus311"]["status"]["port"] = port
    with open(service_process.settings, "w", encoding="utf-8") as file:
        json.dump(settings, file)
    door = Door(f"http://127.0.0.1:{port}", token)
    many = {letter: [service(f"{letter}{number}") for number in range(1_500)] for letter in "PQ"}
    # How long one takes here, so that the kills fall inside.
    service_process.start()
    began = time.monotonic()
    assert door("PUT", BASE + "catalogue", many["Q"]).status == 201
    took = time.monotonic() - began
    service_process.kill()
    kills, published, turns = 0, 0, 10
    for turn in range(turns):
        letter = "PQ"[turn % 2]
        service_process.start()
        outcome = []

        def send():
            try:
                outcome.append(door("PUT", BASE + "catalogue", many[letter]).status)
            except (OSError, http.client.HTTPException):
                outcome.append(None)

        thread = threading.Thread(target=send)
        thread.start()
        thread.join(took * (0.2 + 0.7 * turn / turns))
        service_process.kill()
        thread.join()
        # PostgreSQL hears of the end when it next writes to the dead; what it has begun it ends or undoes.
        wait_until(lambda: sql(city, "select count(*) from pg_stat_activity where usename = 'bus311_status' and state <> 'idle' "
                                     "and query like '%put_reference%'") == "0", 20, "the publication ended")
        kinds = sql(city, "select string_agg(distinct left(code, 1), ''), count(*) from services s join tenants t on t.id = s.tenant_id "
                          f"where active and t.key = '{tenant}'").split("|")
        told = sql(city, "select left(body -> 0 ->> 'service_code', 1), jsonb_array_length(body), number = t.catalogue_version "
                         "from reference_documents d join tenants t on t.id = d.tenant_id "
                         f"where d.kind = 'catalogue' and d.state = 'published' and t.key = '{tenant}'").split("|")
        assert told[2] == "t" and kinds == [told[0], told[1]] and told[1] == "1500", (turn, kinds, told, outcome)
        kills += outcome == [None]
        published += kinds[0] == letter
        if outcome == [201]:
            assert kinds[0] == letter, "what was answered is not there"
    print(f"reference data: killed {kills} times of {turns} before the answer, {published} publications stood, none was half done")
    assert kills >= 2, kills


def main():
    with City() as city:
        door = Door(city.settings["status_ingest_url"], city.settings["crm_token"])
        neighbour = sealed_off(city, door)
        # The neighbour's publications are killed while this city goes about its business.
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            beside = pool.submit(killed, city, *neighbour)
            whole_and_part(city, door)
            codes_at_once(city, door)
            moments(city, door)
            tables(city, door)
            refusals(city, door)
            pulled(city, door)
            commands(city, door)
            beside.result()
        two_catalogues_while_64_post(city, door)


if __name__ == "__main__":
    main()
    print("reference data: 1 passed, 0 failed")
