"""What citizens and CRMs do in a soak, and the model that remembers every answer and every delivery.

lost = answered and never delivered; doubled = one request that was sent more than once and stored more than once; strange = delivered and
never asked for, or to another city; overtaken = a first delivery out of its request's order; forgotten = a status that was answered and
is not shown. All must be 0.
"""
import http.client
import json
import math
import queue
import random
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pika
import pictures
from photobench import multipart

# Requests a second at the busiest hour.
PEAK = 25
WRITERS, HANDS = 6, 4


def curve(hour):
    """A day's share of the peak, 0 to 1: nearly nothing at night, most before noon, less in the evening."""
    morning = math.exp(-((hour - 10.5) / 2.6) ** 2)
    afternoon = 0.8 * math.exp(-((hour - 16.5) / 3.0) ** 2)
    return min(1.0, 0.03 + morning + afternoon)


class Model:
    def __init__(self):
        self.lock = threading.Lock()
        # Marker → city, for what was sent; marker → number, for what was answered.
        self.asked, self.answered = {}, {}
        # Marker → how often delivered first; number → last sequence.
        self.delivered, self.sequences = {}, {}
        self.strange = self.overtaken = self.repeated = self.again = self.photos = 0
        # Number → the note that was answered last.
        self.noted, self.statuses = {}, 0
        self.attempts = self.refused = 0
        self.receipts = set()

    def event(self, tenant, event):
        """Gives the request's number when it is new."""
        data = event["data"]
        # Some events are not of one request.
        if "sequence" not in data:
            return None
        number, sequence = data["service_request_id"], data["sequence"]
        with self.lock:
            if number not in self.sequences and event["type"].endswith(".service_request.erased.v1"):
                # Of the past that retention ends: its beginning was not seen.
                return None
            known = self.sequences.get(number, 0)
            self.overtaken += sequence > known + 1
            self.repeated += sequence <= known
            self.sequences[number] = max(known, sequence)
            marker = data.get("description")
            if not event["source"].endswith("/" + tenant.key) or marker and self.asked.get(marker) != tenant.key:
                self.strange += 1
            if sequence != 1 or not event["type"].endswith(".service_request.created.v1"):
                return None
            self.delivered[marker] = self.delivered.get(marker, 0) + 1
            return number if self.delivered[marker] == 1 else None

    def missing(self):
        with self.lock:
            return self.answered.keys() - self.delivered.keys()


class Traffic:
    def __init__(self, world):
        self.world, self.model = world, Model()
        self.writing, self.reading = threading.Event(), threading.Event()
        self.failures = []
        self.due = queue.PriorityQueue()
        self.photo = pictures.photo(320, 240)
        self.silent = world.tenants[-1]
        self.is_silent = threading.Event()
        self.threads = [self.thread(self.write) for _ in range(WRITERS)]
        self.readers = [self.thread(self.consume, tenant) for tenant in world.tenants]
        self.readers += [self.thread(self.receipts, tenant) for tenant in world.tenants]
        self.readers += [self.thread(self.answer) for _ in range(HANDS)]

    def thread(self, body, *arguments):
        def guarded():
            try:
                body(*arguments)
            except Exception as error:
                self.failures.append(repr(error))
                print(f"soak: {body.__name__} ended: {error!r}", file=sys.stderr, flush=True)

        return threading.Thread(target=guarded, daemon=True)

    def start(self):
        for thread in self.threads + self.readers:
            thread.start()

    def stop_writing(self):
        self.writing.set()
        for thread in self.threads:
            thread.join(90)

    def stop(self):
        self.stop_writing()
        self.reading.set()
        for thread in self.readers:
            thread.join(30)

    # The citizens' side.

    def write(self):
        chance = random.Random()
        while not self.writing.is_set():
            rate = PEAK * curve(self.world.clock.now().hour + self.world.clock.now().minute / 60) / WRITERS
            if self.writing.wait(min(5, chance.expovariate(rate))):
                return
            # Few citizens write to the silent one, and the others share the rest.
            tenant = chance.choices(self.world.tenants, [4, 3, 2, 2, 1])[0]
            marker = str(uuid.uuid4())
            with self.model.lock:
                self.model.asked[marker] = tenant.key
            self.post(tenant, marker, chance)

    def post(self, tenant, marker, chance):
        """As an app must: the same again, with its own name for it, until it is answered."""
        fields = dict(jurisdiction_id=tenant.jurisdiction, api_key=tenant.api_key, service_code="LAMP", description=marker,
                      client_request_id=marker, lat=f"43.{chance.randrange(10000, 99999)}", long=f"3.{chance.randrange(10000, 99999)}")
        if chance.random() < 0.1:
            fields.update(first_name="Zoé", email="zoe@citizen.example")
        has_photo = chance.random() < 0.03
        if has_photo:
            body, kind = multipart(fields, [("media", "a.jpg", self.photo)]), "multipart/form-data; boundary=zz9"
        else:
            body, kind = urllib.parse.urlencode(fields).encode(), "application/x-www-form-urlencoded"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            self.model.attempts += 1
            request = urllib.request.Request(chance.choice(self.world.gateways) + "/requests.json", data=body, headers={"Content-Type": kind})
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    number = json.load(answer)[0]["service_request_id"]
                with self.model.lock:
                    self.model.answered[marker] = number
                    self.model.photos += has_photo
                return
            except urllib.error.HTTPError as error:
                said = error.read()
                if error.code not in (500, 503, 507, 429):
                    raise AssertionError(f"{error.code} {said[:300]}") from None
                self.model.refused += 1
            except (OSError, http.client.HTTPException, ValueError):
                pass
            self.model.again += 1
            time.sleep(0.3)

    # The CRM's side.

    def consume(self, tenant):
        """Until told to stop, over every cut; the silent one hangs up for a while."""
        chance = random.Random()
        while not self.reading.is_set():
            if tenant is self.silent and self.is_silent.is_set():
                time.sleep(0.2)
                continue
            try:
                connection = pika.BlockingConnection(self.address(tenant))
                channel = connection.channel()
                channel.basic_qos(prefetch_count=50)
                for method, _, body in channel.consume(tenant.queue(), inactivity_timeout=0.5):
                    if method is not None:
                        number = self.model.event(tenant, json.loads(body))
                        # Committed, then acknowledged: a status is owed for half of them, later.
                        if number and chance.random() < 0.5:
                            self.due.put((time.monotonic() + chance.uniform(0.5, 20), number, tenant, "IN_PROCESS"))
                        channel.basic_ack(method.delivery_tag)
                    if self.reading.is_set() or tenant is self.silent and self.is_silent.is_set():
                        break
                connection.close()
            except (pika.exceptions.AMQPError, OSError):
                time.sleep(0.5)

    @staticmethod
    def address(tenant):
        address = pika.URLParameters(tenant.amqp)
        address.heartbeat, address.socket_timeout, address.blocked_connection_timeout = 10, 5, 300
        return address

    def receipts(self, tenant):
        while not self.reading.is_set():
            try:
                connection = pika.BlockingConnection(self.address(tenant))
                channel = connection.channel()
                for method, _, body in channel.consume(tenant.queue("receipts"), inactivity_timeout=0.5):
                    if method is not None:
                        if method.routing_key.endswith(".accepted"):
                            self.model.receipts.add(json.loads(body)["data"]["update_id"])
                        channel.basic_ack(method.delivery_tag)
                    if self.reading.is_set():
                        break
                connection.close()
            except (pika.exceptions.AMQPError, OSError):
                time.sleep(0.5)

    def answer(self):
        """Sends the statuses that are due: two cities over AMQP, the others by REST, each until it is answered."""
        lines = {}
        while not self.reading.is_set():
            try:
                item = self.due.get(timeout=0.3)
            except queue.Empty:
                continue
            moment, number, tenant, status = item
            if moment > time.monotonic():
                self.due.put(item)
                time.sleep(0.05)
                continue
            by_bus = self.world.tenants.index(tenant) in (1, 2)
            note = str(uuid.uuid4())
            while not (self.publish(lines, tenant, number, note, status) if by_bus else self.put(tenant, number, note, status)):
                if self.reading.is_set():
                    return
                time.sleep(0.3)
            with self.model.lock:
                self.model.noted[number] = (tenant, note)
                self.model.statuses += 1
            if status == "IN_PROCESS" and random.random() < 0.6:
                self.due.put((time.monotonic() + random.uniform(0.5, 20), number, tenant, "closed"))

    def put(self, tenant, number, note, status):
        call = urllib.request.Request(
            f"{self.world.city.settings['status_ingest_url']}/v1/service-requests/{number}/updates/{note}", method="PUT",
            data=json.dumps(dict(status=status, status_notes=note)).encode(),
            headers={"Authorization": "Bearer " + tenant.token, "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(call, timeout=20) as answer:
                return answer.status in (200, 201)
        except urllib.error.HTTPError as error:
            said = error.read()
            assert error.code in (500, 503), (error.code, said)
        except (OSError, http.client.HTTPException):
            pass
        return False

    def publish(self, lines, tenant, number, note, status):
        """Confirmed by the broker, then its receipt is waited for; not sent again in between."""
        try:
            if tenant.key not in lines:
                lines[tenant.key] = pika.BlockingConnection(self.address(tenant)).channel()
                lines[tenant.key].confirm_delivery()
            lines[tenant.key].basic_publish(
                tenant.queue("status"), f"{tenant.key}.status_update.v1",
                json.dumps(dict(service_request_id=number, status=status, status_notes=note)).encode(),
                pika.BasicProperties(message_id=note, delivery_mode=2, content_type="application/json"), mandatory=True)
        except (pika.exceptions.AMQPError, OSError):
            lines.pop(tenant.key, None)
            return False
        while note not in self.model.receipts:
            if self.reading.is_set():
                return False
            for key, channel in list(lines.items()):
                try:
                    channel.connection.process_data_events(0)
                except (pika.exceptions.AMQPError, OSError, AttributeError):
                    lines.pop(key, None)
            time.sleep(0.02)
        return True

    # The end.

    def forgotten(self):
        """Statuses that were answered and are not what everybody is shown."""
        wrong = 0
        by_tenant = {}
        for number, (tenant, note) in self.model.noted.items():
            by_tenant.setdefault(tenant, []).append((number, note))
        for tenant, notes in by_tenant.items():
            for start in range(0, len(notes), 50):
                some = dict(notes[start:start + 50])
                path = f"/requests.json?jurisdiction_id={tenant.jurisdiction}&api_key={tenant.api_key}&service_request_id={','.join(some)}"
                with urllib.request.urlopen(self.world.gateways[0] + path, timeout=30) as answer:
                    shown = {request["service_request_id"]: request.get("status_notes") for request in json.load(answer)}
                wrong += sum(shown.get(number) != note for number, note in some.items())
        return wrong
