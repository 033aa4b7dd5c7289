"""Photos in the benchmark: uploads beside plain writing, serving beside nginx, and a thousand uploads at once."""
import contextlib
import os
import selectors
import socket
import subprocess
import tempfile
import time
import urllib.parse

from measure import Service, form_fields, free_base, post, psql, wait_until, wrk

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


def forget_photos(city):
    """Room for the next figure: files and rows."""
    psql(city, "truncate photos, outbox, service_requests, reporters")
    subprocess.run(["find", os.path.join(city.home, "media"), "-type", "f", "-delete"], check=True)
