"""The city's side: what the kit publishes to a consumer and where it looks for the outcome.

It needs an installation that it may disturb, such as `bus311 demo`: it publishes with the relay's user and restarts the broker.
"""
import base64
import copy
import json
import os
import signal
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pika


def is_true_within(condition, seconds, pause=0.1):
    """Whether the condition comes to hold in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def wait_until(condition, seconds, what, pause=0.1):
    """Raises AssertionError with `what` when the condition does not hold in time."""
    assert is_true_within(condition, seconds, pause), f"not within {seconds} s: {what}"


class Bus:
    """One tenant of an installation.

    home: the folder of `bus311 demo`; tenant: the members of its demo.json that differ for another tenant.
    """

    def __init__(self, home, tenant=None):
        self.home = home
        with open(os.path.join(home, "demo.json"), encoding="utf-8") as file:
            self.settings = {**json.load(file), **(tenant or {})}
        with open(os.path.join(home, "settings.json"), encoding="utf-8") as file:
            self.broker = json.load(file)["bus311"]["broker"]
        self.tenant = self.settings["tenant"]
        self.user = urllib.parse.unquote(urllib.parse.urlsplit(self.settings["amqp_uri"]).username)

    # MARK: AMQP

    def connect(self, uri):
        return pika.BlockingConnection(pika.URLParameters(uri))

    def publish(self, *messages):
        """Each a pair of event and properties, or of bytes and properties; all are confirmed by the broker when this returns."""
        connection = self.connect(self.broker["relay"])
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            for event, properties in messages:
                body = event if isinstance(event, bytes) else json.dumps(event, ensure_ascii=False).encode()
                kind = (properties.type or "service_request.created.v1").rsplit(".", 1)[0]
                channel.basic_publish(f"o311.{self.tenant}.out", f"{self.tenant}.{kind}", body, properties, mandatory=True)
        finally:
            connection.close()

    def depth(self):
        """What the broker counts now: message_count of those that nobody holds, and consumer_count."""
        connection = self.connect(self.settings["amqp_uri"])
        try:
            return connection.channel().queue_declare(self.settings["request_queue"], passive=True).method
        finally:
            connection.close()

    def ready(self):
        """Messages of the request queue that nobody holds."""
        return self.depth().message_count

    def take(self, count):
        """That many (event, properties) out of the request queue, before a consumer is there."""
        connection = self.connect(self.settings["amqp_uri"])
        taken = []
        try:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=50)
            for method, properties, body in channel.consume(self.settings["request_queue"], inactivity_timeout=30):
                assert method is not None, f"{len(taken)} events of {count} within 30 s: does the relay run?"
                channel.basic_ack(method.delivery_tag)
                if properties.type == "service_request.created.v1":
                    taken.append((json.loads(body), properties))
                if len(taken) == count:
                    return taken
        finally:
            connection.close()

    def dead(self):
        """Takes every body there is in the tenant's dead queue."""
        connection = self.connect(self.broker["redrive"])
        bodies = []
        try:
            channel = connection.channel()
            while True:
                method, _, body = channel.basic_get(self.settings["dead_queue"])
                if method is None:
                    return bodies
                bodies.append(body)
                channel.basic_ack(method.delivery_tag)
        finally:
            connection.close()

    # MARK: HTTP

    def management(self, method, path):
        login = base64.b64encode(f"{self.broker['provisionerUser']}:{self.broker['provisionerPassword']}".encode()).decode()
        request = urllib.request.Request(
            self.broker["management"] + path, method=method, headers={"Authorization": "Basic " + login})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def connections(self):
        """The tenant's own, as the broker's operator sees them."""
        return [each for each in self.management("GET", "/api/connections") if each.get("user") == self.user]

    def close_connections(self):
        """As an operator does; returns how many were closed."""
        closed = 0
        for each in self.connections():
            try:
                self.management("DELETE", "/api/connections/" + urllib.parse.quote(each["name"], safe=""))
                closed += 1
            except urllib.error.HTTPError as error:
                if error.code != 404:  # the list is some seconds old
                    raise
        return closed

    def post(self, description):
        """A citizen's request; returns its number."""
        form = urllib.parse.urlencode(dict(
            jurisdiction_id=self.settings["jurisdiction_id"], api_key=self.settings["api_key"], service_code="LAMP",
            lat="43.6", long="3.2", description=description))
        with urllib.request.urlopen(self.settings["gateway_url"] + "/requests.json", form.encode(), timeout=10) as answer:
            return json.load(answer)[0]["service_request_id"]

    def answered(self, requests):
        """Those of the requests to which a citizen sees the CRM's answer."""
        query = urllib.parse.urlencode(dict(
            jurisdiction_id=self.settings["jurisdiction_id"], service_request_id=",".join(requests)))
        with urllib.request.urlopen(f"{self.settings['gateway_url']}/requests.json?{query}", timeout=10) as answer:
            return {each["service_request_id"] for each in json.load(answer) if each["status_notes"]}

    # MARK: The broker

    def restart_broker(self):
        """Ends the broker; the demonstration starts it again. Returns when it takes logins."""
        path = os.path.join(self.home, "rabbitmq", "rabbitmq.pid")
        with open(path, encoding="utf-8") as file:
            pid = int(file.read().split()[0])
        os.kill(pid, signal.SIGKILL)

        def is_back():
            try:
                with open(path, encoding="utf-8") as file:
                    if int(file.read().split()[0]) == pid:
                        return False
                self.connect(self.settings["amqp_uri"]).close()
                return True
            except (OSError, ValueError, IndexError, pika.exceptions.AMQPError):
                return False

        wait_until(is_back, 120, "the broker is back", 0.3)


def variant(message, sequence=None, kind="service_request.updated.v1", **changes):
    """Another event about the request of `message`: a new id, and the changes in its data."""
    event, properties = copy.deepcopy(message)
    prefix = event["type"].removesuffix(properties.type)
    event["id"] = properties.message_id = str(uuid.uuid4())
    event["type"], properties.type = prefix + kind, kind
    if sequence is not None:
        event["data"]["sequence"], event["sequence"] = sequence, str(sequence)
    if kind == "service_request.updated.v1":
        event["data"]["changed"] = ["description"]
    event["data"].update(changes)
    return event, properties


def of_epoch(message, epoch):
    """The same event as the bus sends it after a restore from a backup."""
    event, properties = message
    event["source"] += f"-e{epoch}"
    properties.headers = {**(properties.headers or {}), "ce-source": event["source"]}
    return event, properties
