"""Accidents to everything at once, or to the servers that everything needs, on one installation."""
import base64
import json
import os
import signal
import subprocess
import time
import urllib.parse
import urllib.request

from city import PROGRAM, City, wait_until
from load import accident


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


def audited(city):
    """After all of that: a row for each request that was taken in, as it was or recovered, and one for each event that was settled."""
    def counts():
        subprocess.run([PROGRAM, "audit", "recover", "--config", os.path.join(city.home, "settings.json")], check=True, timeout=60,
                       stdout=subprocess.DEVNULL)
        done = subprocess.run(
            ["psql", "-XAtqd", city.settings["database_url"], "-c",
             "select (select count(*) from service_requests), (select count(distinct request_id) from audit where direction = 'in.http' "
             "and operation in ('POST requests', 'recovered')), (select count(*) from outbox where state = 'confirmed'), "
             "(select count(*) from audit where direction = 'out.amqp' and result = 'confirmed')"],
            check=True, timeout=60, stdout=subprocess.PIPE)
        return [int(count) for count in done.stdout.decode().strip().split("|")]

    def agree():
        requests, rows, events, settled = counts()
        return requests == rows > 0 and events == settled > 0

    try:
        wait_until(agree, 30, "the audit agrees")
    except AssertionError as error:
        raise AssertionError(f"{error}: requests, rows, events, rows of events: {counts()}") from None


def main():
    with City() as city:
        accident(city, "kill -9 of every service", lambda _: city.kill("bus311 all"))
        accident(city, "kill -9 of the broker", lambda _: city.kill("beam.smp"))
        accident(city, "kill -9 of PostgreSQL", lambda _: city.kill("postgresql"))
        assert "starting again" in city.said()
        accident(city, "every service frozen for 8 s", lambda _: frozen(city))
        accident(city, "memory alarm", lambda _: memory_alarm(city))
        accident(city, "binding removed", lambda _: binding_removed(city))
        accident(city, "exchange deleted", lambda _: exchange_deleted(city))
        audited(city)
    print("accidents: 8 passed, 0 failed")


main()
