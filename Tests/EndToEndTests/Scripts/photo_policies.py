"""What a city may choose for its photos: kinds, limits, expiry, copied links, a blur command; and how old clients send photos."""
import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import pictures
from city import PROGRAM, City, wait_until
from photobench import Bench


def command(bench, *arguments, code=0):
    settings = os.path.join(bench.city.home, "settings.json")
    done = subprocess.run([PROGRAM, *arguments, "--config", settings], capture_output=True, text=True)
    assert done.returncode == code, (arguments, done.returncode, done.stdout + done.stderr)
    return done.stdout + done.stderr


def policy(bench, *arguments):
    """Changes the policy and waits until the gateway, which hears of it, must know."""
    found = json.loads(command(bench, "tenant", "photos", bench.settings["tenant"], "--format", "json", *arguments))
    return found


def send(bench, body, kind, path="/requests.json", **headers):
    request = urllib.request.Request(
        bench.settings["gateway_url"] + path, data=body, headers={"Content-Type": kind, **{n.replace("_", "-"): v for n, v in headers.items()}})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def fields(bench, **more):
    return dict(
        jurisdiction_id=bench.settings["jurisdiction_id"], api_key=bench.settings["api_key"], service_code="LAMP", description="text",
        lat="43.6", long="3.2", **more)


def long_forms(bench):
    """Base64 beyond the limit of a form, in every encoding; the copies are those of the same photo sent as a file."""
    photo = pictures.noise(500, 400)
    assert 110_000 < len(photo) < 300_000, len(photo)
    text = base64.b64encode(photo).decode()
    pairs = list(fields(bench).items())
    form = urllib.parse.urlencode(pairs[:2] + [("media[]", text), ("media[]", "data:image/jpeg;base64," + text)] + pairs[2:])
    document = dict(fields(bench), media=[text, base64.encodebytes(photo).decode(), "https://photos.example/1.jpg"])
    slashes = json.dumps(document).replace("/", "\\/")
    parts = b""
    for name, value in pairs + [("media", text)]:
        parts += b'--q\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value.encode())
    parts += b"--q--\r\n"
    bodies = [
        (form.encode(), "application/x-www-form-urlencoded", 2), (slashes.encode(), "application/json", 2),
        (parts, "multipart/form-data; boundary=q", 1),
    ]
    hashes = set()
    for body, kind, count in bodies:
        status, answer = send(bench, body, kind)
        assert status == 200, (kind, answer)
        request = bench.request(answer[0]["service_request_id"])
        urls = request["extended_attributes"]["media_urls"]
        assert len(urls) == count + ("json" in kind), (kind, urls)
        hashes |= {event["data"]["media"][0]["sha256"] for event in bench.events(request["service_request_id"], count + 1)[1:]}
        if "json" in kind:
            assert urls[-1] == "https://photos.example/1.jpg", "a link is kept as given"
    assert len(hashes) == 1, hashes
    broken = text[:140_000] + "*" + text[140_001:]
    for name, value, word in (("media", broken, "140001"), ("media[]", text[:140_001], "cut short"), ("media", text[:800] + "=" + text, "801")):
        status, answer = send(bench, urllib.parse.urlencode(dict(fields(bench), **{name: value})).encode(), "application/x-www-form-urlencoded", Accept_Language="en")
        assert status == 400 and answer[0]["description"].startswith(name + ":") and word in answer[0]["description"], (status, answer)
    status, answer = send(bench, urllib.parse.urlencode(dict(fields(bench), title="x" * 140_000, media=text)).encode(), "application/x-www-form-urlencoded")
    assert status == 413 and "title" in answer[0]["description"], answer
    wait_until(lambda: not bench.incoming(), 10, "nothing is left of what was refused")


def limits(bench):
    jpeg, png, webp = pictures.photo(64, 48), pictures.polyglot(), pictures.tool(pictures.pixmap(64, 48), ".webp")
    key = bench.settings["tenant"]
    command(bench, "tenant", "photos", key, "--max-bytes", "50MB", code=64)
    for wrong in (["--kinds", "gif"], ["--max-count", "21"], ["--expire-days", "0"], ["--blur-command", "blur"], ["--max-pixels", "x"]):
        command(bench, "tenant", "photos", key, *wrong, code=64)
    assert policy(bench)["kinds"] == ["jpeg", "png", "webp", "heic"]

    def refused(status, *words, files=(), **headers):
        """The gateway follows within seconds."""
        found = []

        def seen():
            found[:] = bench.post(files, headers={"Accept-Language": "en", **{name.replace("_", "-"): value for name, value in headers.items()}})
            return found[0] == status and all(word in found[1][0]["description"] for word in words)

        wait_until(seen, 10, f"{status} {words}, last {found}")

    assert policy(bench, "--kinds", "jpeg,webp")["kinds"] == ["jpeg", "webp"]
    refused(400, "media[]", "PNG", "JPEG, WebP", files=[("media[]", "a.jpg", png)])
    refused(400, "media[]", "Envoyez JPEG, WebP", files=[("media[]", "a.jpg", png)], Accept_Language="fr")
    bench.stored([("media", "a.jpg", jpeg), ("media", "b", webp)])
    policy(bench, "--kinds", "all", "--max-count", "1")
    refused(413, "photo", "too many photos, 1 at most", files=[("media", "a", jpeg), ("photo", "b", jpeg)])
    policy(bench, "--max-count", "installation", "--max-bytes", "2kB", "--max-request-bytes", "1MB")
    refused(413, "media", "2000 bytes at most", files=[("media", "a", pictures.photo(640, 480))])
    inline = urllib.parse.urlencode(dict(fields(bench), media=base64.b64encode(pictures.noise(500, 400)).decode())).encode()
    status, answer = send(bench, inline, "application/x-www-form-urlencoded", Accept_Language="en")
    assert status == 413 and "2000 bytes at most" in answer[0]["description"], answer
    policy(bench, "--max-bytes", "installation", "--max-request-bytes", str(len(jpeg) + 10))
    refused(413, "too large together", files=[("media", "a", jpeg), ("media", "b", jpeg)])
    policy(bench, "--max-request-bytes", "installation", "--max-count", "0")
    refused(400, "no photos are taken here", files=[("media", "a", jpeg)])
    # The fields that name the tenant behind the photo: the same, before anything is kept.
    body = b'--q\r\nContent-Disposition: form-data; name="media"; filename="a"\r\n\r\n' + jpeg + b"\r\n"
    for name, value in fields(bench).items():
        body += b'--q\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value.encode())
    status, answer = send(bench, body + b"--q--\r\n", "multipart/form-data; boundary=q")
    assert status == 400 and "media" in answer[0]["description"], answer
    policy(bench, "--max-count", "installation", "--max-pixels", "3000")
    wait_until(lambda: bench.post([("media", "a", jpeg)])[0] == 200, 10, "photos are taken again")
    number = bench.stored([("media", "a", pictures.photo(640, 480))])
    block = bench.events(number, 2)[1]["data"]["media"][0]
    assert (block["state"], block["reason"]) == ("refused", "too_many_pixels"), block
    policy(bench, "--max-pixels", "installation")
    assert not bench.incoming(), bench.incoming()


def kinds(bench):
    """Real files of every kind, with position, moment and orientation in EXIF or XMP: read, told to the CRM, and gone from the copy."""
    for name, content, orientation in pictures.every_kind():
        number = bench.stored([("media", "x.jpg", content)], place=False)
        request = bench.request(number)
        assert abs(request["lat"] - 43.61) < 1e-4 and abs(request["long"] - 3.21) < 1e-4, (name, request)
        created, added = bench.events(number, 2)
        assert created["data"]["location_source"] == "photo", name
        pending, block = created["data"]["media"][0], added["data"]["media"][0]
        for found in (pending, block):
            assert abs(found["lat"] - 43.61) < 1e-4 and found["taken_at"] == "2026-03-01T10:20:30", (name, found)
            assert found["orientation"] == orientation, (name, found)
        assert block["state"] == "ready" and block["media_type"] == "image/jpeg", (name, block)
        copy = bench.fetch(request["media_url"])[2]
        assert copy[:3] == b"\xff\xd8\xff" and pictures.MARK not in copy and b"43.61" not in copy and b"43,36" not in copy, name
        far = bench.events(bench.stored([("media", "x.jpg", content)]), 1)[0]["data"]
        assert "location_source" not in far and 1_000 < far["media"][0]["distance_m"] < 2_000, (name, far["media"])


def main():
    wanted = sys.argv[1:]
    with City() as city:
        bench = Bench(city)
        for case in (long_forms, limits, kinds):
            if not wanted or case.__name__ in wanted:
                begin = time.monotonic()
                case(bench)
                print(f"photo policies: {case.__name__} passed in {time.monotonic() - begin:.1f} s", flush=True)


main()
