"""Photos in the benchmark: uploads beside plain writing, serving beside nginx, and a thousand uploads at once."""
import contextlib
import os
import selectors
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

from measure import Service, form_fields, free_base, post, psql, run, wait_until, wrk

BOUNDARY = b"zz9zz9"


def noise(size):
    """Begins like a JPEG; what follows nobody can compress."""
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + os.urandom(size - 11)


def upload(city, photo, description=b"photo"):
    """The bytes of a POST with one photo, connection kept."""
    body = b""
    for name, value in urllib.parse.parse_qsl(form_fields(city)) + [("service_code", "LAMP"), ("lat", "43.6"), ("long", "3.2")]:
        body += b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (BOUNDARY, name.encode(), value.encode())
    body += b'--%s\r\nContent-Disposition: form-data; name="description"\r\n\r\n%s\r\n' % (BOUNDARY, description)
    body += b'--%s\r\nContent-Disposition: form-data; name="media"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' % BOUNDARY
    body += photo + b"\r\n--%s--\r\n" % BOUNDARY
    path = urllib.parse.urlsplit(city.settings["gateway_url"]).path + "/requests.json"
    return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=%s\r\nContent-Length: %d\r\n\r\n" % (
        path.encode(), BOUNDARY, len(body)) + body


def address(city):
    parts = urllib.parse.urlsplit(city.settings["gateway_url"])
    return parts.hostname, parts.port


def posts_a_second(city, photo, seconds):
    """One client, one after the other, over one connection."""
    request = upload(city, photo)
    with socket.create_connection(address(city)) as line:
        count, start = 0, time.monotonic()
        while time.monotonic() - start < seconds:
            line.sendall(request)
            answer = b""
            while b"service_request_id" not in answer:
                piece = line.recv(65536)
                assert piece and not answer.startswith(b"HTTP/1.1 4") and not answer.startswith(b"HTTP/1.1 5"), answer + piece
                answer += piece
            count += 1
        return count / (time.monotonic() - start)


def files_a_second(folder, photo, seconds):
    """The same bytes, each time to a new file, synced."""
    count, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        descriptor = os.open(os.path.join(folder, str(count)), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        view = memoryview(photo)
        while view:
            view = view[os.write(descriptor, view):]
        os.fsync(descriptor)
        os.close(descriptor)
        count += 1
    return count / (time.monotonic() - start)


def at_once(city, photo, how_many, watch):
    """Uploads that are all under way together; `watch` is called again and again. Gives how many were answered 200."""
    selector = selectors.DefaultSelector()
    request = upload(city, photo)
    lines = []
    for _ in range(how_many):
        line = socket.create_connection(address(city))
        line.setblocking(False)
        selector.register(line, selectors.EVENT_WRITE, [memoryview(request), b""])
        lines.append(line)
    waiting, stored, looked = how_many, 0, 0.0
    while waiting:
        for key, ready in selector.select(5):
            line, state = key.fileobj, key.data
            if ready & selectors.EVENT_WRITE:
                try:
                    sent = line.send(state[0][:65536])
                except BlockingIOError:
                    continue
                state[0] = state[0][sent:]
                if not state[0]:
                    selector.modify(line, selectors.EVENT_READ, state)
            else:
                piece = line.recv(65536)
                state[1] += piece
                if not piece or b"service_request_id" in state[1] or b"description" in state[1]:
                    stored += state[1].startswith(b"HTTP/1.1 200") and b"service_request_id" in state[1]
                    selector.unregister(line)
                    waiting -= 1
        if time.monotonic() - looked > 0.1:
            looked = time.monotonic()
            watch()
    for line in lines:
        line.close()
    return stored


@contextlib.contextmanager
def nginx(city, file):
    """nginx with one worker a core, serving one file from the disk."""
    port = free_base()
    folder = tempfile.mkdtemp(dir=city.folder.name)
    os.chmod(folder, 0o755)
    os.chmod(city.folder.name, 0o711)
    with open(os.path.join(folder, "photo.jpg"), "wb") as copy:
        copy.write(file)
    settings = os.path.join(folder, "nginx.conf")
    with open(settings, "w", encoding="utf-8") as text:
        text.write(
            f"pid {folder}/pid; error_log {folder}/error.log; daemon off; worker_processes auto;\n"
            "events { worker_connections 1024; }\n"
            f"http {{ access_log off; sendfile on; tcp_nopush on; types {{ image/jpeg jpg; }}\n"
            f"  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
            f"  server {{ listen 127.0.0.1:{port}; root {folder}; keepalive_requests 100000000; }} }}\n")
    process = subprocess.Popen(["/usr/sbin/nginx", "-e", os.path.join(folder, "error.log"), "-c", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: fetched(f"http://127.0.0.1:{port}/photo.jpg") == file, 10, "nginx serves the photo")
        yield f"http://127.0.0.1:{port}/photo.jpg"
    finally:
        process.terminate()
        process.wait(10)


def fetched(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read()
    except OSError:
        return None


def picture(width, height):
    """A JPEG with the detail of a street scene: some 600 KB when cleaned."""
    with tempfile.TemporaryDirectory() as folder:
        rough, whole = os.path.join(folder, "rough.png"), os.path.join(folder, "whole.jpg")
        run("vips", "gaussnoise", rough, str(width // 2), str(height // 2), "--sigma", "30")
        run("vips", "resize", rough, whole + "[Q=90]", "2")
        with open(whole, "rb") as file:
            return file.read()


def forget_photos(city):
    """Room for the next figure: files and rows."""
    psql(city, "truncate photos, outbox, service_requests, reporters")
    subprocess.run(["find", os.path.join(city.home, "media"), "-type", "f", "-delete"], check=True)


def stored(city, photo):
    """Posts one photo and waits until it is shown. Gives its address."""
    request = upload(city, photo)
    with socket.create_connection(address(city)) as line:
        line.sendall(request)
        answer = line.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200"), answer
    token = psql(city, "select token from photos order by id desc limit 1")
    url = city.settings["gateway_url"].replace("/open311/v2", "") + f"/media/{token}.jpg"
    wait_until(lambda: fetched(url), 30, "the photo is shown")
    return url


def uploads(city, table, rounds, seconds):
    """A POST with 2 MB, one client, beside writing the same bytes with fsync."""
    photo, ratios, rates, bases = noise(2_000_000), [], [], []
    with Service(city, "gateway"):
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(dir=city.home) as folder:
                bases.append(files_a_second(folder, photo, seconds))
            rates.append(posts_a_second(city, photo, seconds))
            ratios.append(rates[-1] / bases[-1])
            forget_photos(city)
    table.row("POST with a 2 MB photo ÷ writing the same bytes with fsync", f"{min(ratios):.2f} (worst of {rounds})", "≥ 0.5", min(ratios) >= 0.5,
              f"{listed(ratios)}; {listed(rates, '{:.0f}')} posts/s ÷ {listed(bases, '{:.0f}')} files/s, one client")


def serving(city, table, rounds, seconds):
    """One cleaned photo, 32 connections, beside the same file by nginx."""
    ratios, rates, bases = [], [], []
    with Service(city, "gateway"), Service(city, "photos"):
        url = stored(city, picture(2400, 1800))
        file = fetched(url)
    with Service(city, "gateway"), nginx(city, file) as plain:
        for _ in range(rounds):
            bases.append(gets(plain, seconds))
            rates.append(gets(url, seconds))
            ratios.append(rates[-1] / bases[-1])
    forget_photos(city)
    table.row("GET a photo ÷ the same file by nginx", f"{min(ratios):.2f} (worst of {rounds})", "≥ 0.7", min(ratios) >= 0.7,
              f"{listed(ratios)}; {listed(rates, '{:.0f}')} ÷ {listed(bases, '{:.0f}')} requests/s of {len(file):,} bytes".replace(",", " ").replace("  ", ", "))


def gets(url, seconds):
    return wrk(url, seconds, 32)["rate"]


def beside_cleaning(city, table, rounds, seconds):
    """Requests without photos, while a queue of photos is being cleaned and while none is."""
    photo, alone, beside = picture(4000, 3000), [], []
    with Service(city, "gateway"):
        for _ in range(rounds):
            alone.append(post(city, seconds, 64)["rate"])
            forget_photos(city)
            posts_a_second(city, photo, 2)
            with Service(city, "photos"):
                beside.append(post(city, seconds, 64)["rate"])
                assert int(psql(city, "select count(*) from photos where state = 'received'")) > 0, "cleaning went on to the end"
            forget_photos(city)
    losses = [1 - with_photos / without for with_photos, without in zip(beside, alone)]
    table.row("Requests without photos lose, while photos are cleaned", f"{100 * max(losses):.0f} % (worst of {rounds})", "≤ 10 %", max(losses) <= 0.1,
              f"{listed(beside, '{:.0f}')} beside cleaning, {listed(alone, '{:.0f}')} posts/s without")


def crowd(city, table):
    """A thousand uploads of 5 MB at once: 5 GB in all."""
    photo, seen = noise(5_000_000), []
    with Service(city, "gateway") as gateway:
        idle = gateway.resident_megabytes()
        start = time.monotonic()
        count = at_once(city, photo, 1_000, lambda: seen.append(gateway.resident_megabytes()))
        elapsed = time.monotonic() - start
    forget_photos(city)
    assert count == 1_000, count
    table.row("Resident size under 1,000 uploads of 5 MB at once", f"{max(seen):.0f} MB", "≤ 192 MB, flat",
              max(seen) <= 192 and seen[-1] <= 1.1 * seen[len(seen) // 4],
              f"idle {idle:.0f} MB, after a quarter of the time {seen[len(seen) // 4]:.0f} MB, at the end {seen[-1]:.0f} MB; all stored in {elapsed:.0f} s")


def listed(values, form="{:.2f}"):
    return ", ".join(form.format(value) for value in values)


def photos(city, table, rounds, seconds):
    uploads(city, table, rounds, seconds)
    serving(city, table, rounds, seconds)
    beside_cleaning(city, table, rounds, seconds)
    crowd(city, table)
