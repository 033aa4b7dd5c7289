"""Three broker nodes, two gateways and two relays: any one of them dies, freezes or is cut off, and nothing answered is lost.

BUS311_CLUSTER_ROUNDS=5 runs every accident five times.
"""
import concurrent.futures
import json
import os
import random
import signal
import ssl
import subprocess
import time
import urllib.parse

import pika
from brokers import CHECK, Brokers, Cut
from city import PROGRAM, REPOSITORY, City, wait_until
from documents import Reader
from documents_scene import Scene
from load import BusLoad, accident
from services import over_shards, shards_led

ROUNDS = int(os.environ.get("BUS311_CLUSTER_ROUNDS", "1"))
SHARDS = 8


def psql(city, text):
    return subprocess.run(
        ["psql", "-qtAX", "-d", city.settings["database_url"], "-c", text], check=True, timeout=30, text=True, capture_output=True).stdout.strip()


class Relays:
    """The two relays, told apart by the ports of their health pages."""

    def __init__(self, city):
        base = int(city.settings["health_url"].rsplit(":", 1)[1]) - 8
        self.city = city
        # The third and the fourth process, as DemoServices lists them.
        self.health = {name: f"http://127.0.0.1:{base + 13 + place}" for name, place in (("relay-1", 3), ("relay-2", 4))}

    def led(self, name):
        try:
            return shards_led(self.health[name])
        except OSError:
            return 0

    def share(self):
        return self.led("relay-1") == self.led("relay-2") == SHARDS / 2

    def connected(self):
        """The one that leads the city's shard has its connection, by its own word."""
        return sum(over_shards(health, "o311_relay_connection_state") for health in self.health.values()) == 1

    def pid(self, name):
        port = self.health[name].rsplit(":", 1)[1]
        for candidate in self.city.processes("bus311 relay"):
            with open(f"/proc/{candidate}/environ", encoding="utf-8", errors="replace") as file:
                if f"BUS311_HEALTH_PORT={port}\0" in file.read():
                    return candidate
        raise AssertionError(f"{name} does not run")


def relay_lost(relays, number):
    """One relay dies: the other leads every shard in time, and half of them again when the first is back."""
    victim, other = random.sample(["relay-1", "relay-2"], 2)
    os.kill(relays.pid(victim), number)
    start = time.monotonic()
    wait_until(lambda: relays.led(other) > SHARDS / 2, 35, "the other relay takes over")
    print(f"taken over after {time.monotonic() - start:.1f} s", flush=True)
    wait_until(relays.share, 30, "each relay leads its half again")


def leader_killed(city, brokers, relays):
    """With it goes the leader of the status queue and what the status consumer hangs on; the relays' connections stay."""
    status_queue = city.settings["status_exchange"] + "-in"
    # A relay that is still on its way back from an earlier accident could come to the very node that is chosen.
    wait_until(relays.connected, 60, "the relay is connected")
    consumer = brokers.node_of_status_consumer_alone()
    for queue in (city.settings["request_queue"], status_queue):
        brokers.transfer(queue, consumer)
    others = brokers.connections("svc.relay")
    start = time.monotonic()
    brokers.kill(consumer)
    for queue in (city.settings["request_queue"], status_queue):
        wait_until(lambda: (brokers.queue(queue) or {}).get("leader") not in (None, consumer.name), 30, f"another node leads {queue}")
    led = time.monotonic() - start
    wait_until(lambda: brokers.nodes_of("svc.status-ingest") - {consumer.name}, 30, "the status consumer has found another node")
    print(f"led by another after {led:.1f} s, the status consumer back after {time.monotonic() - start:.1f} s", flush=True)
    # The management of a node that has just lost another, or has just been started, tells of fewer for a while.
    wait_until(lambda: brokers.connections("svc.relay") >= others, 20, f"the relays' connections were not to be touched: {others}")
    brokers.wait_until_whole()


def leader_frozen(brokers, seconds):
    """As a paused virtual machine: silent, its connections open."""
    leader = brokers.leader()
    leader.signal(signal.SIGSTOP)
    time.sleep(seconds)
    leader.signal(signal.SIGCONT)
    brokers.wait_until_whole()


def cut_off(brokers):
    leader = brokers.leader()
    with Cut(brokers, leader) as cut:
        wait_until(cut.is_noticed, 60, "both sides know that they are apart, and the minority has stopped")
        time.sleep(2)
    start = time.monotonic()
    brokers.wait_until_whole()
    print(f"whole again {time.monotonic() - start:.1f} s after the cut was mended", flush=True)


def hang(node):
    """As a node hangs that comes back from a partition now and then: starting, and waiting for Erlang's `global` for ever."""
    node.program("rabbitmqctl", "eval", """
        sys:suspend(global_name_server), rabbit_boot_state:set(booting), spawn(fun() -> rabbit_node_monitor:global_sync() end), ok.""")


def rolling_restart(brokers):
    for node in brokers.nodes:
        brokers.restart(node)


def two_down(city, brokers, load):
    """No majority, no confirm: the outbox keeps what the citizens send, and all goes on by itself."""
    victims = random.sample(brokers.nodes, 2)
    pids = [node.pid() for node in victims]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    # A confirm that was on its way may still be settled.
    time.sleep(2)
    count = "select count(*) filter (where state = 'confirmed'), count(*) filter (where state = 'pending') from outbox"
    confirmed, pending = map(int, psql(city, count).split("|"))
    answered = len(load.model.answered)
    time.sleep(3)
    confirmed_later, pending_later = map(int, psql(city, count).split("|"))
    assert confirmed_later == confirmed, f"{confirmed_later - confirmed} confirms without a majority"
    assert len(load.model.answered) > answered + 20, "citizens must not notice"
    assert pending_later > pending, (pending, pending_later)
    print(f"two nodes down: {len(load.model.answered) - answered} answers, outbox {pending} → {pending_later}", flush=True)
    brokers.wait_until_whole(150)


def gateways_see_changes(city):
    """A key made by command opens both gateways, and once revoked neither."""
    def command(*arguments):
        done = subprocess.run(
            [PROGRAM, "key", *arguments, "--format", "json", "--config", os.path.join(city.home, "settings.json")], text=True,
            capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def open_gateways(key):
        answers = [city.post("Lampadaire éteint", api_key=key)[0] for _ in city.settings["gateway_urls"]]
        assert set(answers) <= {200, 403}, answers
        return answers.count(200)

    made = command("create", city.settings["tenant"], "--label", "both")
    wait_until(lambda: open_gateways(made["api_key"]) == 2, 10, "both gateways know the new key")
    command("revoke", city.settings["tenant"], made["id"])
    wait_until(lambda: open_gateways(made["api_key"]) == 0, 10, "both gateways know that it is revoked")


def policies_are_the_files(brokers):
    """On every node; and the comparison sees a change."""
    for node in brokers.nodes:
        assert brokers.policies_differ(node) == "", brokers.policies_differ(node)
    node = brokers.nodes[1]
    node.program("rabbitmqctl", "set_policy", "-p", "open311", "--apply-to", "queues", "o311-stray", r"^o311\.stray$", '{"max-length":1}')
    assert brokers.policies_differ(brokers.nodes[2]).startswith("o311-stray: "), "a changed policy must be told"
    subprocess.run(
        [os.path.join(os.path.dirname(CHECK), "apply.sh")], check=True, timeout=120, stdout=subprocess.DEVNULL,
        env=dict(os.environ, RABBITMQCTL=os.path.join(node.folder, "bin", "rabbitmqctl")))
    assert brokers.policies_differ(brokers.nodes[0]) == ""


def over_tls(city):
    """Every node's listener, with the authority that signed it and without; and one list of all three, as a vendor's client is given it."""
    uris, authority = city.settings["amqps_uris"], city.settings["ca_file"]
    assert len(uris) == 3 and city.settings["amqps_uri"] == uris[0], uris

    def node(uri):
        parts = urllib.parse.urlsplit(uri)
        shown = subprocess.run(
            ["openssl", "s_client", "-connect", f"localhost:{parts.port}", "-servername", "localhost", "-verify_hostname", "localhost",
             "-verify_return_error", "-CAfile", authority], input="", text=True, capture_output=True, timeout=30)
        assert shown.returncode == 0 and "Verify return code: 0 (ok)" in shown.stdout, shown
        trusting = pika.URLParameters(uri)
        trusting.ssl_options = pika.SSLOptions(ssl.create_default_context(cafile=authority), "localhost")
        connection = pika.BlockingConnection(trusting)
        connection.channel().queue_declare(city.settings["request_queue"], passive=True)
        connection.close()
        doubting = pika.URLParameters(uri)
        doubting.ssl_options = pika.SSLOptions(ssl.create_default_context(), "localhost")
        doubting.connection_attempts = 1
        try:
            pika.BlockingConnection(doubting).close()
            raise AssertionError("an authority that nobody trusts must be refused")
        except (pika.exceptions.AMQPError, OSError) as error:
            assert "certificate verify failed" in repr(error), repr(error)
        # librabbitmq, by Debian's amqp-tools. 2: the queue is empty.
        tools = ["amqp-get", f"--url={uri}", "--ssl", f"--cacert={authority}", "-q", city.settings["receipts_queue"]]
        assert subprocess.run(tools, capture_output=True, timeout=30).returncode in (0, 2), tools[-1]
        assert subprocess.run([*tools[:3], "--cacert=/etc/ssl/certs/ca-certificates.crt", *tools[4:]], capture_output=True,
                              timeout=30).returncode == 1, "librabbitmq must refuse it too"

    # Our own module, with the three in one address.
    parts = urllib.parse.urlsplit(uris[0])
    hosts = ",".join(f"localhost:{urllib.parse.urlsplit(uri).port}" for uri in uris)
    state = os.path.join(city.home, "vendor")
    os.mkdir(state)
    vendor = subprocess.Popen(
        [os.path.join(os.path.dirname(PROGRAM), "example-consumer")], stdout=subprocess.DEVNULL, cwd=state, env=dict(
            os.environ, STATE=state, QUEUE=city.settings["request_queue"], STATUS_EXCHANGE=city.settings["status_exchange"],
            AMQP_URI=f"amqps://{parts.username}:{parts.password}@{hosts}{parts.path}?cacertfile={authority}"))
    try:
        _, answer = city.post("Over TLS, by a list of three")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(node, uris))

        def shown():
            return json.loads(city.get(f"/requests/{answer[0]['service_request_id']}.json?jurisdiction_id={city.settings['jurisdiction_id']}"))

        wait_until(lambda: shown()[0].get("status_notes"), 30, "the vendor's consumer has received the request and sent a status")
    finally:
        vendor.send_signal(signal.SIGTERM)
        assert vendor.wait(30) == 0
    print("over TLS: three nodes by openssl, pika and librabbitmq, and a list of the three by the Swift example", flush=True)


def commands_of_the_documents(city, brokers):
    """Every command of the two pages that need three nodes, as documents.py does it for the others."""
    scene = Scene(city, PROGRAM)
    scene.environment["NODE"] = brokers.nodes[2].name
    for document in ("docs/operators/cluster.md", "docs/operators/upgrade.md"):
        reader = Reader(document, scene)
        os.symlink(os.path.join(REPOSITORY, "broker-config"), os.path.join(reader.folder, "broker-config"))
        reader.read()
        print(f"{document}: {reader.ran} commands", *reader.left_out, sep="\n  ", flush=True)


def alerts_told(city):
    """Of the nodes that were down meanwhile: raised, and over."""
    def over():
        return psql(city, "select string_agg(distinct code, ' ' order by code) from alerts where fired_at is not null and ended_at is not null"
                    " and code in ('NODE_DOWN', 'QUORUM_CRITICAL')") == "NODE_DOWN QUORUM_CRITICAL"

    wait_until(over, 60, "NODE_DOWN and QUORUM_CRITICAL were raised, and are over")
    print("alerts: NODE_DOWN and QUORUM_CRITICAL raised, and over", flush=True)


def main():
    started = time.monotonic()
    passed = 0
    os.environ["BUS311_ALERTS_INTERVAL"] = "1"
    os.environ["BUS311_ALERTS_RULES"] = ("NODE_DOWN.after=1s, NODE_DOWN.clear_after=2s, QUORUM_CRITICAL.after=1s, QUORUM_CRITICAL.clear_after=2s,"
                                         "BROKER_DOWN.clear_after=1s")
    with City(cluster=True) as city:
        brokers, relays = Brokers(city), Relays(city)
        print(f"three nodes after {time.monotonic() - started:.0f} s", flush=True)
        wait_until(lambda: len((brokers.queue() or {}).get("members", [])) == 3, 30, "the city's queue has three members")
        policies_are_the_files(brokers)
        wait_until(relays.share, 30, "each relay leads half of the shards")
        over_tls(city)

        by_bus = dict(sends_updates=True, kind=BusLoad)
        # More statuses, in the long run only: receipts make the shorter one much longer.
        more = by_bus if ROUNDS > 1 else None

        def suffer(name, action, statuses=None):
            nonlocal passed
            result = accident(city, name, action, **(statuses or {}))
            assert result["deliveries_silent_s"] < 120, result
            passed += 1
            return result

        for _ in range(ROUNDS):
            hanging = random.choice(brokers.nodes)
            hung = hanging.pid()
            hang(hanging)
            suffer("kill -9 of a relay", lambda _: relay_lost(relays, signal.SIGKILL))
            suffer("a relay told to stop", lambda _: relay_lost(relays, signal.SIGTERM))
            wait_until(lambda: hanging.pid() not in (None, hung), 60, "the node that hangs has ended itself, and was started anew")
            anew = time.monotonic()
            brokers.wait_until_whole()
            print(f"a node that hung on its way back was started anew, and whole {time.monotonic() - anew:.0f} s later", flush=True)
            lost = suffer("kill -9 of the queues' leader, which the status consumer hangs on", lambda _: leader_killed(city, brokers, relays), by_bus)
            assert lost["updates"] > 50, lost
            suffer("the queue's leader frozen", lambda _: leader_frozen(brokers, 8 if ROUNDS == 1 else random.randint(5, 60)))
            suffer("the queue's leader cut off from the others", lambda _: cut_off(brokers), more)
            before = psql(city, "select now()")
            suffer("rolling restart of the three nodes", lambda _: rolling_restart(brokers), more)
            gap = psql(city, "select max(gap) from (select extract(epoch from confirmed_at - lag(confirmed_at) over (order by confirmed_at)) as gap "
                             f"from outbox where confirmed_at >= '{before}') confirms")
            print(f"the broker confirmed nothing for {float(gap):.1f} s at the longest", flush=True)
            assert float(gap) <= 30, gap
            suffer("two of three nodes killed", lambda load: two_down(city, brokers, load))
        alerts_told(city)
        # A queue that nobody can count is neither purged nor deleted.
        assert psql(city, "select count(*) from queue_incidents where kind <> 'config_drift'") == "0"
        # Its requests are not the model's.
        gateways_see_changes(city)
        commands_of_the_documents(city, brokers)
    print(f"cluster: {passed} passed, 0 failed, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
