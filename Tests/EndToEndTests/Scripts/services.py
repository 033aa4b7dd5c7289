"""Each service as a process of its own, with its own port and only its own secrets: as in production."""
import json
import os
import re
import signal
import subprocess
import urllib.request

from city import PROGRAM, wait_until

# What each may know: the database roles and the broker's addresses that its settings file keeps.
SECRETS = {
    "gateway": dict(database=["ingest", "gateway"], broker=[]),
    "status-ingest": dict(database=["status"], broker=["status"]),
    "relay": dict(database=["relay"], broker=["relay"]),
}


def over_shards(health, gauge):
    """The sum of a relay's gauge over its shards."""
    with urllib.request.urlopen(health + "/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(rf'^{gauge}\{{[^}}]*\}} (\S+)$', text, re.MULTILINE))


def shards_led(health):
    """By the relay's own metrics."""
    return over_shards(health, "o311_relay_leader")


class Service:
    """A process that is killed and started again by the tests; its log outlives it."""

    def __init__(self, city, command, name, health_port):
        self.city, self.command, self.name, self.process = city, command, name, None
        self.health = f"http://127.0.0.1:{health_port}"
        with open(os.path.join(city.home, "settings.json"), encoding="utf-8") as file:
            settings = json.load(file)
        for section, kept in SECRETS[command].items():
            settings["bus311"][section] = {key: settings["bus311"][section][key] for key in kept}
        settings["bus311"]["health"]["port"] = health_port
        self.settings = os.path.join(city.home, name + ".json")
        with open(os.open(self.settings, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            json.dump(settings, file)

    def start(self, fail_point=None):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("BUS311_")}
        if fail_point:
            environment["BUS311_FAILPOINT"] = fail_point
        with open(os.path.join(self.city.home, self.name + ".log"), "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [PROGRAM, self.command, "--config", self.settings], env=environment, cwd=self.city.home, stdout=log,
                stderr=subprocess.STDOUT)
        if fail_point is None:
            wait_until(self.lives, 30, f"{self.name} lives")

    def lives(self):
        assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}: {self.log()[-2000:]}"
        try:
            with urllib.request.urlopen(self.health + "/health/live", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def log(self):
        with open(os.path.join(self.city.home, self.name + ".log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        assert self.process.wait(10) == -signal.SIGKILL

    def ends_by_itself(self, seconds):
        return self.process.wait(seconds)

    def stop(self):
        """As an operator does: what is under way ends, then the process with 0."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGTERM)
            code = self.process.wait(25)
            assert code == 0, f"{self.name} ended with {code}: {self.log()[-2000:]}"

    def shards_led(self):
        return shards_led(self.health)


class Services:
    """The gateway, status-ingest and two relays of a city; all but the second relay are started."""

    def __init__(self, city):
        ports = iter(city.spare_ports)
        self.gateway = Service(city, "gateway", "gateway", next(ports))
        self.status = Service(city, "status-ingest", "status-ingest", next(ports))
        self.relay = Service(city, "relay", "relay-1", next(ports))
        self.second_relay = Service(city, "relay", "relay-2", next(ports))
        self.all = [self.gateway, self.status, self.relay, self.second_relay]

    def __enter__(self):
        for service in self.all[:3]:
            service.start()
        return self

    def __exit__(self, kind, *_):
        for service in self.all:
            if kind is None:
                service.stop()
            elif service.process is not None and service.process.poll() is None:
                # A frozen one would not hear anything else.
                service.kill()
