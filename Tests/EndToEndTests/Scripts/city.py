"""A demonstration city of the tests' own: started, asked, broken and stopped by the scripts beside this file."""
import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

# A parent with threads of its own hands down that they take no signals, and programs started here would not hear that they shall end.
signal.pthread_sigmask(signal.SIG_SETMASK, [])

REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
PROGRAM = os.environ.get("BUS311_PROGRAM", os.path.join(REPOSITORY, ".build", "debug", "bus311"))


# Ports that the installation leaves alone, counted from its base: for services that are started one by one.
SPARE = (11, 12, 13, 14)


# What `bus311 demo --cluster` uses besides.
CLUSTER = (2, *range(15, 21), 70, 71, 72, 74, 75, 80, 81, 82, 84, 85)


def free_base():
    offsets = (0, 1, 8, *SPARE, 21, 60, 61, 62, 63, 64, 65, *CLUSTER)
    while True:
        # Below the ports that the kernel gives to outgoing connections.
        base = random.randint(12000, 31000)
        try:
            for offset in offsets:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", base + offset))
            return base
        except OSError:
            continue


class City:
    """`bus311 demo` as a process; its folder goes with it.

    servers_only: PostgreSQL, RabbitMQ and the city's data, but no service of ours.
    cluster: three broker nodes, and two gateways and two relays side by side.
    patient: at the end its broker may stop in its own time, which is the half of all of an end. Without, it is killed once the
             services and PostgreSQL have ended: nobody needs what it would write.
    """

    def __init__(self, servers_only=False, cluster=False, patient=False):
        self.patient = patient or cluster
        self.folder = tempfile.TemporaryDirectory(prefix="bus311-e2e-")
        self.home = os.path.join(self.folder.name, "home")
        base = free_base()
        self.spare_ports = [base + offset for offset in SPARE]
        self.environment = dict(os.environ, BUS311_HOME=self.home, BUS311_PORT_BASE=str(base))
        self.arguments = (["--servers-only"] if servers_only else []) + (["--cluster"] if cluster else [])
        self.patience = 240 if cluster else 120
        self.start()
        path = os.path.join(self.home, "demo.json")
        assert os.stat(path).st_mode & 0o777 == 0o600
        self.settings_path = path
        with open(path, encoding="utf-8") as file:
            self.settings = json.load(file)

    def start(self):
        """Starts the demonstration on what its folder holds."""
        self.is_killed = False
        self.output = open(os.path.join(self.folder.name, "demo.log"), "w+")
        self.process = subprocess.Popen(
            [PROGRAM, "demo", "--repository", REPOSITORY] + self.arguments, env=self.environment, stdout=self.output,
            stderr=subprocess.STDOUT)
        deadline = time.monotonic() + self.patience
        while "Ctrl-C stops" not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)

    def kill_everything(self):
        """As when the machine loses its power: nobody is asked, nobody tidies up."""
        # First those who would stop a server politely when they see its owner die.
        victims = sorted(self.processes(""), key=lambda pid: pid not in set(self.processes("bus311-guard")))
        kill9(victims + [self.process.pid])
        self.process.wait()
        self.is_killed = True
        wait_until(lambda: not list(self.processes("")), 20, "the end of every process")

    def said(self):
        with open(self.output.name, encoding="utf-8") as file:
            return file.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            if not self.patient:
                self.hasten()
            code = self.process.wait(60)
        except (subprocess.TimeoutExpired, AssertionError):
            self.process.kill()
            raise
        assert code == 0 or self.is_killed, f"demo ended with {code}: {self.said()[-2000:]}"
        # The broker's helper (erl_child_setup) ends a moment after its node.
        wait_until(lambda: not list(self.processes("")), 10, "the end of every process")
        self.folder.cleanup()

    def hasten(self):
        def others():
            return [*self.processes("bus311 "), *self.processes("postgres")]

        wait_until(lambda: self.process.poll() is not None or not others(), 60, "the end of the services and of PostgreSQL")
        kill9(self.processes("beam.smp"))

    def processes(self, word):
        """Process ids of this city whose command line has the word."""
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == self.process.pid:
                continue
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    command = file.read().replace(b"\0", b" ").decode(errors="replace")
                here = os.readlink(f"/proc/{entry}/cwd")
            except OSError:
                continue
            if (self.home in command or here.startswith(self.home)) and word in command:
                yield int(entry)

    def kill(self, word):
        victims = list(self.processes(word))
        assert victims, f"nothing to kill for {word}"
        kill9(victims)

    def post(self, description, timeout=10, **fields):
        values = dict(
            jurisdiction_id=self.settings["jurisdiction_id"], api_key=self.settings["api_key"], service_code="LAMP",
            lat="43.6", long="3.2", description=description,
        )
        values.update(fields)
        # Side by side, gateways take turns, as behind a balancer.
        self.posts = getattr(self, "posts", 0) + 1
        gateways = self.settings.get("gateway_urls", [self.settings["gateway_url"]])
        request = urllib.request.Request(
            gateways[self.posts % len(gateways)] + "/requests.json", data=urllib.parse.urlencode(values).encode()
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def get(self, path):
        with urllib.request.urlopen(self.settings["gateway_url"] + path, timeout=10) as answer:
            return answer.read()

    def log(self):
        with open(os.path.join(self.home, "bus311.log"), encoding="utf-8", errors="replace") as file:
            return file.read()


def sql(city, text):
    """As the owner; what comes back, without the outer white space."""
    answer = subprocess.run(
        ["psql", "-qtAX", "-v", "ON_ERROR_STOP=1", "-d", city.settings["database_url"], "-c", text], check=True, timeout=30,
        stdout=subprocess.PIPE, text=True)
    return answer.stdout.strip()


def management(city, path, method="GET", body=None):
    """Asks the broker's management API as whoever makes tenants; the body of the answer."""
    with open(os.path.join(city.home, "settings.json"), encoding="utf-8") as file:
        broker = json.load(file)["bus311"]["broker"]
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, broker["management"], broker["provisionerUser"], broker["provisionerPassword"])
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
    request = urllib.request.Request(
        broker["management"] + path, data=json.dumps(body).encode() if body is not None else None, method=method,
        headers={"Content-Type": "application/json"})
    with opener.open(request, timeout=20) as answer:
        return answer.read()


def kill9(processes):
    """By their ids; who has ended meanwhile is left alone."""
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass


def wait_until(condition, seconds, what, every=0.1):
    """For what nobody tells of: asks again and again, every so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(every)
