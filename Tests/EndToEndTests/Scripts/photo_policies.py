"""What a city may choose for its photos: kinds, limits, expiry, copied links, a blur command; and how old clients send photos."""
import base64
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import pictures
from city import PROGRAM, City, wait_until
from photobench import Bench
from photo_links import Stranger, certificate


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


def expiry(bench):
    """An address ends to answer at its moment, everywhere at once; the CRM is told; a new address begins anew."""
    key = bench.settings["tenant"]
    assert policy(bench, "--expire-days", "30")["expire_days"] == 30
    photo = pictures.photo(320, 240)
    created, added = None, None

    def thirty_days():
        nonlocal created, added
        number = bench.stored([("media", "a", photo)])
        created, added = (event["data"] for event in bench.events(number, 2))
        return "expires_at" in created["media"][0]

    wait_until(thirty_days, 10, "new photos get an end")
    for block in (created["media"][0], added["media"][0]):
        end = datetime.datetime.fromisoformat(block["expires_at"].replace("Z", "+00:00"))
        assert abs((end - datetime.datetime.now(datetime.timezone.utc)).total_seconds() - 30 * 86_400) < 60, block
    policy(bench, "--expire-days", "never")
    wait_until(lambda: bench.events(bench.stored([("media", "a", photo)]), 2)[1]["data"]["media"][0]["expires_at"] is None, 10, "no end again")

    number = bench.stored([("media", "a", photo), ("media", "b", pictures.photo(322, 240))])
    bench.events(number, 3)
    first, second = bench.request(number)["extended_attributes"]["media_urls"]
    body = bench.fetch(first)[2]
    modified = send_head(bench, number)
    command(bench, "photo", "expire", first, "--in", "4s")
    begin = time.monotonic()
    status, headers, _ = bench.fetch(first)
    assert status == 200 and int(headers["Cache-Control"].rsplit("=", 1)[1]) <= 4, headers
    assert bench.request(number)["media_url"] == first
    told = bench.events(number, 1)[0]["data"]["media"][0]
    assert told["url"] == first and told["expires_at"] and told["state"] == "ready", told
    wait_until(lambda: bench.fetch(first)[0] == 410, 6, "410 after its end")
    assert time.monotonic() - begin > 2.5, "not before"
    assert bench.fetch(first.replace(".jpg", "-small.jpg"))[0] == 410
    request = bench.request(number)
    assert request["media_url"] == second and request["extended_attributes"]["media_urls"] == [second], request
    assert send_head(bench, number, If_Modified_Since=modified) == 200, "an unchanged moment hides no ended address"
    command(bench, "photo", "expire", second, "--at", "2020-01-01T00:00:00Z")
    request = bench.request(number)
    assert request["media_url"] is None and "media_urls" not in request["extended_attributes"], request
    found = json.loads(bench.city.get(f"/requests.json?jurisdiction_id={bench.settings['jurisdiction_id']}&has_photo=true"))
    assert number not in [entry["service_request_id"] for entry in found], "no photo of it is shown"
    listed = json.loads(command(bench, "photo", "list", number, "--format", "json"))
    assert [entry["state"] for entry in listed] == ["expired", "expired"] and listed[0]["url"] == first, listed
    bench.events(number, 1)

    command(bench, "photo", "renew", first)
    new = bench.request(number)["media_url"]
    assert new not in (first, None) and bench.fetch(new)[2] == body and bench.fetch(first)[0] == 404
    told = bench.events(number, 1)[0]["data"]["media"][0]
    assert (told["url"], told["replaces"], told["expires_at"]) == (new, first, None), told
    command(bench, "photo", "renew", new, "--in", "1d")
    assert bench.events(number, 1)[0]["data"]["media"][0]["expires_at"]
    command(bench, "photo", "revoke", bench.request(number)["media_url"])
    assert bench.events(number, 1)[0]["data"]["media"][0]["state"] == "revoked"
    for wrong in ([first, "--in", "1x"], [first], [first, "--in", "1s", "--never"], [first, "--at", "soon"], [first, "--never"]):
        command(bench, "photo", "expire", *wrong, code=64)
    command(bench, "photo", "list", "x", code=64)


def send_head(bench, number, **headers):
    """The status with conditions, the moment of change without."""
    url = f"{bench.settings['gateway_url']}/requests/{number}.json?jurisdiction_id={bench.settings['jurisdiction_id']}"
    status, answer, _ = bench.fetch(url, **headers)
    return status if headers else answer["Last-Modified"]


def links(bench):
    """Copied through a guard; nobody of ours is led to a private address, whatever the link says."""
    photo = pictures.photo(320, 240)
    jpeg = {"Content-Type": "text/html"}
    other, allowed, secure = bench.strangers
    other.pages.update({"/secret.jpg": (200, jpeg, photo)})
    again = lambda path: (302, {"Location": path}, b"redirect")
    allowed.pages.update({
        "/ok.jpg": (200, jpeg, photo), "/moved": again("/folder/../ok.jpg"), "/loop": again("/loop"),
        "/inside": again(other.url("/secret.jpg")), "/metadata": again("http://169.254.169.254/latest/meta-data/"),
        "/name": again(f"http://localhost:{other.port}/secret.jpg"), "/file": again("file:///etc/passwd"), "/page": (200, jpeg, b"<html>" * 99),
        "/png": (200, {}, pictures.polyglot()), "/flaky": lambda visit: (503, {}, b"") if visit == 1 else (200, jpeg, photo),
        "/long": (200, {"Content-Length": "99000000"}, photo * 400), "/chunked": (200, {"Content-Length": "300001"}, photo + bytes(300_001 - len(photo))),
    })
    secure.pages.update({"/ok.jpg": (200, jpeg, pictures.photo(322, 240))})

    def post(url):
        status, answer = bench.city.post("a link", media_url=url)
        assert status == 200, answer
        return answer[0]["service_request_id"]

    number = post(allowed.url("/ok.jpg"))
    assert bench.events(number, 1)[0]["data"]["media"] == [{"url": allowed.url("/ok.jpg"), "kind": "external"}]
    assert bench.request(number)["media_url"] == allowed.url("/ok.jpg"), "kept as given"

    policy(bench, "--fetch-links", "true", "--max-bytes", "300kB", "--kinds", "jpeg")

    def followed():
        number = post(allowed.url("/never"))
        return bench.events(number, 1)[0]["data"]["media"][0].get("state") == "pending"

    wait_until(followed, 10, "the gateway follows the policy")
    number = post(secure.url("/ok.jpg", "https"))
    created, added = (event["data"]["media"][0] for event in bench.events(number, 2))
    assert created == {"url": secure.url("/ok.jpg", "https"), "kind": "external", "state": "pending"}, created
    assert (added["kind"], added["state"], added["source_url"]) == ("stored", "ready", created["url"]), added
    copy = bench.request(number)["media_url"]
    assert copy == added["url"] and pictures.MARK not in bench.fetch(copy)[2] and b"Exif" not in bench.fetch(copy)[2]
    assert 1_000 < added["distance_m"] < 2_000 and added["taken_at"] == "2026-03-01T10:20:30" and added["orientation"] == 6, added
    sent = secure.visits[0][1]
    assert not {"Cookie", "Authorization", "Referer"} & set(sent), sent
    assert allowed.visits == [], "neither http nor before it was wanted"

    policy(bench, "--fetch-http", "true")
    cases = {
        allowed.url("/ok.jpg"): "ready", allowed.url("/moved"): "ready", allowed.url("/flaky"): "ready",
        allowed.url("/loop"): "link_not_allowed", allowed.url("/inside"): "link_not_allowed", allowed.url("/metadata"): "link_not_allowed",
        allowed.url("/name"): "link_not_allowed", allowed.url("/file"): "link_not_allowed", allowed.url("/page"): "unreadable",
        allowed.url("/png"): "kind_not_taken", allowed.url("/long"): "link_too_large", allowed.url("/chunked"): "link_too_large",
        allowed.url("/none"): "link_unreachable", other.url("/secret.jpg"): "link_not_allowed",
        f"http://localhost:{other.port}/secret.jpg": "link_not_allowed", f"http://[::1]:{other.port}/": "link_not_allowed",
        f"http://127.1:{other.port}/secret.jpg": "link_not_allowed", "http://127.0.0.1/": "link_not_allowed",
        f"http://a:b@127.0.0.1:{allowed.port}/ok.jpg": "link_not_allowed", "https://10.0.0.1/a.jpg": "link_not_allowed",
        "https://[::ffff:169.254.169.254]/": "link_not_allowed", "https://[64:ff9b::7f00:1]/": "link_not_allowed",
        "http://0x7f000001/": "link_not_allowed", "https://100.64.0.1/": "link_not_allowed",
    }
    numbers = {post(url): url for url in cases}
    events = bench.all_events(numbers, 2, 120)
    for number, url in numbers.items():
        block = events[number][1]["data"]["media"][0]
        assert block["source_url"] == url and block["kind"] == "stored", block
        assert (block["state"] if cases[url] == "ready" else block.get("reason")) == cases[url], (url, block)
        shown = bench.request(number)["media_url"]
        assert shown == (block["url"] if cases[url] == "ready" else url), (url, shown)
        if cases[url] != "ready":
            assert block["state"] == "refused" and bench.fetch(block["url"])[0] == 410 and "detail" not in block, block
    assert other.visits == [], "nobody was led to a port that no operator named"
    assert allowed.paths().count("/loop") == 4 and allowed.paths().count("/flaky") == 2, allowed.paths()
    assert not bench.incoming() and "127.0.0.1:" + str(allowed.port) not in bench.city.log(), "no link stands in the log"
    policy(bench, "--fetch-links", "false", "--fetch-http", "false", "--max-bytes", "installation", "--kinds", "all")


def blurring(bench):
    """A city's own command sees each cleaned copy before anybody else; what it writes is cleaned again."""
    folder = bench.city.folder.name
    seen, script = os.path.join(folder, "seen"), os.path.join(folder, "blur.sh")
    with open(script, "w") as file:
        file.write('#!/bin/sh\nenv > "$1"\nvips gaussblur stdin .jpg 9\nprintf %s ' + pictures.MARK.decode() + "\n")
    os.chmod(script, 0o755)
    policy(bench, "--blur-command", f"{script} {seen}")
    photo = pictures.photo(640, 480, orientation=1)
    number = bench.stored([("media", "a", photo)])
    url = bench.request(number)["media_url"]
    status, _, copy = bench.fetch(url)
    assert status == 200 and pictures.MARK not in copy and copy.endswith(b"\xff\xd9"), "cleaned again"
    assert pictures.size(copy) == (640, 480)
    steepest = max(abs(a[0] - b[0]) for a, b in zip(pictures.row(copy, 200), pictures.row(copy, 200)[4:]))
    assert steepest < 60, steepest
    with open(seen) as file:
        environment = {line.split("=", 1)[0] for line in file if "=" in line}
    assert environment <= {"PATH", "HOME", "TMPDIR", "LC_ALL", "VIPS_BLOCK_UNTRUSTED", "VIPS_CONCURRENCY", "MALLOC_ARENA_MAX", "PWD", "_", "SHLVL", "OLDPWD"}, environment
    assert bench.events(number, 2)[1]["data"]["media"][0]["state"] == "ready"

    policy(bench, "--blur-command", "/bin/false")
    begin = time.monotonic()
    number = bench.stored([("media", "a", photo)])
    assert time.monotonic() - begin < 5, "the request waits for nobody"
    assert bench.request(number)["media_url"], "its photo is announced, and not there yet"
    block = bench.events(number, 2)[1]["data"]["media"][0]
    assert (block["state"], block["reason"]) == ("refused", "hook_failed") and time.monotonic() - begin > 5, block
    assert bench.fetch(block["url"])[0] == 410 and bench.request(number)["media_url"] is None
    policy(bench, "--blur-command", "none")


def main():
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        proof = certificate(folder)
        strangers = [Stranger(), Stranger(), Stranger(proof)]
        # What an operator would write for internal hosts: these ports and no others.
        os.environ["BUS311_MEDIA_FETCH_ALLOW"] = ", ".join(f"127.0.0.1:{stranger.port}" for stranger in strangers[1:])
        os.environ["BUS311_MEDIA_FETCH_AUTHORITIES"] = proof
        with City() as city:
            bench = Bench(city)
            bench.strangers = strangers
            for case in (long_forms, limits, kinds, expiry, links, blurring):
                if not wanted or case.__name__ in wanted:
                    begin = time.monotonic()
                    case(bench)
                    print(f"photo policies: {case.__name__} passed in {time.monotonic() - begin:.1f} s", flush=True)


main()
