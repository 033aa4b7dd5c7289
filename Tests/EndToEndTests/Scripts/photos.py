"""Photos from the app to the CRM: stored, cleaned, handed over; and what attackers send instead."""
import glob
import hashlib
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import pictures
from city import PROGRAM, City, wait_until
from photobench import Bench, multipart


def journey(bench):
    number = bench.stored([("media[]", "trou 1.jpg", pictures.photo()), ("media[]", "b.png", pictures.polyglot())], place=False)
    request = bench.request(number)
    urls = request["extended_attributes"]["media_urls"]
    assert len(urls) == 2 and request["media_url"] == urls[0], request
    assert abs(request["lat"] - 43.61) < 1e-4 and abs(request["long"] - 3.21) < 1e-4, "the photo says where"
    for url in urls:
        status, headers, body = bench.fetch(url)
        assert status == 200 and headers["Content-Type"] == "image/jpeg", (status, body[:200])
        assert headers["X-Content-Type-Options"] == "nosniff" and "sandbox" in headers["Content-Security-Policy"]
        assert headers["Content-Disposition"].startswith("inline")
        assert pictures.MARK not in body and b"Exif" not in body and b"http://ns.adobe" not in body and b"<script" not in body
        assert not {0xE1, 0xE2, 0xED, 0xFE} & set(pictures.segments(body)), pictures.segments(body)
        assert body.endswith(b"\xff\xd9"), "nothing behind the picture"
        assert bench.fetch(url, If_None_Match=headers["ETag"])[0] == 304
        status, partial, part = bench.fetch(url, Range="bytes=10-19")
        assert status == 206 and part == body[10:20] and partial["Content-Range"] == f"bytes 10-19/{len(body)}"
        assert bench.fetch(url, Range=f"bytes={len(body)}-")[0] == 416
        small = bench.fetch(url.replace(".jpg", "-small.jpg"))[2]
        assert max(pictures.size(small)) <= 320 and pictures.MARK not in small
    first = bench.fetch(urls[0])[2]
    assert pictures.size(first) == (480, 640), "upright"
    created, *added = bench.events(number, 3)
    assert created["data"]["location_source"] == "photo"
    assert [entry["state"] for entry in created["data"]["media"]] == ["pending", "pending"]
    assert [event["sequence"] for event in [created, *added]] == ["1", "2", "3"] or [event["sequence"] for event in [created, *added]] == [1, 2, 3]
    blocks = {event["data"]["media"][0]["url"]: event["data"]["media"][0] for event in added}
    assert set(blocks) == set(urls)
    block = blocks[urls[0]]
    assert block["sha256"] == hashlib.sha256(first).hexdigest() and block["bytes"] == len(first)
    assert (block["width"], block["height"], block["media_type"], block["state"]) == (480, 640, "image/jpeg", "ready"), block
    assert abs(block["lat"] - 43.61) < 1e-4 and block["taken_at"] == "2026-03-01T10:20:30"
    assert b"43.61" not in first and bench.originals() == [], "the original goes when its copy is there"
    far = bench.events(bench.stored([("media", "a.jpg", pictures.photo(orientation=1))], place=True), 1)[0]
    assert "location_source" not in far["data"] and 1_000 < far["data"]["media"][0]["distance_m"] < 2_000, far["data"]["media"]


def inline(bench):
    import base64

    status, answer = bench.city.post("base64", media="data:image/png;base64," + base64.b64encode(pictures.polyglot()).decode())
    assert status == 200, answer
    assert "/media/" in bench.request(answer[0]["service_request_id"])["media_url"]
    assert bench.city.post("neither", media="javascript:1")[0] == 400


def refusals(bench):
    before = len(json.loads(bench.city.get(f"/requests.json?jurisdiction_id={bench.settings['jurisdiction_id']}")))
    for content in (b"\x7fELF" + bytes(100), b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html></html>", b"GIF89a" + bytes(40), b"%PDF-1.7"):
        status, answer = bench.post([("media[]", "fine.jpg", pictures.photo()), ("media[]", "a.jpg", content)])
        assert status == 400 and "media[]" in answer[0]["description"], (status, answer)
    assert bench.post([("media", "a.jpg", pictures.photo(64, 48))] * 6)[0] == 413
    status, answer = bench.post([("media", "a.jpg", b"\xff\xd8\xff" + bytes(10_485_760))])
    assert status == 413 and "10485760" in answer[0]["description"], answer
    assert bench.post([("media", "a.jpg", pictures.photo())], service_code="none")[0] == 404
    assert bench.post([("media", "a.jpg", pictures.photo())], lat="x")[0] == 400
    assert bench.post([("media", "a.jpg", b"")])[0] == 200, "browsers send an empty part for a file that nobody chose"
    with socket.create_connection((urllib.parse.urlsplit(bench.settings["gateway_url"]).hostname, urllib.parse.urlsplit(bench.settings["gateway_url"]).port)) as line:
        body = multipart({"service_code": "LAMP"}, [("media", "a.jpg", pictures.photo())])
        line.sendall(
            b"POST /open311/v2/requests.json HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=zz9\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body[:4000])
        wait_until(lambda: bench.incoming(), 10, "the upload has begun")
    wait_until(lambda: not bench.incoming(), 20, f"nothing is left of what was refused or broken off: {bench.incoming()}")
    after = len(json.loads(bench.city.get(f"/requests.json?jurisdiction_id={bench.settings['jurisdiction_id']}")))
    assert after == before + 1, (before, after)


def hostile(bench):
    """Taken for photos by their first bytes; the worker refuses them, the request stands."""
    whole = pictures.photo()
    cases = {
        "truncated": (whole[: len(whole) // 3], "unreadable"), "header only": (b"\xff\xd8\xff\xe0" + bytes(64), "unreadable"),
        "bomb": (pictures.bomb(30_000), "too_many_pixels"),
    }
    for name, (content, reason) in cases.items():
        number = bench.stored([("media", "a.jpg", content)])
        created, added = bench.events(number, 2)
        block = added["data"]["media"][0]
        assert block["state"] == "refused" and block["reason"] == reason, (name, block)
        assert bench.request(number)["media_url"] is None, name
        assert bench.fetch(block["url"])[0] == 410, name
    number = bench.stored([("media", "a.jpg", pictures.photo(tags=900))])
    assert bench.events(number, 2)[1]["data"]["media"][0]["state"] == "ready", "many tags"
    base = bench.settings["gateway_url"].replace("/open311/v2", "")
    for path in ("0" * 32 + ".jpg", "../settings.json", "%2e%2e/demo.json", "x.jpg", "0" * 32 + "-large.jpg"):
        assert bench.fetch(f"{base}/media/{path}")[0] == 404, path


def repetition(bench):
    one, other = pictures.photo(320, 240), pictures.photo(322, 240)
    first = bench.post([("media", "a.jpg", one)], headers={"Idempotency-Key": "k1"})
    assert first[0] == 200 and bench.post([("media", "a.jpg", one)], headers={"Idempotency-Key": "k1"}) == first
    assert bench.post([("media", "a.jpg", other)], headers={"Idempotency-Key": "k1"})[0] == 409
    assert len(bench.request(first[1][0]["service_request_id"])["extended_attributes"]["media_urls"]) == 1


def addresses(bench):
    """Revoked and renewed by command; the request shows the change at once."""
    number = bench.stored([("media", "a.jpg", pictures.photo(320, 240))])
    old = bench.request(number)["media_url"]
    body = bench.fetch(old)[2]

    def photo(*arguments):
        settings = os.path.join(bench.city.home, "settings.json")
        done = subprocess.run([PROGRAM, "photo", *arguments, "--config", settings], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    assert photo("renew", old)[0] == 0
    new = bench.request(number)["media_url"]
    assert new != old and bench.fetch(old)[0] == 404 and bench.fetch(new)[2] == body
    assert photo("revoke", new)[0] == 0
    assert bench.request(number)["media_url"] is None and bench.fetch(new)[0] == 410
    assert photo("revoke", new)[0] != 0 and photo("revoke", "nonsense")[0] == 64


def redaction(bench):
    """Blurred for good: the copy that was shown is gone, the new one has no sharp pixel left there, the CRM hears of it."""
    number = bench.stored([("media", "a.jpg", pictures.photo(700, 480, orientation=1))])
    url = bench.request(number)["media_url"]
    before = bench.fetch(url)[2]
    bench.events(number, 2)
    token = url.rsplit("/", 1)[1][:-4]

    def redact(body, secret=bench.settings["crm_token"], photo=token):
        request = urllib.request.Request(
            f"{bench.settings['status_ingest_url']}/v1/photos/{photo}/redactions", data=json.dumps(body).encode(), method="POST",
            headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    part = {"rectangles": [{"x": 220, "y": 100, "width": 200, "height": 200}, {"x": 600, "y": 400, "width": 900, "height": 900}]}
    assert redact(part, secret="no") == 401 and redact(part, photo="0" * 32) == 404
    for wrong in ({}, {"rectangles": []}, {"rectangles": [{"x": -1, "y": 0, "width": 1, "height": 1}]}, {"rectangles": part["rectangles"] * 6}):
        assert redact(wrong) == 400, wrong
    assert redact(part) == 202
    status, headers, after = bench.fetch(url)
    assert status == 200 and after != before and pictures.size(after) == (700, 480), (status, pictures.size(after))
    block = bench.events(number, 1)[0]["data"]["media"][0]
    assert block["sha256"] == hashlib.sha256(after).hexdigest() and block["url"] == url
    old = hashlib.sha256(before).hexdigest()
    wait_until(lambda: not glob.glob(os.path.join(bench.city.home, "media", "*", "cleaned", "*", old)), 10, "the sharp copy is gone")
    inside, outside = pictures.row(after, 200), pictures.row(after, 50)
    assert edge(outside) > 100, "untouched elsewhere"
    assert edge(inside) < edge(outside) / 2, (edge(inside), edge(outside))


def edge(row):
    """The steepest step of red within four pixels."""
    return max(abs(row[at][0] - row[at - 4][0]) for at in range(4, len(row)))


def accident(bench):
    """Killed between the answer and the cleaning: the photo is cleaned after."""
    numbers = [bench.stored([("media", "a.jpg", pictures.photo(2000, 1500))]) for _ in range(5)]
    bench.city.kill("bus311 all")
    for number in numbers:
        def shown():
            try:
                return bench.fetch(bench.request(number)["media_url"])[0] == 200
            except OSError:
                return False
        wait_until(shown, 90, "every photo is there after the accident")


def main():
    wanted = sys.argv[1:]
    with City() as city:
        bench = Bench(city)
        for case in (journey, inline, refusals, hostile, repetition, addresses, redaction, accident):
            if not wanted or case.__name__ in wanted:
                case(bench)
                print(f"photos: {case.__name__} passed")


if __name__ == "__main__":
    main()
