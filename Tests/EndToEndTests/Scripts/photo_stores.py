"""Photos on an S3 service and on a disk: the same journey, accidents to the service, processes killed at the worst moments, and the
sweep after which store and database agree file by file."""
import hashlib
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import pictures
import s3_server
from city import City, wait_until
from photo_installation import S3, Disk, Installation

ORPHANS = 505


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
        number = bus.stored(pictures.photo(640 + 2 * len(bus.store.name), 482))
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
    number = bus.stored(pictures.photo(330 + 2 * len(bus.store.name), 240))
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
    wait_until(lambda: bus.query("select count(*) from photos where state = 'received'") == [["0"]], 30, "nothing waits")
    # Copies that cannot be put: the photo waits, and is shown when they can.
    gate.fault = failing(("PUT", "/cleaned/"), ["500"])
    puts.clear()
    number = bus.stored(pictures.photo(315, 200))
    wait_until(lambda: len(puts) >= 3, 30, "the cleaner has tried")
    gate.fault = lambda method, path: None
    wait_until(lambda: bus.query("select count(*) from photos where state = 'received' and next_attempt_at > now()") != [["0"]], 10, "put back")
    wait_until(lambda: "500 InternalError" in bus.health()["photos.media"]["detail"], 10, "the health page says why")
    time.sleep(1.5)
    assert "500 InternalError" in bus.health()["photos.media"]["detail"], "and goes on, although nothing is tried meanwhile"
    bus.hurry()
    url = bus.shown(number)
    # Half an answer is no answer.
    gate.fault = failing(("GET", "/cleaned/"), ["cut", None])
    assert bus.fetch(url)[0] == 200
    gate.fault = failing(("GET", "/cleaned/"), ["cut"])
    assert bus.fetch(url.replace(".jpg", "-small.jpg"))[0] == 503
    wait_until(lambda: bus.health()["photos.media"]["ok"], 15, "and no longer")
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
    certificates(bus)
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


def certificates(bus):
    """Over TLS only with a certificate of an authority that is trusted."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = folder + "/c.pem", folder + "/k.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=s3",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
        kept = dict(bus.store.environment)
        with bus.store.server.secure(certificate, key) as url:
            bus.store.environment["BUS311_MEDIA_S3_ENDPOINT"] = url
            assert "certificate" in bus.command("photo", "sweep", code=1)
            bus.store.environment["BUS311_MEDIA_S3_AUTHORITIES"] = certificate
            assert bus.command("photo", "sweep", "--verify")["verified"]["missing"] == 0
        bus.store.environment = kept


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


def move(before, after, command):
    """Every file of one store stands in the other, then in the other only."""
    files = before.store.files()
    to = "disk" if after.store.name == "disk" else "s3"
    assert command("photo", "move", "--to", to, "--keep")["copied"] == len(files) > 0
    assert before.store.files() == after.store.files() == files
    assert command("photo", "move", "--to", to)["copied"] == 0, "what is there is not copied again"
    assert after.store.files() == files == after.expected() and not before.store.files()


def still_served(bus):
    """The oldest photo, which was posted when photos stood elsewhere."""
    token, digest = bus.query("select token, encode(public_sha256, 'hex') from photos where state = 'ready' order by id limit 1")[0]
    url = bus.settings["gateway_url"].replace("/open311/v2", f"/media/{token}.jpg")
    status, _, body = bus.fetch(url)
    assert status == 200 and hashlib.sha256(body).hexdigest() == digest, (url, status)


def run(bus, cases, wanted, *first):
    try:
        for case in (*first, *cases):
            if case is crashes and wanted and "crashes" not in wanted:
                bus.start()
            elif not wanted or case.__name__ in wanted:
                begin = time.monotonic()
                case(bus)
                print(f"photo stores: {bus.store.name}: {case.__name__} passed ({time.monotonic() - begin:.1f} s)", flush=True)
    finally:
        bus.stop()


def main():
    wanted = sys.argv[1:]
    server = s3_server.S3Server()
    with City(servers_only=True) as city:
        remote, local = Installation(city, S3(city, server)), Installation(city, Disk(city))
        remote.query("delete from photos")
        run(remote, (journey, changes, repetition, renewed_while_waiting, neighbours, away, faults, hangs), wanted, crashes)
        remote.sweep()
        move(remote, local, remote.command)
        run(local, (still_served, journey, changes, repetition), wanted, crashes)
        local.sweep()
        move(local, remote, remote.command)
        print("photo stores: moved to the disk and back", flush=True)
    assert wanted or {problem for _, _, problem in server.gate.wrong} == {"SignatureDoesNotMatch"}, server.gate.wrong
    assert len(server.gate.wrong) <= 3, f"only the wrong key's questions were wrongly signed: {server.gate.wrong}"


if __name__ == "__main__":
    main()
