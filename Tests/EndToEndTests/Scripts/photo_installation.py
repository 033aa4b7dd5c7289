"""A city whose photos stand on a disk or in an S3 service: one process of ours, killed, started again and asked by the cases."""
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request

import s3_server
from city import PROGRAM, wait_until


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
        self.folder = os.path.join(city.home, "media")
        self.environment = dict(server.environment(), BUS311_MEDIA_DIRECTORY=self.folder)

    def files(self):
        objects = self.server.objects()
        assert all(key.startswith("bus/photos/") for key in objects), "everything stands under the prefix"
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

    def health(self):
        """What each dependency is said to be."""
        with open(self.file, encoding="utf-8") as file:
            port = json.load(file)["bus311"]["health"]["port"]
        body = self.fetch(f"http://127.0.0.1:{port}/health/ready")[2]
        return {entry["name"]: entry for entry in json.loads(body)["dependencies"]}

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
        assert self.store.name == "disk" or not Disk(self.city).files(), "nothing is stored beside the service"
        assert os.listdir(os.path.join(self.store.folder, "incoming")) == []
        assert said["verified"]["missing"] == 0 and said["verified"]["requests"] == [], said
        return said

    def tidy(self):
        """No sweep was needed."""
        wait_until(lambda: self.store.files() == self.expected(), 20, f"{self.store.name} holds what the database says")
        assert os.listdir(os.path.join(self.store.folder, "incoming")) == []
