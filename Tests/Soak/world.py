"""What a soak lives in: the servers, each service as a process of its own, several cities, and a clock that runs as fast as one likes."""
import atexit
import calendar
import contextlib
import datetime
import json
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
os.environ.setdefault("BUS311_PROGRAM", os.path.join(REPOSITORY, ".build", "release", "bus311"))
sys.path.insert(0, os.path.join(REPOSITORY, "Tests", "EndToEndTests", "Scripts"))
from city import PROGRAM, City, wait_until  # noqa: E402,F401  (the program's name is read when the module is)

class Clock:
    """The wall clock of PostgreSQL and of our services, set forward in small steps; what measures durations is left alone (clock.c).

    It begins at noon of a month's last day, so that the night, a day's end and a month's end are in the 24 hours.
    """

    STEP = 0.5

    def __init__(self, folder, minutes, hours):
        self.factor = hours * 60 / minutes
        self.hours, self.seconds = hours, minutes * 60
        now = datetime.datetime.now(datetime.timezone.utc)
        last = calendar.monthrange(now.year, now.month)[1]
        self.start = now.replace(day=last, hour=12, minute=0, second=0, microsecond=0)
        self.ahead = (self.start - now).total_seconds()
        self.file, self.library = os.path.join(folder, "clock"), os.path.join(folder, "clock.so")
        compiler = shutil.which("cc") or shutil.which("clang") or os.path.join(os.path.dirname(os.path.realpath(shutil.which("swift"))), "clang")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", self.library, os.path.join(HERE, "clock.c"), "-ldl"], check=True, timeout=60)
        with open(self.file, "wb+") as file:
            file.write(bytes(mmap.PAGESIZE))
            file.flush()
            self.page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        os.chmod(self.file, 0o644)
        self.began, self.ends = None, threading.Event()
        self.write()

    def write(self):
        struct.pack_into("q", self.page, 0, round(self.ahead))

    def environment(self):
        return dict(LD_PRELOAD=self.library, FAKETIME_OFFSET_FILE=self.file)

    def run(self):
        self.began = time.monotonic()
        threading.Thread(target=self.tick, daemon=True).start()

    def tick(self):
        first = self.ahead
        while not self.ends.wait(self.STEP):
            self.ahead = first + (self.factor - 1) * min(time.monotonic() - self.began, self.seconds)
            self.write()

    def done(self):
        """How much of the time is over, 0 to 1."""
        return min(1.0, (time.monotonic() - self.began) / self.seconds) if self.began else 0.0

    def now(self):
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.ahead)


class Process:
    """One service of ours: started, killed, frozen, looked at."""

    def __init__(self, world, name, command, **settings):
        self.world, self.name, self.command = world, name, command
        self.health = world.next_port()
        self.environment = dict(
            {key: value for key, value in os.environ.items() if not key.startswith("BUS311_")}, **world.clock.environment(),
            BUS311_CONFIG=os.path.join(world.city.home, "settings.json"), BUS311_HEALTH_PORT=str(self.health),
            BUS311_GATEWAY_KEY_LIMIT=str(10**9), BUS311_GATEWAY_ADDRESS_LIMIT=str(10**9), BUS311_ALERTS_INTERVAL="1",
            BUS311_LOG_LEVEL="warning", **settings)
        if world.clock.factor > 75:
            # From one look to the next more than two minutes pass, after which the watch begins to wait anew.
            self.environment["BUS311_ALERTS_RULES"] = "NO_CONSUMER.after=0s, NO_CONSUMER.clear_after=0s, BROKER_DOWN.after=0s, BROKER_DOWN.clear_after=0s"
        self.process, self.life, self.wanted = None, 0, False
        self.lock = threading.Lock()

    def start(self):
        with self.lock:
            self.wanted, self.life = True, self.life + 1
            with open(os.path.join(self.world.folder, self.name + ".log"), "ab") as log:
                self.process = subprocess.Popen([PROGRAM, self.command], env=self.environment, cwd=self.world.folder, stdout=log, stderr=log)
        wait_until(self.lives, 60, f"{self.name} lives")

    def lives(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}/health/live", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}: see {self.world.folder}/{self.name}.log"
            return False

    def kill(self):
        self.wanted = False
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def freeze(self, seconds):
        self.process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.wanted = False
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return None if self.process is None else self.process.returncode

    def sample(self):
        """Megabytes, descriptors and threads; None when it does not run."""
        try:
            base = f"/proc/{self.process.pid}"
            with open(base + "/status", encoding="utf-8") as file:
                fields = dict(line.split(":", 1) for line in file if ":" in line)
            return dict(megabytes=int(fields["VmRSS"].split()[0]) / 1024, descriptors=len(os.listdir(base + "/fd")),
                        threads=int(fields["Threads"]), life=self.life)
        except (OSError, KeyError, AttributeError):
            return None


class Tenant:
    """A city: what its apps and its CRM know."""

    def __init__(self, world, name, key=None):
        self.world, self.name = world, name
        self.gateways = world.gateways
        if key is None:
            settings = world.city.settings
            self.key, self.jurisdiction, self.api_key = settings["tenant"], settings["jurisdiction_id"], settings["api_key"]
            self.token, self.amqp = settings["crm_token"], settings["amqp_uri"]
            return
        self.jurisdiction = f"{name}.example"
        self.key = world.bus311("tenant", "create", name, "--name", name.title(), "--jurisdiction", self.jurisdiction, "--catalogue", key)["tenant"]
        world.bus311("tenant", "apply", self.key)
        self.api_key = world.bus311("key", "create", self.key, "--label", "app")["api_key"]
        self.token = world.bus311("credential", "issue", self.key, "crm")["crm_token"]
        amqp = world.bus311("credential", "issue", self.key, "a")
        own = urllib.parse.urlsplit(world.city.settings["amqp_uri"])
        self.amqp = f"amqp://{amqp['user']}:{amqp['password']}@{own.hostname}:{own.port}/{amqp['vhost']}"

    def queue(self, kind="requests"):
        return f"o311.{self.key}.{kind}"


class World:
    NAMES = ("aubepine", "bellerive", "clairval", "silence")

    def __init__(self, minutes, hours):
        self.temporary = tempfile.TemporaryDirectory(prefix="bus311-soak-")
        self.folder = self.temporary.name
        # PostgreSQL's account reads the clock in it.
        os.chmod(self.folder, 0o755)
        self.clock = Clock(self.folder, minutes, hours)
        self.stack = contextlib.ExitStack()
        atexit.register(self.stack.close)
        before = dict(os.environ)
        os.environ.update(self.clock.environment())
        try:
            self.city = self.stack.enter_context(City(servers_only=True))
        finally:
            os.environ.clear()
            os.environ.update(before)
        base = urllib.parse.urlsplit(self.city.settings["gateway_url"]).port
        self.ports = iter([base + offset for offset in (8, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)])
        second = base + 2
        self.gateways = [self.city.settings["gateway_url"], self.city.settings["gateway_url"].replace(f":{base}/", f":{second}/")]
        self.processes = {
            name: Process(self, name, command, **settings) for name, command, settings in (
                ("gateway-1", "gateway", {}), ("gateway-2", "gateway", dict(BUS311_GATEWAY_PORT=str(second))),
                ("relay-1", "relay", {}), ("relay-2", "relay", {}), ("status-ingest", "status-ingest", {}),
                ("watch-1", "watch", {}), ("watch-2", "watch", {}), ("photos", "photos", {}))}
        self.tenants = [Tenant(self, "valmont")]
        catalogue = os.path.join(self.folder, "catalogue.json")
        with open(catalogue, "w", encoding="utf-8") as file:
            json.dump([{"service_code": "LAMP", "type": "realtime", "service_name": {"fr": "Lampadaire"}, "description": {"fr": "Éclairage"},
                        "group": {"fr": "Voirie"}, "keywords": [], "attributes": []}], file)
        self.tenants += [Tenant(self, name, catalogue) for name in self.NAMES]

    def next_port(self):
        return next(self.ports)

    def bus311(self, *arguments, code=0):
        done = subprocess.run(
            [PROGRAM, *arguments, "--format", "json", "--config", os.path.join(self.city.home, "settings.json")], text=True, capture_output=True,
            timeout=120, env=dict(os.environ, **self.clock.environment()))
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def sql(self, text):
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.city.settings["database_url"], "-c", text], text=True,
                              capture_output=True, timeout=60)
        assert done.returncode == 0, (text, done.stderr)
        return done.stdout.strip()

    def management(self, path, method="GET"):
        with open(os.path.join(self.city.home, "settings.json"), encoding="utf-8") as file:
            broker = json.load(file)["bus311"]["broker"]
        opener = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        opener.add_password(None, broker["management"], broker["provisionerUser"], broker["provisionerPassword"])
        request = urllib.request.Request(broker["management"] + path, method=method)
        with urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(opener)).open(request, timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def rabbitmqctl(self, *arguments):
        subprocess.run([os.path.join(self.city.home, "rabbitmq", "bin", "rabbitmqctl"), *arguments], check=True, timeout=60, stdout=subprocess.DEVNULL)

    def media(self):
        """Bytes and files of the photos."""
        size = count = 0
        for folder, _, names in os.walk(os.path.join(self.city.home, "media")):
            for name in names:
                with contextlib.suppress(OSError):
                    size += os.path.getsize(os.path.join(folder, name))
                    count += 1
        return size, count

    def __enter__(self):
        for process in self.processes.values():
            process.start()
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.stop()
        self.clock.ends.set()
        self.stack.close()
        atexit.unregister(self.stack.close)
        self.temporary.cleanup()
