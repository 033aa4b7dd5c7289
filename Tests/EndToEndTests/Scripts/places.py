"""Places from the CRM to the citizen: reference data in JSON and CSV, live counts, what is near, reports about them, what is retired."""
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree

from pyld import jsonld

from city import PROGRAM, City, wait_until

SIGHTS = [
    {"id": "p-17", "name": {"fr": "Musée du Moulin", "en": "Mill Museum"}, "category": "museum", "tags": ["culture"], "lat": 43.6,
     "long": 3.21, "codes": ["QR-0017"], "parent": "z-1", "address": "Place du Moulin"},
    {"id": "z-1", "name": {"fr": "Centre historique", "en": "Old town"}, "outline": {"type": "Polygon", "coordinates": [
        [[3.195, 43.595], [3.215, 43.595], [3.215, 43.606], [3.195, 43.606], [3.195, 43.595]]]}},
]
PARKINGS = ("id;name.fr;name.en;category;tags;lat;long;capacity;stale_after_minutes\r\n"
            "k-1;Parking des Halles;Market Hall car park;couvert;centre;43,601;3,201;212;1\r\n"
            "k-2;Parking de l'Évêché;Bishop's car park;parking;centre, gare;43,65;3,2;300;\r\n")
CATEGORIES = [{"id": "couvert", "label": {"fr": "Parking couvert", "en": "Covered parking"}, "parent": "parking"}]


def ask(url, method="GET", body=None, **headers):
    request = urllib.request.Request(url, data=body, method=method, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class Town:
    def __init__(self, city):
        self.city = city
        self.crm = city.settings["status_ingest_url"]
        self.token = {"Authorization": f"Bearer {city.settings['crm_token']}"}
        root = city.settings["gateway_url"].removesuffix("/open311/v2")
        self.base = f"{root}/{city.settings['tenant']}/open311/v2"
        self.tourism = f"{root}/{city.settings['tenant']}/tourism/"
        self.pois = self.tourism + "pois/"

    def send(self, method, path, body=None, mime="application/json"):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        status, _, answer = ask(self.crm + path, method, data, Content_Type=mime, **self.token)
        return status, json.loads(answer) if answer else None

    def data(self, kind, body, method="PUT", query="", **more):
        return self.send(method, f"/v1/reference-data/{kind}{query}", body, **more)

    def objects(self, **query):
        status, headers, body = ask(f"{self.base}/service_objects.json?{urllib.parse.urlencode(query)}")
        return status, json.loads(body), headers

    def ids(self, **query):
        status, found, _ = self.objects(**query)
        assert status == 200, found
        return [each["service_object_id"] for each in found]

    def report(self, **fields):
        values = dict(api_key=self.city.settings["api_key"], service_code="LAMP", description="Places", **fields)
        return ask(f"{self.base}/requests.json", "POST", urllib.parse.urlencode(values).encode())

    def about(self, object_id, **query):
        query = dict(service_object_type=self.pois, service_object_id=object_id, extensions="true", **query)
        return json.loads(ask(f"{self.base}/requests.json?{urllib.parse.urlencode(query)}")[2])


def published(town):
    """Whole documents in JSON and as a French spreadsheet writes them; one bad entry and nothing of it is there."""
    assert town.ids() == [], "a town begins without places"
    status, answer = town.data("points-of-interest", SIGHTS)
    assert status == 201 and answer["outcome"] == "published" and answer["version"] == 1, answer
    assert town.data("place-categories", CATEGORIES)[0] == 201

    latin = PARKINGS.encode("windows-1252")
    status, answer = town.data("parkings", latin, mime="text/csv")
    assert status == 400 and "windows-1252" in answer["errors"][0]["detail"], answer
    status, answer = town.data("parkings", b"\xef\xbb\xbf" + latin, mime="text/csv")
    assert status == 400 and "byte-order mark" in answer["errors"][0]["detail"], answer
    broken = PARKINGS.replace("43,65;3,2", "north;3,2").replace("212", "-1").encode()
    status, answer = town.data("parkings", broken, mime="text/csv")
    assert status == 400 and {error["pointer"] for error in answer["errors"]} == {"#cell=2,8", "#cell=3,6"}, answer
    assert town.ids(kind="parking") == [], "nothing of it is there"
    status, answer = town.data("parkings", latin, mime="text/csv; charset=windows-1252", query="?dry_run=true")
    assert status == 200 and answer["outcome"] == "dry_run" and answer["differences"]["add"] == 2, answer
    assert town.ids(kind="parking") == [], "looking changes nothing"
    status, answer = town.data("parkings", latin, mime="text/csv; charset=windows-1252")
    assert status == 201 and answer["version"] == 1, answer
    # The same in the encoding with a mark is the same document.
    status, answer = town.data("parkings", b"\xef\xbb\xbf" + PARKINGS.encode(), mime="text/csv")
    assert status == 200 and answer["outcome"] == "unchanged", answer

    # Whatever is wrong is told at once: what is no place, what occurs twice, what is another kind's.
    status, answer = town.data("facilities", [
        {"id": "k-1", "name": "Halle", "lat": 43.6, "long": 3.2}, {"id": "h", "name": "H", "lat": 91}, {"id": "h", "name": "H", "lat": 943, "long": 3}])
    assert status == 400 and {error["pointer"] for error in answer["errors"]} == {"/0/id", "/1/lat", "/1/long", "/2/id", "/2/lat"}, answer
    assert "parkings" in next(error["detail"] for error in answer["errors"] if error["pointer"] == "/0/id"), answer
    status, answer = town.data("facilities", b"id;name;lat;long\r\nk-1;Halle;43,6;3,2\r\nh;H;91;3;;x\r\ng;\"G;1;2\r\nf;;north;3\r\n", mime="text/csv")
    assert status == 400 and {error["pointer"] for error in answer["errors"]} == {"#cell=2,1", "#row=3", "#cell=4,2", "#cell=5,1", "#cell=5,3"}, answer
    # A parent of another kind is found; one that is nowhere is told, and no fault.
    halls = [{"id": name, "name": {"fr": "F", "en": "E"}, "lat": 43.6, "long": 3.2, "parent": parent}
             for name, parent in (("a", "z-1"), ("b", "a"), ("c", "nope"))]
    status, answer = town.data("facilities", halls, query="?dry_run=true")
    assert status == 200 and [each["pointer"] for each in answer["advice"]] == ["/2/parent"], answer
    assert town.data("facilities", [{"id": "hall", "name": {"fr": "Mairie"}, "category": "town-hall", "lat": 43.6, "long": 3.2001}])[0] == 201
    round_trip(town)
    lamps = [{"id": f"lamp-{number}", "name": f"Lampadaire {number}", "category": "Lampadaire", "lat": 43.6, "long": 3.2 + number / 10_000}
             for number in range(30)]
    assert town.data("service-objects", lamps)[0] == 201


def round_trip(town):
    """What is given as a table is taken as one, and says the same: outlines, categories."""
    for kind in ("points-of-interest", "parkings", "facilities", "place-categories"):
        status, headers, table = ask(town.crm + f"/v1/reference-data/{kind}", Accept="text/csv", **town.token)
        assert status == 200 and headers["Content-Type"] == "text/csv; charset=utf-8" and table.startswith(b"\xef\xbb\xbfid;"), (kind, table)
        status, answer = town.data(kind, table, mime="text/csv")
        assert status == 200 and answer["outcome"] == "unchanged", (kind, answer)
    # Another name in the spreadsheet, and nothing else.
    table = ask(town.crm + "/v1/reference-data/points-of-interest", Accept="text/csv", **town.token)[2]
    status, answer = town.data("points-of-interest", table.replace("Centre historique".encode(), b"Vieille ville"), mime="text/csv", query="?dry_run=true")
    assert [each["path"] for each in answer["differences"]["listed"]] == ["/z-1/name/fr"], answer


def found(town):
    """Near a place, of a kind, in both formats, in the citizen's language."""
    near = dict(lat=43.6, long=3.2, radius=200)
    status, objects, headers = town.objects(kind="poi,parking,facility", locale="en", **near)
    assert [each["service_object_id"] for each in objects] == ["z-1", "hall", "k-1"], objects
    parking = objects[2]
    assert parking["name"] == "Market Hall car park" and parking["category"] == "Covered parking" and 137 < parking["distance"] < 138, parking
    assert parking["service_object_type"] == town.pois and parking["free"] is None and parking["capacity"] == 212, parking
    assert headers["X-Result-Count"] == "3", headers
    assert ask(f"{parking['service_object_type']}{parking['service_object_id']}")[0] == 200, "type and id are an address"
    assert town.ids(category="stationnement") == ["k-1", "k-2"] and town.ids(category="couvert") == ["k-1"]
    assert town.ids(tag="centre,gare") == ["k-2"] and town.ids(q="eveche") == ["k-2"] and town.ids(q="museum") == ["p-17"]
    assert town.ids(bbox="3.19,43.64,3.21,43.66") == ["k-2"] and town.ids(service_object_id="p-17,nope") == ["p-17"]
    status, lamps, headers = town.objects(kind="object", lat=43.6, long=3.2, page_size=10, page=2)
    assert [each["service_object_id"] for each in lamps] == [f"lamp-{number}" for number in range(10, 20)], lamps
    assert headers["X-Page-Count"] == "3" and 'rel="next"' in headers["Link"], headers
    assert json.loads(ask(lamps[0]["service_object_type"] + lamps[0]["service_object_id"], Accept="application/json")[2]), "of lamps too"

    for query, field in ((dict(lat=43.6, radius=5), "long"), (dict(lat=95, long=3, radius=5), "lat"), (dict(kind="tree"), "kind"),
                         (dict(lat=1, long=2, radius=-1), "radius"), (dict(bbox="1,2,3"), "bbox"), (dict(page="x"), "page")):
        status, errors, _ = town.objects(**query)
        assert status == 400 and any(error["code"] == 400 and field in error["description"] for error in errors), (query, errors)
        status, headers, body = ask(f"{town.base}/service_objects.xml?{urllib.parse.urlencode(query)}")
        root = ElementTree.fromstring(body)
        assert status == 400 and root.tag == "errors" and root[0].find("code").text == "400", body
    assert ask(f"{town.base}/service_objects/nope.json")[0] == 404

    root = ElementTree.fromstring(ask(f"{town.base}/service_objects/k-1.xml?locale=fr")[2])
    assert root.tag == "service_objects" and root[0].find("name").text == "Parking des Halles", ElementTree.tostring(root)
    features = json.loads(ask(f"{town.base}/service_objects.geojson?kind=poi")[2])["features"]
    assert [feature["geometry"]["type"] for feature in features] == ["Point", "Polygon"], features
    tourism = json.loads(ask(town.tourism + "pois/search?coords=43.6%203.2%20200")[2])
    assert [poi["id"] for poi in tourism["poi"]] == ["hall", "k-1", "z-1"], tourism


def linked(town):
    """A foreign JSON-LD processor finds a place, its title and its data where the vocabularies say."""
    base = f"{town.tourism.removesuffix('tourism/')}ld"
    path = f"objects/{town.city.settings['tenant']}.parking.k.1"
    status, headers, body = ask(f"{base}/{path}", Accept="application/ld+json")
    assert status == 200 and headers["Content-Type"].startswith("application/ld+json"), (path, body)
    nodes = jsonld.flatten(json.loads(body))
    titled = [node for node in nodes if node.get("http://purl.org/dc/elements/1.1/title") == [{"@value": "Parking des Halles"}]]
    assert [node["@id"] for node in titled] == [f"{base}/{path}"], nodes
    field = f"{base}/layers/{town.city.settings['tenant']}.parking/fields/capacity"
    assert [node[field][0]["@value"] for node in nodes if field in node] == ["212"], nodes
    assert ask(field)[0] == 200, "a term is an address that answers"


def counted(town):
    """Live counts by their own road: many at once, one at a time, as a table; an old one is shown as old."""
    status, answer = town.send("PUT", "/v1/live-counts", {"counts": [{"id": "k-1", "free": 80}, {"id": "k-2", "free": 301}, {"id": "x", "free": 1}]})
    assert status == 200 and answer["stored"] == 1, answer
    assert [count["outcome"] for count in answer["counts"]] == ["stored", "beyond-capacity", "unknown-parking"], answer
    status, answer = town.send("PUT", "/v1/live-counts/k-2", {"free": 12, "counted_datetime": "2026-01-01T10:00:00Z"})
    assert status == 200 and answer["outcome"] == "stored", answer
    status, answer = town.send("PUT", "/v1/live-counts/k-2", {"free": 13, "counted_datetime": "2026-01-01T09:00:00Z"})
    assert status == 200 and answer["outcome"] == "superseded", answer
    assert town.send("PUT", "/v1/live-counts/hall", {"free": 1})[0] == 404
    assert town.send("PUT", "/v1/live-counts/k-2", {"free": 999})[0] == 409
    for body, pointer in (({"counts": [{"id": "k-1", "free": -1}]}, "/counts/0/free"), ({"counts": []}, "/counts"), ([], ""),
                          ({"counts": [{"id": "k-1", "free": 1, "counted_datetime": "2199-01-01T00:00:00Z"}]}, "/counts/0/counted_datetime"),
                          ({"counts": [{"id": f"k-{n}", "free": 1} for n in range(1_001)]}, "/counts")):
        status, answer = town.send("PUT", "/v1/live-counts", body)
        assert status == 400 and answer["errors"][0]["pointer"] == pointer, answer
    assert ask(town.crm + "/v1/live-counts", "PUT", b"{}", Content_Type="application/json")[0] == 401
    shown = {each["service_object_id"]: each for each in town.objects(kind="parking")[1]}
    assert shown["k-1"]["free"] == 80 and shown["k-1"]["count_is_stale"] is False, shown
    assert shown["k-2"]["free"] == 12 and shown["k-2"]["count_is_stale"] is True, shown
    status, answer = town.send("PUT", "/v1/live-counts", b"id;free\r\nk-1;53\r\n", mime="text/csv")
    assert status == 200 and answer["stored"] == 1, answer
    # 53 of 212 are free.
    poi = json.loads(ask(town.pois + "k-1")[2])
    assert [each["value"] for each in poi["description"] if each.get("type") == "X-citysdk/occupation"] == ["75"], poi
    status, answer = town.send("GET", "/v1/live-counts")
    assert {count["id"]: count["is_stale"] for count in answer["counts"]} == {"k-1": False, "k-2": True}, answer


def reported(town):
    """A report about an object: checked, located by it, sent to the CRM, shown, found; and still shown when the object is gone."""
    about = dict(service_object_type=town.pois, service_object_id="p-17")
    status, _, body = town.report(**about)
    assert status == 200, body
    request = json.loads(body)[0]["service_request_id"]
    shown = json.loads(ask(f"{town.base}/requests/{request}.json?extensions=citysdk")[2])[0]
    assert shown["lat"] == 43.6 and shown["long"] == 3.21, shown
    assert {name: shown["extended_attributes"][name] for name in about} == about, shown
    assert [each["service_request_id"] for each in town.about("p-17")] == [request]
    assert town.about("k-1") == [] and [each["service_request_id"] for each in town.about("p-17", lat=43.6, long=3.21, radius=5)] == [request]

    for fields, word in ((dict(about, service_object_id="nope"), "service_object_id"), (dict(service_object_id="p-17"), "service_object_type"),
                         (dict(about, service_object_type=f"{town.base}/service_objects/"), "service_object_id"), ({}, "lat")):
        status, _, body = town.report(**fields)
        errors = json.loads(body)
        assert status == 400 and any(error["code"] == 400 and word in error["description"] for error in errors), errors
    assert town.report(service_object_type="https://other.example/map", service_object_id="9", lat="43.6", long="3.2")[0] == 200
    # Of somebody else's map, and nothing beside it: that map knows where it is.
    status, _, body = town.report(service_object_type="https://other.example/map", service_object_id="9")
    assert status == 200, body
    shown = json.loads(town.city.get(f"/requests/{json.loads(body)[0]['service_request_id']}.json"))[0]
    assert shown["lat"] is None and shown["long"] is None, shown
    assert town.report(service_object_type=f"{town.base}/service_objects/", service_object_id="lamp-3")[0] == 200

    import pika
    with pika.BlockingConnection(pika.URLParameters(town.city.settings["amqp_uri"])) as connection:
        channel = connection.channel()
        deadline = time.monotonic() + 30
        while True:
            method, _, body = channel.basic_get(town.city.settings["request_queue"])
            if method is not None:
                channel.basic_ack(method.delivery_tag)
                event = json.loads(body)
                if event.get("subject", "").endswith(request) or request in json.dumps(event["data"]):
                    break
            else:
                assert time.monotonic() < deadline, "no message of the report"
                time.sleep(0.1)
    said = json.dumps(event["data"])
    assert town.pois in said and '"p-17"' in said and "43.6" in said and "3.21" in said, said

    # Taken out: gone from lists and for new reports, there for old ones.
    status, answer = town.data("points-of-interest", {"p-17": None}, method="PATCH")
    assert status == 201 and answer["version"] == 2, answer
    assert town.ids(kind="poi") == ["z-1"] and [each["service_request_id"] for each in town.about("p-17")] == [request]
    gone = json.loads(ask(f"{town.base}/service_objects/p-17.json?locale=fr")[2])[0]
    assert gone["name"] == "Musée du Moulin" and gone["retired_datetime"], gone
    status, _, body = town.report(**about)
    assert status == 400 and "n’existe plus" in json.loads(body)[0]["description"], body
    poi = json.loads(ask(town.pois + "p-17")[2])
    assert poi["deleted"], poi
    # Back to the first version: there again, under a new number.
    status, answer = town.send("POST", "/v1/reference-data/points-of-interest/rollback", {"to": 1})
    assert status == 201 and answer["version"] == 3, answer
    assert town.ids(kind="poi") == ["p-17", "z-1"] and town.report(**about)[0] == 200
    # A part: one entry changes, the others stay.
    status, answer = town.data("points-of-interest", {"p-17": {"name": {"en": "The Mill"}}}, method="PATCH")
    assert status == 201 and town.objects(service_object_id="p-17", locale="en")[1][0]["name"] == "The Mill", answer
    assert town.objects(service_object_id="p-17", locale="fr")[1][0]["name"] == "Musée du Moulin"


def neighbours(town):
    """Another city of the same installation has its own places, and neither sees, counts nor changes the other's."""
    settings = os.path.join(town.city.home, "settings.json")

    def bus311(*arguments):
        done = subprocess.run([PROGRAM, *arguments, "--config", settings, "--format", "json"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (arguments, done.stderr)
        return json.loads(done.stdout)

    made = bus311("tenant", "create", "voisine", "--name", "Voisine", "--jurisdiction", "voisine.example")
    key = made.get("tenant") or made.get("key") or made
    with open(os.path.join(town.city.folder.name, "p.json"), "w", encoding="utf-8") as file:
        json.dump([{"id": "k-1", "name": "Un autre", "lat": 43.6, "long": 3.2}], file)
    published = bus311("reference", "publish", key, "parkings", "--file", file.name)
    assert published["outcome"] == "published", published
    # Said by a command as by REST: parents that are nowhere, ids of another kind.
    with open(file.name, "w", encoding="utf-8") as file:
        json.dump([{"id": "h", "name": {"fr": "H", "en": "H"}, "lat": 43.6, "long": 3.2, "parent": "p-17"}], file)
    advice = bus311("reference", "publish", key, "facilities", "--file", file.name, "--draft")["advice"]
    assert [each["pointer"] for each in advice if "p-17" in each["detail"]] == ["/0/parent"], advice
    with open(file.name, "w", encoding="utf-8") as file:
        json.dump([{"id": "k-1", "name": "H", "lat": 43.6, "long": 3.2}], file)
    done = subprocess.run([PROGRAM, "reference", "publish", key, "facilities", "--file", file.name, "--config", settings], capture_output=True, text=True, timeout=60)
    assert done.returncode == 64 and "id k-1 is one of the parkings" in done.stderr and "(/0/id)" in done.stderr, done.stderr
    shown = subprocess.run([PROGRAM, "reference", "show", town.city.settings["tenant"], "place-categories", "--csv", "--config", settings],
                           capture_output=True, timeout=60)
    assert shown.returncode == 0 and shown.stdout.startswith(b"\xef\xbb\xbfid;parent;label.en;label.fr"), shown
    other = Town(town.city)
    root = town.city.settings["gateway_url"].removesuffix("/open311/v2")
    other.base, other.tourism, other.pois = f"{root}/{key}/open311/v2", f"{root}/{key}/tourism/", f"{root}/{key}/tourism/pois/"
    wait_until(lambda: ask(f"{other.base}/service_objects.json")[0] == 200, 30, "the neighbour is known")
    assert other.ids(lat=43.6, long=3.2, radius=50_000) == ["k-1"] and other.objects()[1][0]["free"] is None
    assert ask(other.pois + "p-17")[0] == 404 and ask(f"{other.base}/service_objects/lamp-1.json")[0] == 404
    # The neighbour's object is nobody's here: kept as sent, like any other namespace.
    status, _, body = town.report(service_object_type=other.pois, service_object_id="k-1", lat="43.6", long="3.2")
    assert status == 200, body
    assert town.objects(service_object_id="k-1", locale="fr")[1][0]["name"] == "Parking des Halles"


def whole_versions(town):
    """While versions are published one after the other, every reader sees all of one."""
    seen, stop, torn = set(), threading.Event(), []

    def read():
        while not stop.is_set():
            tags = {each["tags"][0] for each in town.objects(kind="facility")[1]}
            if len(tags) != 1:
                torn.append(tags)
            seen.update(tags)

    def version(number):
        return [{"id": f"f-{index}", "name": f"F {index}", "tags": [f"v{number}"], "lat": 43.6, "long": 3.2} for index in range(300)]

    assert town.data("facilities", version(0))[0] == 201
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(1, 7):
        assert town.data("facilities", version(number))[0] == 201
    stop.set()
    for reader in readers:
        reader.join()
    assert not torn and len(seen) > 1, (torn[:2], seen)


def main():
    with City() as city:
        town = Town(city)
        for part in (published, found, linked, counted, reported, neighbours, whole_versions):
            began = time.monotonic()
            part(town)
            print(f"{part.__name__}: {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
