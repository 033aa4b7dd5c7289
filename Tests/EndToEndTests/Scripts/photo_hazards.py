"""What attackers and accidents do to photos: hostile pictures, a full disk, a process killed in the middle, a crowd."""
import glob
import json
import os
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import pictures
from city import PROGRAM, City, wait_until
from photos import Bench, multipart


def settled(bench, *numbers):
    """The block of each request's photo, as its own event tells it."""
    blocks = {}

    def all_there():
        method, properties, body = bench.channel.basic_get(bench.settings["request_queue"], auto_ack=True)
        while method:
            if properties.type.startswith("service_request.media_added"):
                blocks[properties.correlation_id] = json.loads(body)["data"]["media"][0]
            method, properties, body = bench.channel.basic_get(bench.settings["request_queue"], auto_ack=True)
        return all(number in blocks for number in numbers)

    wait_until(all_there, 120, f"the photos of {numbers} are settled")
    return [blocks[number] for number in numbers]


def hostile(bench):
    """Each is taken by its first bytes. The photo is shown, clean, or refused; the request stands, and the next photo is cleaned."""
    cases = {
        "100 megapixels": (pictures.flat(10_000), "too_many_pixels"),
        "animated PNG": (pictures.animated_png(), "ready"),
        "animated WebP": (pictures.animated_webp(), "ready"),
        "10,000 tags": (pictures.tagged_png(10_000), "ready"),
        "a gigabyte of text in a PNG": (pictures.text_bomb(1_000_000_000), None),
        "a profile that unpacks to 200 MB": (pictures.profile_bomb(200_000_000), None),
        "a JPEG that is a page": (pictures.photo(64, 48)[:-2] + b"\xff\xd9<html><script>" + pictures.MARK, "ready"),
        "lengths that lie": (pictures.lying_segments(), None),
    }
    numbers = {name: bench.stored([("media", "a.jpg", content)]) for name, (content, _) in cases.items()}
    start = time.monotonic()
    for (name, (_, expected)), block in zip(cases.items(), settled(bench, *numbers.values())):
        outcome = block["state"] if block["state"] == "ready" else block["reason"]
        assert expected in (None, outcome), (name, block)
        if block["state"] == "ready":
            status, headers, body = bench.fetch(block["url"])
            assert status == 200 and headers["Content-Type"] == "image/jpeg", name
            assert pictures.MARK not in body and b"<script" not in body and body.endswith(b"\xff\xd9"), name
        else:
            assert bench.fetch(block["url"])[0] == 410, name
    assert time.monotonic() - start < 90, "no picture holds the cleaner up"
    assert settled(bench, bench.stored([("media", "a.jpg", pictures.photo(64, 48))]))[0]["state"] == "ready"


def names_say_nothing(bench):
    """What a file is called, and what it is said to be, decides nothing."""
    numbers = [
        bench.stored([("media", name, pictures.photo(64, 48))])
        for name in ("a.html", "a.svg", "a", "../../a.php", "a.jpg\0.exe", "é\".png", "a" * 3_000)]
    for block in settled(bench, *numbers):
        assert block["state"] == "ready" and block["media_type"] == "image/jpeg", block
    assert bench.post([("media", "a.jpg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")])[0] == 400


def positions(bench):
    """A position in EXIF, in XMP alone, in a PNG behind its picture; none where a receiver had none."""
    cases = {
        "exif": (pictures.photo(), (43.61, 3.21)), "xmp": (pictures.xmp_photo(), (43.61, 3.21)),
        "png": (pictures.tagged_png(3, latitude=48.5, longitude=2.5), (48.5, 2.5)), "0, 0": (pictures.photo(latitude=0, longitude=0), None),
    }
    for name, (content, place) in cases.items():
        status, answer = bench.post([("media", "a.jpg", content)], place=False)
        if place is None:
            assert status == 400, (name, answer)
            continue
        assert status == 200, (name, answer)
        created = bench.events(answer[0]["service_request_id"], 1)[0]["data"]
        assert created["location_source"] == "photo", (name, created)
        assert abs(created["lat"] - place[0]) < 1e-3 and abs(created["long"] - place[1]) < 1e-3, (name, created)


def killed_in_the_middle(bench):
    """The gateway dies while bytes arrive: no request, no photo, and the next upload works."""
    before = len(json.loads(bench.city.get(f"/requests.json?jurisdiction_id={bench.settings['jurisdiction_id']}")))
    address = urllib.parse.urlsplit(bench.settings["gateway_url"])
    fields = dict(jurisdiction_id=bench.settings["jurisdiction_id"], api_key=bench.settings["api_key"], service_code="LAMP", lat="43.6", long="3.2",
                  description="cut")
    body = multipart(fields, [("media", "a.jpg", b"\xff\xd8\xff" + os.urandom(4_000_000))])
    with socket.create_connection((address.hostname, address.port)) as line:
        line.sendall(b"POST /open311/v2/requests.json HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=zz9\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(body) + body[:2_000_000])
        wait_until(lambda: bench.incoming(), 20, "the upload has begun")
        bench.city.kill("bus311 all")

    def again():
        try:
            return bench.post([("media", "a.jpg", pictures.photo(64, 48))])[0] == 200
        except OSError:
            return False

    wait_until(again, 60, "the gateway is back")
    after = json.loads(bench.city.get(f"/requests.json?jurisdiction_id={bench.settings['jurisdiction_id']}"))
    assert len(after) == before + 1 and all(request["description"] != "cut" for request in after), "nothing half-visible"


class SmallDisk:
    """A file system of a few megabytes; only an administrator can make one."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="bus311-small-")
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs", self.path], capture_output=True, text=True)
        self.reason = None if made.returncode == 0 else made.stderr.strip()
        return self

    def __exit__(self, *_):
        if self.reason is None:
            subprocess.run(["umount", self.path], check=True)
        os.rmdir(self.path)


def full_disk(bench):
    """Photos are refused with 507 while the disk is full, requests without photos are not, and nothing is half-written."""
    with SmallDisk() as disk:
        if disk.reason:
            print(f"photo_hazards: full_disk SKIPPED: no small file system can be mounted here ({disk.reason})")
            return
        port, health = bench.city.spare_ports[:2]
        environment = dict(
            os.environ, BUS311_CONFIG=os.path.join(bench.city.home, "settings.json"), BUS311_GATEWAY_PORT=str(port),
            BUS311_HEALTH_PORT=str(health), BUS311_MEDIA_DIRECTORY=disk.path)
        with open(os.path.join(bench.city.folder.name, "full.log"), "wb") as log:
            gateway = subprocess.Popen([PROGRAM, "gateway"], env=environment, cwd=bench.city.folder.name, stdout=log, stderr=log)
        own = bench.settings["gateway_url"]
        try:
            bench.settings["gateway_url"] = f"http://127.0.0.1:{port}/open311/v2"

            def answers():
                try:
                    return bool(bench.city.get("/discovery.json"))
                except OSError:
                    return False

            wait_until(answers, 30, "the gateway with the small disk answers")
            photo = b"\xff\xd8\xff" + os.urandom(900_000)
            outcomes = [bench.post([("media", "a.jpg", photo)]) for _ in range(5)]
            statuses = [status for status, _ in outcomes]
            assert statuses[0] == 200 and statuses[-1] == 507, statuses
            assert "without it" in outcomes[-1][1][0]["description"], outcomes[-1]
            assert bench.city.post("no photo")[0] == 200, "a request without a photo is taken"
            assert glob.glob(os.path.join(disk.path, "incoming", "*")) == []
            kept = glob.glob(os.path.join(disk.path, "*", "original", "*", "*"))
            assert len(kept) == statuses.count(200), (kept, statuses)
            for path in kept:
                os.unlink(path)
            assert bench.post([("media", "a.jpg", photo)])[0] == 200, "and photos again when there is room"
        finally:
            bench.settings["gateway_url"] = own
            gateway.terminate()
            assert gateway.wait(30) == 0


def two_cities(bench):
    """The same picture in two cities is two photos: other addresses, other files; the one's end is not the other's."""
    settings = os.path.join(bench.city.home, "settings.json")

    def bus311(*arguments):
        done = subprocess.run([PROGRAM, *arguments, "--config", settings], capture_output=True, text=True)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    made = json.loads(bus311(
        "tenant", "create", "autre", "--name", "Autre", "--jurisdiction", "autre.example", "--catalogue",
        os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "examples", "demo-catalogue.json"), "--format", "json"))
    bus311("tenant", "apply", made["tenant"])
    key = re.search(r"o311_\S+", bus311("key", "create", made["tenant"], "--label", "app"))[0].rstrip(",.\"")
    content = pictures.photo(200, 100)
    mine = bench.request(bench.stored([("media", "a.jpg", content)]))["media_url"]

    def theirs():
        status, answer = bench.post([("media", "a.jpg", content)], jurisdiction_id="autre.example", api_key=key)
        return answer[0]["service_request_id"] if status == 200 else None

    wait_until(theirs, 10, "the gateway knows the new city")
    number = theirs()
    other = json.loads(bench.city.get(f"/requests/{number}.json?jurisdiction_id=autre.example"))[0]["media_url"]
    assert other != mine
    assert bench.fetch(mine)[2] == bench.fetch(other)[2], "the same picture"
    name = bench.fetch(mine)[1]["ETag"].strip('"')
    files = glob.glob(os.path.join(bench.city.home, "media", "*", "cleaned", "*", name))
    assert len(files) == 2 and len({os.stat(path).st_ino for path in files}) == 2, files
    bus311("photo", "revoke", other)
    assert bench.fetch(other)[0] == 410 and bench.fetch(mine)[0] == 200
    # A CRM blurs in its own city only.
    request = urllib.request.Request(
        f"{bench.settings['status_ingest_url']}/v1/photos/{other.rsplit('/', 1)[1][:-4]}/redactions", method="POST",
        data=b'{"rectangles": [{"x": 0, "y": 0, "width": 10, "height": 10}]}', headers={"Authorization": f"Bearer {bench.settings['crm_token']}"})
    try:
        urllib.request.urlopen(request, timeout=10)
        raise AssertionError("another city's photo was redacted")
    except urllib.error.HTTPError as error:
        assert error.code == 404, error.code


def crowd(bench):
    """Uploads of 5 MB that all come at once: the gateway's size does not follow theirs."""
    count, size = 200, 5_000_000
    fields = dict(jurisdiction_id=bench.settings["jurisdiction_id"], api_key=bench.settings["api_key"], service_code="LAMP", lat="43.6", long="3.2",
                  description="crowd")
    body = multipart(fields, [("media", "a.jpg", b"\xff\xd8\xff" + os.urandom(size - 3))])
    request = (b"POST /open311/v2/requests.json HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=zz9\r\nContent-Length: %d\r\n\r\n"
               % len(body)) + body
    victim = next(bench.city.processes("bus311 all"))

    def resident():
        with open(f"/proc/{victim}/status", encoding="utf-8") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) / 1024

    idle, largest = resident(), 0
    address = urllib.parse.urlsplit(bench.settings["gateway_url"])
    selector, waiting, stored = selectors.DefaultSelector(), count, 0
    for _ in range(count):
        line = socket.create_connection((address.hostname, address.port))
        line.setblocking(False)
        selector.register(line, selectors.EVENT_WRITE, [memoryview(request), b""])
    deadline = time.monotonic() + 240
    while waiting:
        assert time.monotonic() < deadline, f"{waiting} uploads were not answered"
        for key, ready in selector.select(1):
            line, state = key.fileobj, key.data
            if ready & selectors.EVENT_WRITE:
                try:
                    state[0] = state[0][line.send(state[0][:65536]):]
                except BlockingIOError:
                    continue
                if not state[0]:
                    selector.modify(line, selectors.EVENT_READ, state)
            else:
                state[1] += line.recv(65536)
                assert state[1].startswith(b"HTTP/1.1 200"), state[1]
                if b"service_request_id" in state[1]:
                    stored += 1
                    waiting -= 1
                    selector.unregister(line)
                    line.close()
        largest = max(largest, resident())
    assert stored == count
    assert largest - idle < 80, f"{idle:.0f} MB before, {largest:.0f} MB with {count} uploads of 5 MB"
    print(f"photo_hazards: {count} uploads of 5 MB at once: {idle:.0f} -> {largest:.0f} MB")


def main():
    wanted = sys.argv[1:]
    with City() as city:
        bench = Bench(city)
        for case in (hostile, names_say_nothing, positions, two_cities, full_disk, killed_in_the_middle, crowd):
            if not wanted or case.__name__ in wanted:
                start = time.monotonic()
                case(bench)
                print(f"photo_hazards: {case.__name__} passed in {time.monotonic() - start:.1f} s", flush=True)


main()
