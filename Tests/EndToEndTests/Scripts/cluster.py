"""Three broker nodes, two gateways and two relays: any one of them dies, freezes or is cut off, and nothing answered is lost.

BUS311_CLUSTER_ROUNDS=5 runs every accident five times.
"""
import json
import os
import random
import signal
import subprocess
import time

from brokers import CHECK, Brokers, Cut
from city import PROGRAM, REPOSITORY, City, wait_until
from documents import Reader
from documents_scene import Scene
from load import accident
from services import shards_led

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


def leader_killed(brokers):
    leader = brokers.leader()
    brokers.kill(leader)
    wait_until(lambda: (brokers.queue() or {}).get("leader") not in (None, leader.name), 30, "another node leads the queue")
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
    try:
        brokers.wait_until_whole(45)
    except AssertionError:
        # Mnesia, RabbitMQ's store before 4.3, now and then keeps a node apart from a network that is whole again. What must hold all the
        # same is that nothing is lost, and that the operator's remedy works: the node is started anew.
        print("the node stayed apart, and is started anew", flush=True)
        brokers.kill(leader)
        brokers.wait_until_whole()


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

        def suffer(name, action):
            nonlocal passed
            result = accident(city, name, action)
            assert result["deliveries_silent_s"] < 120, result
            passed += 1
            return result

        for _ in range(ROUNDS):
            suffer("kill -9 of a relay", lambda _: relay_lost(relays, signal.SIGKILL))
            suffer("a relay told to stop", lambda _: relay_lost(relays, signal.SIGTERM))
            suffer("kill -9 of the queue's leader", lambda _: leader_killed(brokers))
            suffer("the queue's leader frozen", lambda _: leader_frozen(brokers, 8 if ROUNDS == 1 else random.randint(5, 60)))
            suffer("the queue's leader cut off from the others", lambda _: cut_off(brokers))
            rolled = suffer("rolling restart of the three nodes", lambda _: rolling_restart(brokers))
            assert rolled["deliveries_silent_s"] <= 30, rolled
            suffer("two of three nodes killed", lambda load: two_down(city, brokers, load))
        alerts_told(city)
        # Its requests are not the model's.
        gateways_see_changes(city)
        commands_of_the_documents(city, brokers)
    print(f"cluster: {passed} passed, 0 failed, {time.monotonic() - started:.0f} s")


main()
