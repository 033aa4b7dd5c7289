"""The parts of the benchmark: our services as processes, wrk, pgbench and the plain programs, each giving numbers."""
import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
BUILT = os.path.join(REPOSITORY, ".build", "release")
os.environ.setdefault("BUS311_PROGRAM", os.path.join(BUILT, "bus311"))
sys.path.insert(0, os.path.join(REPOSITORY, "Tests", "EndToEndTests", "Scripts"))
from city import PROGRAM, City, free_base, wait_until  # noqa: E402,F401  (the program's name is read when the module is)


class Service:
    """One service of ours in its own process."""

    def __init__(self, city, name):
        self.health = f"http://127.0.0.1:{free_base()}"
        environment = dict(
            os.environ, BUS311_CONFIG=os.path.join(city.home, "settings.json"), BUS311_HEALTH_PORT=self.health.rsplit(":", 1)[1],
            # Counted, and far away.
            BUS311_GATEWAY_KEY_LIMIT=str(10**9), BUS311_GATEWAY_ADDRESS_LIMIT=str(10**9),
        )
        self.log = open(os.path.join(city.folder.name, f"{name}.log"), "ab")
        self.process = subprocess.Popen([PROGRAM, name], env=environment, cwd=city.folder.name, stdout=self.log, stderr=self.log)
        self.name = name

    def __enter__(self):
        wait_until(lambda: answers(self.health + "/health/ready"), 30, f"{self.name} is ready")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()

    def resident_megabytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) / 1024


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, capture_output=True, timeout=300, **options).stdout


def wrk(url, seconds, connections, *arguments):
    """The load as wrk saw it; a refused or broken request makes the figure worthless."""
    said = run(
        "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", os.path.join(HERE, "load.lua"), url, *(["--", *arguments] if arguments else [])
    )
    result = json.loads(said.strip().splitlines()[-1])
    assert result["refused"] == 0 and result["broken"] == 0, result
    result["rate"] = result["requests"] / result["seconds"]
    return result


def form_fields(city):
    return f"api_key={city.settings['api_key']}&jurisdiction_id={city.settings['jurisdiction_id']}"


def post(city, seconds, connections, pause=0):
    return wrk(city.settings["gateway_url"] + "/requests.json", seconds, connections, form_fields(city), str(pause))


def psql(city, text, database="bus311"):
    return run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", database_url(city, database), "-c", text).strip()


def database_url(city, database):
    return city.settings["database_url"].rsplit("/", 1)[0] + "/" + database


def make_baseline_database(city):
    """The same tables on the same server, in a database that no service of ours reads."""
    psql(city, "create database baseline")
    for name in sorted(os.listdir(os.path.join(REPOSITORY, "migrations"))):
        if name.endswith(".sql"):
            run("psql", "-Xq", "-v", "ON_ERROR_STOP=1", database_url(city, "baseline"), "-f", os.path.join(REPOSITORY, "migrations", name))
    psql(city, "select bus311_make_partitions()", "baseline")


def pgbench(city, clients, seconds, event_bytes):
    """Transactions per second and their mean in milliseconds: one transaction per request, two rows."""
    psql(city, "truncate service_requests, outbox; checkpoint", "baseline")
    said = run(
        "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(seconds), "-D", "c=0",
        "-D", "month=" + time.strftime("%y%m", time.gmtime()), "-D", f"bytes={event_bytes}",
        "-f", os.path.join(HERE, "two-rows.sql"), database_url(city, "baseline"),
    )
    return float(re.search(r"tps = ([\d.]+)", said)[1]), float(re.search(r"latency average = ([\d.]+)", said)[1])


@contextlib.contextmanager
def consumer(city, queue, count, prefetch=256):
    """plain-amqp taking from the queue; its result is in the list when the block ends."""
    process = subprocess.Popen(
        [os.path.join(BUILT, "plain-amqp"), "consume", city.settings["amqp_uri"], queue, str(count), str(prefetch)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    result = {}
    assert process.stderr.readline() == "consuming\n", process.stderr.read()
    try:
        yield result
        said, complaints = process.communicate(timeout=120)
        assert process.returncode == 0, complaints
        result.update(json.loads(said))
    finally:
        process.kill()


@contextlib.contextmanager
def bare_route(city, body, content_type):
    """A bare Hummingbird route answering these bytes."""
    path = os.path.join(city.folder.name, "bare-body")
    with open(path, "wb") as file:
        file.write(body)
    port = free_base()
    process = subprocess.Popen([os.path.join(BUILT, "bare-route"), str(port), path, content_type], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/x"), 10, "the bare route answers")
        yield f"http://127.0.0.1:{port}/x"
    finally:
        process.terminate()
        process.wait(10)
