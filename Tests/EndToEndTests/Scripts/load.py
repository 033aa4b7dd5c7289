"""A load on a city, and a model that remembers every positive answer it gave.

Vocabulary: lost = answered 200 and never delivered; unexpected = delivered and never asked for; duplicated = delivered more
than once; recovered = delivered although the answer was not positive; overtaken = a later event of a request delivered before
the earlier one; forgotten = a status update answered 200 or 201 that the city does not show. Lost, unexpected, overtaken and
forgotten must be nothing, whatever happens.
"""
import http.client
import json
import queue
import random
import threading
import time
import urllib.error
import urllib.request
import uuid

import pika
from city import wait_until


def broker_addresses(settings):
    """One, or those of a cluster's nodes in shuffled order: pika tries them one after the other."""
    uris = list(settings.get("amqp_uris", [settings["amqp_uri"]]))
    random.shuffle(uris)
    options = "?heartbeat=6&socket_timeout=5&blocked_connection_timeout=300&stack_timeout=10" if len(uris) > 1 else ""
    return [pika.URLParameters(uri + options) for uri in uris]


class Model:
    def __init__(self):
        self.lock = threading.Lock()
        self.asked, self.answered, self.first_delivery = {}, {}, {}
        self.deliveries, self.overtaken = 0, 0
        self.sequences = {}
        self.noted = {}

    def delivered(self, event):
        data = event["data"]
        with self.lock:
            known = self.sequences.get(data["service_request_id"], 0)
            self.overtaken += data["sequence"] > known + 1
            self.sequences[data["service_request_id"]] = max(known, data["sequence"])
            if data["sequence"] != 1:
                return False
            self.deliveries += 1
            is_new = data["description"] not in self.first_delivery
            self.first_delivery.setdefault(data["description"], time.monotonic())
            return is_new

    def missing(self):
        with self.lock:
            return self.answered.keys() - self.first_delivery.keys()

    def first_answer_since(self, start):
        with self.lock:
            return min((at for at in self.answered.values() if at >= start), default=None)

    def first_delivery_since(self, start):
        """Of a request that was asked for since then."""
        with self.lock:
            return min(
                (at for marker, at in self.first_delivery.items() if self.asked.get(marker, 0) >= start), default=None)

    def outcome(self, shown):
        delivered = self.first_delivery.keys()
        return dict(
            attempt=len(self.asked), acknowledged=len(self.answered), ok=len(delivered & self.answered.keys()),
            lost=len(self.answered.keys() - delivered), unexpected=len(delivered - self.asked.keys()),
            duplicated=self.deliveries - len(delivered), recovered=len(delivered - self.answered.keys()),
            overtaken=self.overtaken, updates=len(self.noted),
            forgotten=sum(shown.get(request) != note for request, note in self.noted.items()),
        )


class Load:
    """Four apps that post, one CRM that consumes and, when asked for, two hands that send a status for what it consumed."""

    HANDS, ONE_IN = 2, 1

    def __init__(self, city, sends_updates=False):
        self.city, self.model = city, Model()
        self.writing, self.reading = threading.Event(), threading.Event()
        self.received = queue.Queue()
        self.failures = []
        self.writers = [self.thread(self.write) for _ in range(4)]
        self.readers = [self.thread(self.consume)]
        self.hands = [self.thread(self.update) for _ in range(self.HANDS if sends_updates else 0)]

    def thread(self, body):
        def guarded():
            try:
                body()
            except Exception as error:
                self.failures.append(error)
                raise

        return threading.Thread(target=guarded, daemon=True)

    def __enter__(self):
        for thread in self.writers + self.readers + self.hands:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop_writing()
        self.reading.set()
        for thread in self.readers + self.hands:
            thread.join()

    def stop_writing(self):
        self.writing.set()
        for thread in self.writers:
            thread.join()

    def write(self):
        while not self.writing.is_set():
            marker = str(uuid.uuid4())
            with self.model.lock:
                self.model.asked[marker] = time.monotonic()
            try:
                code, answer = self.city.post(marker, timeout=20)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
                continue
            if code == 200:
                self.answered(marker, answer[0]["service_request_id"])
            else:
                assert code == 503, code
                time.sleep(0.05)

    def answered(self, marker, number):
        with self.model.lock:
            self.model.answered[marker] = time.monotonic()

    def consume(self):
        def take(event, _):
            number = event["data"]["service_request_id"]
            if self.model.delivered(event) and int(number) % self.ONE_IN == 0:
                self.received.put(number)

        self.read_all("request_queue", take)

    def read_all(self, queue, take):
        """Until told to stop, over every cut."""
        while not self.reading.is_set():
            try:
                connection = pika.BlockingConnection(broker_addresses(self.city.settings))
                channel = connection.channel()
                channel.basic_qos(prefetch_count=100)
                for method, _, body in channel.consume(self.city.settings[queue], inactivity_timeout=0.5):
                    if method is not None:
                        take(json.loads(body), method.routing_key)
                        channel.basic_ack(method.delivery_tag)
                    if self.reading.is_set():
                        connection.close()
                        return
            except (pika.exceptions.AMQPError, OSError):
                time.sleep(0.5)

    def update(self):
        """As a CRM must: the same update again until it is answered; some once more, as when the answer was lost."""
        while not self.reading.is_set():
            try:
                request = self.received.get(timeout=0.2)
            except queue.Empty:
                continue
            note = str(uuid.uuid4())
            while not self.put_status(request, note):
                if self.reading.is_set():
                    return
                time.sleep(0.05)
            with self.model.lock:
                self.model.noted[request] = note
            if len(self.model.noted) % 10 == 0:
                self.put_status(request, note)
            self.received.task_done()

    def put_status(self, request, note):
        body = json.dumps(dict(status="IN_PROCESS", status_notes=note)).encode()
        call = urllib.request.Request(
            f"{self.city.settings['status_ingest_url']}/v1/service-requests/{request}/updates/{note}", method="PUT", data=body,
            headers={"Authorization": "Bearer " + self.city.settings["crm_token"], "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(call, timeout=20) as answer:
                return answer.status in (200, 201)
        except urllib.error.HTTPError as error:
            assert error.code == 503, error.read()
        except (OSError, http.client.HTTPException):
            pass
        return False

    def shown_notes(self):
        """What the city shows to everybody for the requests whose updates were answered."""
        requests, notes = list(self.model.noted), {}
        for start in range(0, len(requests), 50):
            some = ",".join(requests[start:start + 50])
            path = f"/requests.json?jurisdiction_id={self.city.settings['jurisdiction_id']}&service_request_id={some}"
            for request in json.loads(self.city.get(path)):
                notes[request["service_request_id"]] = request.get("status_notes")
        return notes


class BusLoad(Load):
    """The same with statuses over AMQP: an update is answered when its receipt has come. What the broker has confirmed is not sent again."""

    # A receipt's way through the outbox takes longer than an answer.
    HANDS, ONE_IN = 4, 4

    def __init__(self, city, sends_updates=True):
        super().__init__(city, sends_updates)
        self.receipts, self.lines, self.sent_again = {}, threading.local(), 0
        self.readers.append(self.thread(self.read_receipts))

    def read_receipts(self):
        def take(receipt, routing_key):
            self.receipts[receipt["data"]["update_id"]] = routing_key.rsplit(".", 1)[1]

        self.read_all("receipts_queue", take)

    def put_status(self, request, note):
        """Published and confirmed, then waited for as long as it takes."""
        body = json.dumps(dict(service_request_id=request, status="IN_PROCESS", status_notes=note)).encode()
        try:
            if not hasattr(self.lines, "channel"):
                self.lines.channel = pika.BlockingConnection(broker_addresses(self.city.settings)).channel()
                self.lines.channel.confirm_delivery()
            self.lines.channel.basic_publish(
                self.city.settings["status_exchange"], f"{self.city.settings['tenant']}.status_update.v1", body,
                pika.BasicProperties(message_id=note, delivery_mode=2, content_type="application/json"), mandatory=True)
        except (pika.exceptions.AMQPError, OSError):
            vars(self.lines).pop("channel", None)
            self.sent_again += 1
            return False
        while note not in self.receipts:
            if self.reading.is_set():
                return False
            # Answers the broker's heartbeats meanwhile; a connection that is lost is the next update's to find.
            try:
                self.lines.channel.connection.sleep(0.01)
            except (AttributeError, pika.exceptions.AMQPError, OSError):
                vars(self.lines).pop("channel", None)
                time.sleep(0.01)
        assert self.receipts[note] == "accepted", (request, note)
        return True


def accident(city, name, action, settle=2.0, sends_updates=False, kind=Load):
    """Runs the action under load, waits until everything answered is delivered, checks the model.

    Recovery is measured as the citizens and the CRM feel it: the longest silence between two answers, and between two
    deliveries, from the accident on.
    """
    print(f"accident: {name}", flush=True)
    with kind(city, sends_updates) as load:
        model = load.model
        wait_until(lambda: len(model.first_delivery) > 50, 30, "a load")
        start = time.monotonic()
        action(load)
        end = time.monotonic()
        wait_until(lambda: model.first_answer_since(end), 60, f"answers again after {name}")
        wait_until(lambda: model.first_delivery_since(end), 90, f"deliveries again after {name}")
        time.sleep(settle)
        load.stop_writing()
        try:
            wait_until(lambda: not model.missing(), 90, f"everything delivered after {name}")
            wait_until(lambda: not sends_updates or load.failures or not load.received.unfinished_tasks, 60, "every update answered")
            # A duplicate on its way must still be counted.
            time.sleep(0.5)
        finally:
            result = model.outcome(load.shown_notes())
            result["answers_silent_s"] = longest_gap(model.answered, start)
            result["deliveries_silent_s"] = longest_gap(model.first_delivery, start)
            print(json.dumps(result), flush=True)
    for fault in ("lost", "unexpected", "overtaken", "forgotten"):
        assert result[fault] == 0, result
    assert not load.failures, load.failures
    assert not sends_updates or result["updates"] > 0, result
    return result


def longest_gap(times, start):
    """In seconds, between two of the moments from `start` on."""
    moments = [start] + sorted(moment for moment in times.values() if moment >= start)
    return round(max((later - earlier for earlier, later in zip(moments, moments[1:])), default=0.0), 2)
