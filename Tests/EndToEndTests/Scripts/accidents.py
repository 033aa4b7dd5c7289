"""Accidents under load, checked by a model that remembers every positive answer.

Vocabulary: lost = answered 200 and never delivered; unexpected = delivered and never asked for; duplicated = delivered more
than once; recovered = delivered although the answer was not positive. Lost and unexpected must be empty.
"""
import base64
import json
import os
import signal
import subprocess
import threading
import time
import urllib.parse
import urllib.request
import uuid

import pika
from city import PROGRAM, City, wait_until


class Model:
    def __init__(self):
        self.lock = threading.Lock()
        self.asked, self.answered, self.delivered = set(), set(), []

    def check(self):
        delivered = set(self.delivered)
        lost, unexpected = self.answered - delivered, delivered - self.asked
        result = dict(
            attempt=len(self.asked), acknowledged=len(self.answered), ok=len(delivered & self.answered), lost=len(lost),
            unexpected=len(unexpected), duplicated=len(self.delivered) - len(delivered),
            recovered=len(delivered - self.answered),
        )
        print(json.dumps(result), flush=True)
        assert not lost and not unexpected, result


def writer(city, model, stop):
    while not stop.is_set():
        marker = str(uuid.uuid4())
        with model.lock:
            model.asked.add(marker)
        try:
            code, _ = city.post(marker, timeout=20)
        except OSError:
            time.sleep(0.05)
            continue
        if code == 200:
            with model.lock:
                model.answered.add(marker)
        else:
            assert code == 503, code
            time.sleep(0.05)


def consumer(city, model, stop):
    """Consumes until told to stop, over every cut."""
    while not stop.is_set():
        try:
            connection = pika.BlockingConnection(pika.URLParameters(city.settings["amqp_uri"]))
            channel = connection.channel()
            channel.basic_qos(prefetch_count=100)
            for method, _, body in channel.consume(city.settings["request_queue"], inactivity_timeout=0.5):
                if method is not None:
                    with model.lock:
                        model.delivered.append(json.loads(body)["data"]["description"])
                    channel.basic_ack(method.delivery_tag)
                if stop.is_set():
                    connection.close()
                    return
        except (pika.exceptions.AMQPError, OSError):
            time.sleep(0.5)


def accident(city, name, action, seconds=4):
    model, writing, reading = Model(), threading.Event(), threading.Event()
    writers = [threading.Thread(target=writer, args=(city, model, writing)) for _ in range(4)]
    reader = threading.Thread(target=consumer, args=(city, model, reading))
    for thread in writers + [reader]:
        thread.start()
    time.sleep(1.5)
    print(f"accident: {name}", flush=True)
    action()
    time.sleep(seconds)
    before = len(model.answered)
    wait_until(lambda: len(model.answered) > before, 60, f"answers again after {name}")
    writing.set()
    for thread in writers:
        thread.join()
    try:
        wait_until(lambda: model.answered <= set(model.delivered), 90, f"everything delivered after {name}")
    finally:
        reading.set()
        reader.join()
        model.check()
    assert len(model.answered) > 50, "no load"


def frozen(city):
    """Every service stands still for a while, as under a debugger or a paused machine."""
    victims = list(city.processes("bus311 all"))
    for victim in victims:
        os.kill(victim, signal.SIGSTOP)
    time.sleep(8)
    for victim in victims:
        os.kill(victim, signal.SIGCONT)


def rabbitmqctl(city, *arguments):
    subprocess.run([os.path.join(city.home, "rabbitmq", "bin", "rabbitmqctl"), *arguments], check=True, timeout=60, stdout=subprocess.DEVNULL)


def memory_alarm(city):
    rabbitmqctl(city, "set_vm_memory_high_watermark", "0")
    time.sleep(3)
    rabbitmqctl(city, "set_vm_memory_high_watermark", "0.4")


def broker_delete(city, path):
    """As an operator's mistake: straight on the management API."""
    with open(os.path.join(city.home, "settings.json"), encoding="utf-8") as file:
        broker = json.load(file)["bus311"]["broker"]
    credentials = base64.b64encode(f"{broker['provisionerUser']}:{broker['provisionerPassword']}".encode()).decode()
    request = urllib.request.Request(
        broker["management"] + path, method="DELETE", headers={"Authorization": "Basic " + credentials}
    )
    urllib.request.urlopen(request, timeout=10).read()


def apply(city):
    """The repair that the documentation names."""
    subprocess.run(
        [PROGRAM, "tenant", "apply", city.settings["tenant"], "--config", os.path.join(city.home, "settings.json")],
        check=True, timeout=60,
    )


def exchange_deleted(city):
    broker_delete(city, f"/api/exchanges/open311/o311.{city.settings['tenant']}.out")
    time.sleep(3)
    apply(city)


def binding_removed(city):
    name = f"o311.{city.settings['tenant']}"
    key = urllib.parse.quote(f"{city.settings['tenant']}.service_request.#", safe="")
    broker_delete(city, f"/api/bindings/open311/e/{name}.out/q/{name}.requests/{key}")
    time.sleep(3)
    apply(city)


def main():
    with City() as city:
        accident(city, "kill -9 of every service", lambda: city.kill("bus311 all"))
        accident(city, "kill -9 of the broker", lambda: city.kill("beam.smp"))
        accident(city, "kill -9 of PostgreSQL", lambda: city.kill("postgresql"))
        assert "starting again" in city.said()
        accident(city, "every service frozen for 8 s", lambda: frozen(city))
        accident(city, "memory alarm", lambda: memory_alarm(city))
        accident(city, "binding removed", lambda: binding_removed(city))
        accident(city, "exchange deleted", lambda: exchange_deleted(city))
    print("accidents: 7 passed, 0 failed")


main()
