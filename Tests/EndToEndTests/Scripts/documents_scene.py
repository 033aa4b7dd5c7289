"""What the commands in the documents find: a real thing for each stand-in that a document names, made when it is first named."""
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pika

import pictures
from city import REPOSITORY, wait_until
from mail_server import MailServer


class Scene:
    """Stand-ins and what they become. The same text is always the same thing; another text of the same form is another one.

    valmont-7f3a9c            the city's tenant
    26110000ddddd             a service request of the page's own
    0192f0a1-....             the event of a dead letter of its own
    media/<32 hex>, photos/<32 hex>   a photo of its own
    tokens/<32 hex>           the token of a request of its own
    parked release NUMBER     a parked event of its own
    --resume NUMBER           an unfinished replay
    incident settle NUMBER    an open incident
    alert ack NUMBER          an open alert
    --from and --to MOMENT    yesterday, and now; days stay as they are
    rotate/revoke KEY         an API key of its own
    add_user svc.relay        the relay's account, which is gone by then
    mailer.json               the city's settings with a mail server that takes everything
    127.0.0.1:83xx ...        the city's ports
    """

    def __init__(self, city, program):
        self.city, self.program = city, program
        self.tenant = city.settings["tenant"]
        self.known, self.lock = {}, threading.Lock()
        self.root = os.path.join(city.folder.name, "documents")
        os.makedirs(self.root)
        programs = os.path.join(self.root, "bin")
        os.makedirs(programs)
        os.symlink(program, os.path.join(programs, "bus311"))
        broker = os.path.join(city.home, "rabbitmq", "bin")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("BUS311_")},
            "PATH": f"{programs}:{broker}:{os.environ['PATH']}", "BUS311_CONFIG": "bus311.json",
            "API_KEY": city.settings["api_key"], "CRM_TOKEN": city.settings["crm_token"], "AMQP_URI": city.settings["amqp_uri"],
            "DATABASE_URL": city.settings["database_url"], "LC_ALL": "C.UTF-8",
        }
        self.rules = [
            (re.compile(r"\b26110000\d{5}\b"), self.request),
            (re.compile(r"\b0192f0a1(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), self.dead_event),
            (re.compile(r"https://bus\.example/media/[0-9a-f]{32}(\.jpg)?"), self.photo_url),
            (re.compile(r"(?<=/photos/)[0-9a-f]{32}"), self.photo_token),
            (re.compile(r"(?<=/tokens/)[0-9a-f]{32}"), self.token),
            (re.compile(r"(?<=parked release )\d+|(?<=parked skip )\d+"), self.parked),
            (re.compile(r"(?<=--resume )\d+"), self.replay),
            (re.compile(r"(?<=incident settle )\d+"), self.incident),
            (re.compile(r"(?<=alert ack )\d+"), self.alert),
            (re.compile(r"(?<=--from )20\S+T\S+"), lambda _: self.moment(-86_400)),
            (re.compile(r"(?<=--to )20\S+T\S+"), lambda _: self.moment(0)),
            (re.compile(r"(?<=add_user )svc\.relay"), self.gone),
            (re.compile(r"(?<=key rotate valmont-7f3a9c )\w+|(?<=key revoke valmont-7f3a9c )\w+"), self.key),
        ]
        base = urllib.parse.urlsplit(city.settings["gateway_url"]).port
        self.words = [("valmont-7f3a9c", self.tenant), ("valmont.example", city.settings["jurisdiction_id"])] + [
            (f"127.0.0.1:{8311 + offset}", f"127.0.0.1:{base + offset}") for offset in (0, 1, 8)
        ] + [("127.0.0.1:15672", urllib.parse.urlsplit(city.settings["management_url"]).netloc)]

    def folder(self, document):
        """A scratch folder with what the documents name: bus311.json, catalogue.json, .bus311."""
        path = os.path.join(self.root, document.replace("/", "-"))
        os.makedirs(path)
        shutil.copy(os.path.join(self.city.home, "settings.json"), os.path.join(path, "bus311.json"))
        shutil.copy(os.path.join(REPOSITORY, "examples", "demo-catalogue.json"), os.path.join(path, "catalogue.json"))
        os.symlink(self.city.home, os.path.join(path, ".bus311"))
        os.symlink("bus311.json", os.path.join(path, "owner.json"))
        shutil.copy(os.path.join(self.city.home, "roles.json"), os.path.join(path, "roles.json"))
        return path

    def prepare(self, document):
        """What must have happened before the document's first command."""
        with self.lock:
            # Of its own on each page: another page may have had it erased.
            self.known = {key: real for key, real in self.known.items() if key[0] != self.request}
        if document.endswith("rabbitmqctl.md"):
            # Something to look at in the queue.
            self.event_of(self.request(document))
        if document.endswith("operators/notices.md"):
            self.mailer(os.path.join(self.root, document.replace("/", "-"), "mailer.json"))
        if document in ("docs/contract/evolution.md", "docs/operators/monitoring.md"):
            os.symlink(os.path.join(REPOSITORY, "docs"), os.path.join(self.root, document.replace("/", "-"), "docs"))

    def mailer(self, path):
        """The city's settings, with a mail server."""
        with open(os.path.join(self.city.home, "settings.json"), encoding="utf-8") as file:
            settings = json.load(file)
        self.mails = MailServer(login=False)
        settings["bus311"]["mail"] = {
            "url": f"smtp://127.0.0.1:{self.mails.port}", "allowCleartext": True, "from": "notices@valmont.example"}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(settings, file)

    def gone(self, account):
        """A service's account, as when somebody deleted it."""
        subprocess.run(
            ["rabbitmqctl", "-q", "delete_user", account], check=True, timeout=60, env=self.environment, stdout=subprocess.DEVNULL)
        return account

    def real(self, text):
        for rule, make in self.rules:
            text = rule.sub(lambda match: self.thing(make, match.group(0)), text)
        for stand_in, word in self.words:
            text = text.replace(stand_in, word)
        return text

    def thing(self, make, name):
        with self.lock:
            if (make, name) not in self.known:
                self.known[make, name] = make(name)
            return self.known[make, name]

    # MARK: things

    def run(self, *words):
        done = subprocess.run(
            [self.program, *words, "--format", "json", "--config", os.path.join(self.city.home, "settings.json")],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        assert done.returncode == 0, (words, done.stdout.decode())
        return json.loads(done.stdout)

    def sql(self, text):
        done = subprocess.run(
            ["psql", "-qtAX", "-v", "ON_ERROR_STOP=1", "-d", self.city.settings["database_url"], "-c", text], check=True, timeout=30,
            stdout=subprocess.PIPE)
        return done.stdout.decode().strip()

    def request(self, name):
        code, answer = self.city.post(f"documents {name}")
        assert code == 200, answer
        return answer[0]["service_request_id"]

    def token(self, name):
        """Of a request made while the city answers tokens."""
        self.run("tenant", "policy", self.tenant, "--identifiers", "tokens")
        found = []

        def taken():
            found[:] = [self.city.post(f"documents {name}")[1][0].get("token")]
            return found[0]

        wait_until(taken, 30, "a token")
        self.run("tenant", "policy", self.tenant, "--identifiers", "immediate")
        wait_until(lambda: "token" not in self.city.post(f"documents {name}")[1][0], 30, "ids again")
        return found[0]

    def event_of(self, request):
        found = []

        def stored():
            found[:] = [self.sql(f"select event_id from outbox where request_id = {request} and state = 'confirmed' limit 1")]
            return found[0] != ""

        wait_until(stored, 60, f"the event of {request} confirmed")
        return found[0]

    def dead_event(self, name):
        """Posts a request whose event the CRM rejects; what else was in the queue stays there."""
        event = self.event_of(self.request(name))
        connection = pika.BlockingConnection(pika.URLParameters(self.city.settings["amqp_uri"]))
        channel = connection.channel()
        deadline = time.monotonic() + 60
        while True:
            method, properties, _ = channel.basic_get(self.city.settings["request_queue"])
            if method is not None and properties.message_id == event:
                channel.basic_reject(method.delivery_tag, requeue=False)
                break
            assert time.monotonic() < deadline, f"the event of {name} in the queue"
            if method is None:
                time.sleep(0.1)
        connection.close()
        self.sleep_until_dead(event)
        return event

    def sleep_until_dead(self, event):
        wait_until(lambda: any(letter["event"] == event for letter in self.run("dead-letters", "show", self.tenant)), 60, "a dead letter")

    def photo_url(self, name):
        boundary, picture = uuid.uuid4().hex, pictures.photo(320, 240)
        fields = dict(
            jurisdiction_id=self.city.settings["jurisdiction_id"], api_key=self.city.settings["api_key"], service_code="LAMP", lat="43.6",
            long="3.2", description=f"documents {name}")
        body = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()).encode()
        body += (f'--{boundary}\r\nContent-Disposition: form-data; name="media"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
                 ).encode() + picture + f"\r\n--{boundary}--\r\n".encode()
        with urllib.request.urlopen(urllib.request.Request(
                self.city.settings["gateway_url"] + "/requests.json", data=body,
                headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}), timeout=60) as answer:
            number = json.load(answer)[0]["service_request_id"]
        path = f"/requests/{number}.json?jurisdiction_id={self.city.settings['jurisdiction_id']}"
        found = []

        def shown():
            found[:] = [json.loads(self.city.get(path))[0].get("media_url")]
            if not found[0]:
                return False
            try:
                return urllib.request.urlopen(found[0], timeout=10).status == 200
            except urllib.error.HTTPError:
                return False

        wait_until(shown, 60, f"the photo of {number}")
        return found[0]

    def photo_token(self, name):
        return re.search(r"[0-9a-f]{32}", self.photo_url(name)).group(0)

    def parked(self, name):
        request = self.request(f"parked {name}")
        self.event_of(request)
        return self.sql(
            f"update outbox set state = 'parked', attempts = 1, last_error = 'invalid' where request_id = {request} returning seq")

    def replay(self, name):
        """A replay that was cut in the middle."""
        for number in range(8):
            self.event_of(self.request(f"replay {name} {number}"))
        since = self.moment(-3_600)
        before = self.sql("select coalesce(max(id), 0) from replays")
        started = subprocess.Popen(
            [self.program, "replay", "--tenant", self.tenant, "--from", since, "--rate", "1", "--config",
             os.path.join(self.city.home, "settings.json")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: self.sql(f"select queued > 0 from replays where id > {before}") == "t", 60, "the replay's first event")
        finally:
            started.kill()
            started.wait()
        return self.sql("select max(id) from replays")

    def incident(self, name):
        """As the watch would write it after a purge."""
        return self.sql(
            "insert into queue_incidents (tenant_id, kind, detail, messages, replay_from, replay_to) select id, 'purge_suspected', "
            f"'o311.{self.tenant}.requests', 21, now() - interval '1 hour', now() from tenants where key = '{self.tenant}' returning number")

    def alert(self, name):
        """As the watch would write it; where no heartbeat is sent, it never ends."""
        return self.sql(
            "insert into alerts (code, tenant_id, phase, severity, since, fired_at, seen_at) values ('DEADMAN', 0, 'firing', 1, "
            "now() - interval '1 hour', now(), now()) returning number")

    def moment(self, offset):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset))

    def key(self, name):
        self.run("key", "create", self.tenant, "--label", f"documents {name}", "--scope", "read")
        return next(key["id"] for key in self.run("key", "list", self.tenant) if key["label"] == f"documents {name}")
