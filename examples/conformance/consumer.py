"""A vendor's consumer as a process: started, frozen, killed and stopped, and asked what it has stored."""
import contextlib
import os
import signal
import sqlite3
import subprocess
import urllib.parse

from .bus import wait_until
from .proxy import Proxy


def through(host, proxy, uri):
    """The broker's address by way of the proxy."""
    return uri._replace(netloc=f"{uri.netloc.rsplit('@', 1)[0]}@{host}:{proxy.port}").geturl()


class Consumer:
    """One command line with a state folder of its own. Its connection to the broker passes through a proxy.

    state_command: prints a line `request-number sequence changes` for each request stored; nil reads `crm.sqlite3` in the folder.
    """

    def __init__(self, bus, command, folder, state_command=None):
        self.bus, self.command, self.folder, self.state_command = bus, command, folder, state_command
        os.makedirs(folder, exist_ok=True)
        uri = urllib.parse.urlsplit(bus.settings["amqp_uri"])
        self.proxy = Proxy(uri.hostname, uri.port)
        self.environment = dict(
            os.environ,
            AMQP_URI=through("127.0.0.1", self.proxy, uri),
            QUEUE=bus.settings["request_queue"],
            STATUS_EXCHANGE=bus.settings["status_exchange"],
            CRM_TOKEN=bus.settings["crm_token"],
            STATE=folder,
        )
        self.environment.pop("AMQP_CA_FILE", None)
        self.log = open(os.path.join(folder, "consumer.log"), "ab")
        self.process, self.said_before = None, 0
        self.never_consumed = True

    # MARK: The process

    def start(self):
        """Starts it when it does not run, and waits until it consumes."""
        if self.process is None or self.process.poll() is not None:
            self.launch()
        wait_until(self.consumes, 60, f"a consumer of {self.bus.settings['request_queue']}\n{self.said()}")
        self.never_consumed = False

    def launch(self):
        """Starts it, and waits for nothing."""
        self.said_before = os.path.getsize(self.log.name)
        self.process = subprocess.Popen(
            self.command, env=self.environment, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, start_new_session=True)

    @contextlib.contextmanager
    def secure(self, host="localhost", authority=True):
        """Whoever is started inside is given an amqps address, by that name of this machine, and the city's authority or none.

        Yields the proxy on the way. The city's certificate is for localhost and 127.0.0.1.
        """
        settings = self.bus.settings
        assert settings.get("amqps_uri"), "the demonstration speaks no TLS: start it anew with this version's `bus311 demo`"
        uri = urllib.parse.urlsplit(settings["amqps_uri"])
        proxy = Proxy(uri.hostname, uri.port, "127.0.0.1" if host == "localhost" else host)
        before = self.environment
        self.environment = dict(before, AMQP_URI=through(host, proxy, uri), **({"AMQP_CA_FILE": settings["ca_file"]} if authority else {}))
        try:
            yield proxy
        finally:
            self.environment = before
            proxy.close()

    def consumes(self):
        code = self.process.poll()
        assert code is None, f"the consumer ended by itself with {code}:\n{self.said()}"
        return self.bus.depth().consumer_count > 0

    def consumers(self):
        """What the broker's operator sees of those who consume the queue; some seconds old."""
        queue = self.bus.settings["request_queue"]
        return [each for each in self.bus.management("GET", "/api/consumers/open311") if each["queue"]["name"] == queue]

    def freeze(self):
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        os.killpg(self.process.pid, signal.SIGCONT)

    def kill(self):
        """As a crash: nothing of it gets to finish anything."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait(10)
        self.proxy.cut()

    def terminate(self, seconds=30):
        """As systemd or an operator does; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it still runs {seconds} s after SIGTERM:\n{self.said()}") from None

    def close(self):
        self.kill()
        self.proxy.close()
        self.log.close()

    def said(self):
        """The end of what it printed since it was started."""
        with open(self.log.name, "rb") as file:
            file.seek(self.said_before)
            return file.read()[-1000:].decode(errors="replace")

    # MARK: Its database

    def stored(self):
        """number -> (sequence, changes) of every request that it has stored."""
        if self.state_command:
            answer = subprocess.run(
                self.state_command, shell=True, env=self.environment, stdout=subprocess.PIPE, timeout=30, check=True).stdout.decode()
            rows = [line.split() for line in answer.splitlines()]
        else:
            path = os.path.join(self.folder, "crm.sqlite3")
            if not os.path.exists(path):
                return {}
            database = sqlite3.connect(path, timeout=10)
            try:
                rows = database.execute("select id, sequence, changes from requests").fetchall()
            except sqlite3.OperationalError:  # it is just being made
                rows = []
            finally:
                database.close()
        return {str(number): (int(sequence), int(changes)) for number, sequence, changes in rows}

    @contextlib.contextmanager
    def locked(self):
        """Meanwhile it can neither read nor write its database: somebody else holds crm.sqlite3."""
        database = sqlite3.connect(os.path.join(self.folder, "crm.sqlite3"), timeout=10, isolation_level=None)
        try:
            database.execute("begin exclusive")
            yield
            database.execute("rollback")
        finally:
            database.close()

    def wait_for(self, number, sequence=1, seconds=45):
        wait_until(
            lambda: self.stored().get(number, (0, 0))[0] >= sequence, seconds,
            f"request {number} with sequence {sequence} in the consumer's store")

    def files_with(self, text):
        """Names of the files in its state folder that hold the text."""
        found = []
        for folder, _, names in os.walk(self.folder):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    if text.encode() in file.read():
                        found.append(os.path.relpath(file.name, self.folder))
        return found
