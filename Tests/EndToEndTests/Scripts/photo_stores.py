"""Photos on an S3 service and on a disk: the same journey, accidents to the service, processes killed at the worst moments, and the
sweep after which store and database agree file by file."""
import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pictures
import s3_server
from city import PROGRAM, City, wait_until

ORPHANS = 505


class Disk:
    name = "disk"

    def __init__(self, city):
        self.folder = os.path.join(city.home, "media")
        self.environment = {}

    def files(self):
        """Bytes of every file, by tenant, kind and name."""
        found = {}
        for folder, _, names in os.walk(self.folder):
            parts = os.path.relpath(folder, self.folder).split(os.sep)
            if parts[0] != "incoming":
                found.update({f"{parts[0]}/{parts[1]}/{name}": os.path.getsize(os.path.join(folder, name)) for name in names})
        return found

    def content(self, key):
        tenant, kind, name = key.split("/")
        with open(os.path.join(self.folder, tenant, kind, name[:2], name), "rb") as file:
            return file.read()


class S3:
    name = "S3"

    def __init__(self, city, server):
        self.server = server
        self.folder = os.path.join(city.home, "receiving")
        self.environment = dict(server.environment(), BUS311_MEDIA_DIRECTORY=self.folder)

    def files(self):
        objects = self.server.objects()
        assert all(key.startswith("bus/photos/") for key in objects), "everything stands under the prefix"
        local = [name for name in os.listdir(self.folder) if name != "incoming"] if os.path.isdir(self.folder) else []
        assert not local, f"nothing is stored beside the service: {local}"
        return {key[len("bus/photos/"):]: size for key, size in objects.items()}

    def content(self, key):
        return self.server.client.get_object(Bucket=s3_server.BUCKET, Key="bus/photos/" + key)["Body"].read()


class Installation:
    """All services of the city as one process, on one store; killed and started again by the cases."""

    def __init__(self, city, store):
        self.city, self.store, self.process = city, store, None
        self.settings = city.settings
        self.file = os.path.join(city.home, "settings.json")
        self.gateway = urllib.parse.urlsplit(self.settings["gateway_url"])

    def environment(self, **more):
        plain = {key: value for key, value in os.environ.items() if not key.startswith("BUS311_")}
        return dict(plain, **self.store.environment, **more)

    def start(self, fail_point=None):
        more = {"BUS311_FAILPOINT": fail_point} if fail_point else {}
        with open(os.path.join(self.city.home, "bus311.log"), "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "all", "--config", self.file], env=self.environment(**more), cwd=self.city.home, stdout=log, stderr=log)
        wait_until(lambda: self.process.poll() is not None or self.serves(), 30, "the gateway serves")

    def serves(self):
        try:
            return urllib.request.urlopen(self.settings["gateway_url"] + "/discovery.json", timeout=2).status == 200
        except OSError:
            return False

    def dies(self):
        assert self.process.wait(30) == -signal.SIGKILL, "it died at its fail point"

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(30) == 0, self.city.log()[-2000:]

    def command(self, *arguments, code=0):
        done = subprocess.run(
            [PROGRAM, *arguments, "--format", "json", "--config", self.file], env=self.environment(), capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout) if code == 0 else done.stdout + done.stderr

    def query(self, text):
        done = subprocess.run(["psql", "-qtAX", "-d", self.settings["database_url"], "-c", text], check=True, capture_output=True, text=True)
        return [line.split("|") for line in done.stdout.splitlines()]

    def post(self, *contents, timeout=60, **fields):
        values = dict(
            jurisdiction_id=self.settings["jurisdiction_id"], api_key=self.settings["api_key"], service_code="LAMP", lat="43.6", long="3.2",
            description="photo")
        values.update(fields)
        body = b"".join(
            b'--zz9\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value.encode()) for name, value in values.items())
        body += b"".join(
            b'--zz9\r\nContent-Disposition: form-data; name="media[]"; filename="a.jpg"\r\n\r\n' + content + b"\r\n" for content in contents)
        request = urllib.request.Request(
            self.settings["gateway_url"] + "/requests.json", data=body + b"--zz9--\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=zz9"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.loads(error.read())

    def stored(self, *contents, **fields):
        status, _, answer = self.post(*contents, **fields)
        assert status == 200, (status, answer)
        return answer[0]["service_request_id"]

    def media(self, number, jurisdiction=None):
        path = f"/requests/{number}.json?jurisdiction_id={jurisdiction or self.settings['jurisdiction_id']}"
        return json.loads(self.city.get(path))[0]["media_url"]

    def fetch(self, url, method="GET", **headers):
        request = urllib.request.Request(url, method=method, headers={name.replace("_", "-"): value for name, value in headers.items()})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def shown(self, number):
        """The photo of a request, when it is cleaned."""
        url = self.media(number)
        wait_until(lambda: self.fetch(url, method="HEAD")[0] == 200, 60, f"the photo of {number} is shown")
        return url

    def hurry(self):
        """What waits for another attempt is taken at once."""
        self.query("update photos set next_attempt_at = null where state in ('received', 'redacting')")

    def expected(self):
        """What the database says of the store."""
        rows = self.query(
            "select t.key, p.state, coalesce(p.original_name, p.token), p.original_bytes, encode(p.public_sha256, 'hex'), p.public_bytes, "
            "encode(p.small_sha256, 'hex'), p.small_bytes from photos p join tenants t on t.id = abs(p.tenant_id)")
        files = {}
        for tenant, state, name, size, public, public_size, small, small_size in rows:
            if state == "received":
                files[f"{tenant}/original/{name}"] = int(size)
            elif state in ("ready", "redacting"):
                files[f"{tenant}/cleaned/{public}"] = int(public_size)
                files[f"{tenant}/cleaned/{small}"] = int(small_size)
        return files

    def sweep(self):
        """Then store and database agree exactly, both ways."""
        said = self.command("photo", "sweep", "--older-than", "0s", "--verify")
        assert self.store.files() == self.expected(), (self.store.files(), self.expected())
        assert os.listdir(os.path.join(self.store.folder, "incoming")) == []
        assert said["verified"]["missing"] == 0 and said["verified"]["requests"] == [], said
        return said

    def tidy(self):
        """No sweep was needed."""
        wait_until(lambda: self.store.files() == self.expected(), 20, f"{self.store.name} holds what the database says")
        assert os.listdir(os.path.join(self.store.folder, "incoming")) == []


def journey(bus):
    number = bus.stored(pictures.photo(1300, 900))
    url = bus.shown(number)
    status, headers, body = bus.fetch(url)
    assert status == 200 and pictures.size(body) == (900, 1300) and pictures.MARK not in body, "cleaned and upright"
    assert headers["Content-Type"] == "image/jpeg" and headers["X-Content-Type-Options"] == "nosniff"
    assert int(headers["Content-Length"]) == len(body) == int(bus.fetch(url, method="HEAD")[1]["Content-Length"])
    assert bus.fetch(url, If_None_Match=headers["ETag"])[0] == 304
    for asked, part in (("0-0", body[:1]), ("10-4095", body[10:4096]), ("-7", body[-7:]), (f"{len(body) - 3}-", body[-3:])):
        status, partial, got = bus.fetch(url, Range="bytes=" + asked)
        assert status == 206 and got == part, (asked, status, len(got))
    assert bus.fetch(url, Range=f"bytes={len(body)}-")[0] == 416
    assert bus.fetch(url, Range="bytes=0-3", If_Range='"other"')[2] == body
    small = bus.fetch(url.replace(".jpg", "-small.jpg"))[2]
    assert max(pictures.size(small)) <= 320
    bus.tidy()
    tenant = bus.settings["tenant"]
    names = {f"{tenant}/cleaned/{hashlib.sha256(content).hexdigest()}" for content in (body, small)}
    assert names <= set(bus.store.files()), "copies are named by their hash, under the tenant's name"
    assert not any("/original/" in name for name in bus.store.files()), "the photo as it was sent is deleted"
    assert all(bus.store.content(name) in (body, small) for name in names)


def changes(bus):
    """Revoked, renewed, blurred: what is not shown any more does not stay."""
    number = bus.stored(pictures.photo(700, 480, orientation=1))
    url = bus.shown(number)
    before = bus.fetch(url)[2]
    token = url.rsplit("/", 1)[1][:-4]
    request = urllib.request.Request(
        f"{bus.settings['status_ingest_url']}/v1/photos/{token}/redactions", method="POST",
        data=json.dumps({"rectangles": [{"x": 220, "y": 100, "width": 200, "height": 200}]}).encode(),
        headers={"Authorization": f"Bearer {bus.settings['crm_token']}", "Content-Type": "application/json"})
    assert urllib.request.urlopen(request, timeout=10).status == 202
    wait_until(lambda: bus.fetch(url, method="HEAD")[0] == 200, 30, "it is shown again")
    after = bus.fetch(url)[2]
    assert after != before and pictures.size(after) == (700, 480)
    old = f"{bus.settings['tenant']}/cleaned/{hashlib.sha256(before).hexdigest()}"
    wait_until(lambda: old not in bus.store.files(), 10, "the sharp copy is gone")
    bus.tidy()
    bus.command("photo", "renew", url)
    new = bus.media(number)
    assert bus.fetch(new)[2] == after and bus.fetch(url)[0] == 404
    bus.command("photo", "revoke", new)
    assert bus.fetch(new)[0] == 410
    assert bus.sweep()["removed_copies"] == 2, "of a revoked photo both copies go"


def repetition(bus):
    """The same request sent twice has one photo, and no file of the second."""
    content = pictures.photo(200, 150)
    reference = f"one on {bus.store.name}"
    first = bus.stored(content, client_request_id=reference)
    assert bus.stored(content, client_request_id=reference) == first
    bus.shown(first)
    bus.tidy()


def crashes(bus):
    """Killed where it hurts most; swept; right."""
    bus.start("photo.after_put")
    before = bus.query("select count(*) from service_requests")
    try:
        bus.post(pictures.photo(320, 240), pictures.photo(322, 240))
        raise AssertionError("answered, although it died")
    except (OSError, http.client.HTTPException):
        pass
    bus.dies()
    assert bus.query("select count(*) from service_requests") == before
    assert len([name for name in bus.store.files() if "/original/" in name]) == 2, "the photos are there, their request is not"
    said = bus.sweep()
    assert (said["removed_originals"], said["removed_copies"]) == (2, 0), said

    bus.start("photo.after_copies")
    try:
        number = bus.stored(pictures.photo(640, 482))
    except (OSError, http.client.HTTPException):
        # It was quicker than its answer.
        number = bus.query("select id from service_requests order by id desc limit 1")[0][0]
    bus.dies()
    assert len(bus.store.files()) == len(bus.expected()) + 2, "two copies that nobody shows"
    # A file that is as good as new may not be swept: its request may be on its way.
    assert bus.command("photo", "sweep")["removed_copies"] == 0
    said = bus.sweep()
    assert (said["removed_originals"], said["removed_copies"]) == (0, 2), said
    assert said["removed_incoming"] == 1, "the cleaner's folder"

    bus.hurry()
    bus.start("photo.after_settle")
    bus.dies()
    said = bus.sweep()
    assert (said["removed_originals"], said["removed_copies"]) == (1, 0), "the photo as it was sent outlived its copy, and goes"
    bus.start()
    assert bus.fetch(bus.media(number))[0] == 200
    bus.tidy()
    missing(bus)


def missing(bus):
    """The other direction: a file that somebody took away is told of."""
    number = bus.stored(pictures.photo(330, 240))
    bus.shown(number)
    bus.tidy()
    tenant = bus.settings["tenant"]
    name = bus.query("select encode(public_sha256, 'hex') from photos order by id desc limit 1")[0][0]
    bus.query(f"update photos set public_bytes = public_bytes + 1 where public_sha256 = decode('{name}', 'hex')")
    said = bus.command("photo", "sweep", "--verify", code=1)
    assert f'"missing" : 1' in said and number in said, said
    status, headers, _ = bus.fetch(bus.media(number))
    assert status == 503 and headers["Retry-After"], "no half photo"
    bus.query(f"update photos set public_bytes = public_bytes - 1 where public_sha256 = decode('{name}', 'hex')")
    assert f"{tenant}/cleaned/{name}" in bus.store.files()


# MARK: S3 alone


def renewed_while_waiting(bus):
    """A new address for a photo that is not cleaned yet does not lose its file."""
    gate = bus.store.server.gate
    gate.fault = lambda method, path: "500" if method == "GET" and "/original/" in path else None
    number = bus.stored(pictures.photo(340, 240))
    bus.command("photo", "renew", bus.media(number))
    gate.fault = lambda method, path: None
    bus.hurry()
    assert bus.fetch(bus.shown(number))[0] == 200
    bus.tidy()


def away(bus):
    """The service is down: photos are refused whole, everything else goes on."""
    number = bus.stored(pictures.photo(300, 200))
    url = bus.shown(number)
    before = bus.query("select count(*) from service_requests")
    bus.store.server.stop()
    begin = time.monotonic()
    status, headers, answer = bus.post(pictures.photo(302, 200))
    assert status == 503 and int(headers["Retry-After"]) > 0 and time.monotonic() - begin < 8, (status, answer)
    assert "without it" in answer[0]["description"]
    assert bus.query("select count(*) from service_requests") == before, "nothing of it is recorded"
    assert bus.city.post("no photo")[0] == 200, "a request without photo does not notice"
    status, headers, _ = bus.fetch(url)
    assert status == 503 and headers["Retry-After"], status
    refused = bus.command("photo", "sweep", code=1)
    assert "cannot be reached" in refused and s3_server.SECRET_KEY not in refused, refused
    bus.store.server.start()
    assert bus.fetch(url)[0] == 200
    bus.shown(bus.stored(pictures.photo(304, 200)))
    bus.tidy()


def faults(bus):
    """It answers wrongly, late or half: the request's promise holds all the same."""
    gate = bus.store.server.gate
    puts = []

    def failing(pattern, kinds):
        left = list(kinds)

        def fault(method, path):
            if not (method + " " + path).startswith(pattern[0]) or pattern[1] not in path:
                return None
            puts.append(path)
            return left.pop(0) if len(left) > 1 else left[0]
        return fault

    def count():
        return bus.query("select count(*) from service_requests")[0][0]

    gate.fault = failing(("PUT", "/original/"), ["500", None])
    bus.stored(pictures.photo(310, 200))
    before = count()
    gate.fault = failing(("PUT", "/original/"), ["500 after"])
    assert bus.post(pictures.photo(311, 200))[0] == 503
    # The first photo is stored, the second never is: neither stays.
    gate.fault = failing(("PUT", "/original/"), [None, "500"])
    assert bus.post(pictures.photo(312, 200), pictures.photo(313, 200))[0] == 503
    assert count() == before
    gate.fault = failing(("PUT", "/original/"), [1.0])
    begin = time.monotonic()
    slow = threading.Thread(target=bus.stored, args=(pictures.photo(314, 200),))
    slow.start()
    assert bus.city.post("no photo")[0] == 200 and time.monotonic() - begin < 0.9, "a slow store slows photos only"
    slow.join()
    # Copies that cannot be put: the photo waits, and is shown when they can.
    gate.fault = failing(("PUT", "/cleaned/"), ["500"])
    puts.clear()
    number = bus.stored(pictures.photo(315, 200))
    wait_until(lambda: len(puts) >= 3, 30, "the cleaner has tried")
    gate.fault = lambda method, path: None
    wait_until(lambda: bus.query("select count(*) from photos where state = 'received' and next_attempt_at > now()") != [["0"]], 10, "put back")
    bus.hurry()
    url = bus.shown(number)
    # Half an answer is no answer.
    gate.fault = failing(("GET", "/cleaned/"), ["cut", None])
    assert bus.fetch(url)[0] == 200
    gate.fault = failing(("GET", "/cleaned/"), ["cut"])
    assert bus.fetch(url.replace(".jpg", "-small.jpg"))[0] == 503
    gate.fault = lambda method, path: None
    bus.tidy()


def hangs(bus):
    """It takes everything and says nothing: an answer comes in time, and the others do not wait."""
    gate = bus.store.server.gate
    gate.awake.clear()
    asked = []
    gate.fault = lambda method, path: asked.append(path) or "hang" if method == "PUT" else None
    begin = time.monotonic()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(bus.post(pictures.photo(320, 200))[0])) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert bus.city.post("no photo")[0] == 200 and time.monotonic() - begin < 5
    wait_until(lambda: len(asked) == 3, 10, "all uploads hang")
    secrets_and_rights(bus)
    many(bus)
    for thread in threads:
        thread.join()
    assert answers == [503] * 3 and time.monotonic() - begin < 25, (answers, time.monotonic() - begin)
    gate.fault = lambda method, path: None
    gate.awake.set()
    wait_until(lambda: sum("/original/" in name for name in bus.store.files()) == 3, 10, "what was given up is stored after all")
    assert bus.sweep()["removed_originals"] == 3, "and is nobody's"


def secrets_and_rights(bus):
    """A wrong key is told of in words that help; no key stands in any log."""
    right = bus.store.environment["BUS311_MEDIA_S3_SECRET_KEY"]
    bus.store.environment["BUS311_MEDIA_S3_SECRET_KEY"] = "canary-other"
    said = bus.command("photo", "sweep", code=1)
    assert "SignatureDoesNotMatch" in said and "media.s3.secretKey" in said and "canary" not in said, said
    bus.store.environment["BUS311_MEDIA_S3_SECRET_KEY"] = right
    for name, value, word in (
            ("ENDPOINT", "http://192.0.2.1", "in the clear"), ("BUCKET", "A", "media.s3.bucket"), ("PREFIX", "a b", "media.s3.prefix")):
        key = "BUS311_MEDIA_S3_" + name
        kept = bus.store.environment[key]
        bus.store.environment[key] = value
        assert word in bus.command("photo", "sweep", code=64)
        bus.store.environment[key] = kept
    log = bus.city.log()
    assert right not in log and s3_server.ACCESS_KEY not in log and "canary" not in log


def many(bus):
    """More orphans than one page of a list holds, of a tenant that is not known. Meanwhile uploads hang."""
    server = bus.store.server
    names = [f"bus/photos/gone-0a1b2c/cleaned/{index:064x}" for index in range(ORPHANS)]
    gate, hanging = server.gate, server.gate.fault
    gate.fault = lambda method, path: None
    for name in names + ["another/file"]:
        server.client.put_object(Bucket=s3_server.BUCKET, Key=name, Body=b"x")
    gate.fault = hanging
    said = bus.command("photo", "sweep", "--older-than", "0s")
    assert said["removed_copies"] == ORPHANS, said
    assert any("continuation-token=" in path for _, path, _, _ in gate.seen), "asked page after page"
    assert server.client.get_object(Bucket=s3_server.BUCKET, Key="another/file")["Body"].read() == b"x", "what is not ours stays"
    server.client.delete_object(Bucket=s3_server.BUCKET, Key="another/file")


def neighbours(bus):
    """Two cities, the same picture: two files, and one city's end of it is not the other's."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump([{
            "service_code": "LAMP", "type": "realtime", "service_name": {"fr": "LAMP"}, "description": {"fr": "LAMP"},
            "group": {"fr": "Voirie"}, "keywords": [], "attributes": []}], file)
        file.flush()
        tenant = bus.command(
            "tenant", "create", "voisin", "--name", "Voisin", "--jurisdiction", "voisin.example", "--catalogue", file.name)["tenant"]
    key = bus.command("key", "create", tenant, "--label", "app")["api_key"]
    picture = pictures.photo(400, 300)
    wait_until(lambda: bus.post(jurisdiction_id="voisin.example", api_key=key)[0] == 200, 20, "the gateway knows the neighbour")
    theirs = bus.stored(picture, jurisdiction_id="voisin.example", api_key=key)
    ours = bus.stored(picture)
    url = bus.media(theirs, "voisin.example")
    wait_until(lambda: bus.fetch(url, method="HEAD")[0] == 200, 60, "theirs is shown")
    content = bus.fetch(bus.shown(ours))[2]
    digest = hashlib.sha256(content).hexdigest()
    held = [name for name in bus.store.files() if name.endswith(digest)]
    assert sorted(held) == sorted([f"{tenant}/cleaned/{digest}", f"{bus.settings['tenant']}/cleaned/{digest}"]), held
    bus.command("photo", "revoke", bus.media(ours))
    bus.sweep()
    assert bus.fetch(url)[2] == content, "the neighbour's stays"


def main():
    wanted = sys.argv[1:]
    server = s3_server.S3Server()
    with City(servers_only=True) as city:
        for store, cases in (
                (S3(city, server), (journey, changes, repetition, renewed_while_waiting, neighbours, away, faults, hangs)),
                (Disk(city), (journey, changes, repetition))):
            bus = Installation(city, store)
            bus.query("delete from photos")
            try:
                if not wanted or "crashes" in wanted:
                    crashes(bus)
                    print(f"photo stores: {store.name}: crashes passed", flush=True)
                else:
                    bus.start()
                for case in cases:
                    if not wanted or case.__name__ in wanted:
                        begin = time.monotonic()
                        case(bus)
                        print(f"photo stores: {store.name}: {case.__name__} passed ({time.monotonic() - begin:.1f} s)", flush=True)
            finally:
                bus.stop()
    assert server.gate.wrong and all(problem == "SignatureDoesNotMatch" for _, _, problem in server.gate.wrong), server.gate.wrong
    assert len(server.gate.wrong) <= 3, f"only the wrong key's questions were wrongly signed: {server.gate.wrong}"


if __name__ == "__main__":
    main()
