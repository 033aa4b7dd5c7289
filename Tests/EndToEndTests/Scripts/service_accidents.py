"""Accidents to one service at a time, each service a process of its own, on one installation."""
import signal
import subprocess
import time

from city import City, wait_until
from load import accident
from services import Services

SHARDS = 8


def restart(service):
    service.kill()
    service.start()


def stop_all(services):
    for service in services.all[:3]:
        service.stop()
    for service in services.all[:3]:
        service.start()


def die_at(services, fail_point):
    """The relay that leads from now on dies by itself at its fail point, then an ordinary one takes over."""
    relay = services.relay
    relay.stop()
    relay.start(fail_point)
    assert relay.ends_by_itself(30) == -signal.SIGKILL
    relay.start()


def freeze(relay, other, load):
    """PostgreSQL ends the sessions of a process that says nothing: the other takes its shards, and it cannot settle any more."""
    relay.signal(signal.SIGSTOP)
    before = len(load.model.answered)
    wait_until(lambda: other.shards_led() == SHARDS, 35, "the other relay leads every shard")
    assert len(load.model.answered) > before + 50, "a frozen relay must not be noticed by the citizens"
    relay.signal(signal.SIGCONT)
    wait_until(lambda: "shard lost" in relay.log(), 15, "the frozen relay knows that it leads nothing")
    share(relay, other)


def take_over(leader, other):
    leader.kill()
    wait_until(lambda: other.shards_led() == SHARDS, 10, "the other relay leads every shard")


def share(*relays):
    wait_until(lambda: {relay.shards_led() for relay in relays} == {SHARDS / 2}, 20, "each relay leads half of the shards")


def outlive_session(city, leader, other):
    """The leader stands still, loses its database sessions, is succeeded, and goes on as if nothing had happened."""
    leader.signal(signal.SIGSTOP)
    subprocess.run(
        ["psql", "-qtAX", "-d", city.settings["database_url"], "-c",
         "select count(pg_terminate_backend(pid)) from pg_locks where locktype = 'advisory' and classid in (3111, 3112)"],
        check=True, timeout=30, stdout=subprocess.DEVNULL)
    wait_until(lambda: other.shards_led() == SHARDS, 15, "the other relay leads every shard")
    known = leader.log().count("shard lost")
    leader.signal(signal.SIGCONT)
    wait_until(lambda: leader.log().count("shard lost") > known, 15, "the old leader knows that it leads nothing")
    share(leader, other)


def main():
    with City(servers_only=True) as city, Services(city) as services:
        relay, second = services.relay, services.second_relay
        accident(city, "kill -9 of the gateway", lambda _: restart(services.gateway))
        accident(city, "kill -9 of status-ingest", lambda _: restart(services.status), sends_updates=True)
        accident(city, "every service told to stop", lambda _: stop_all(services), sends_updates=True)

        before = accident(city, "relay dead before it publishes", lambda _: die_at(services, "relay.before_publish"))
        assert before["duplicated"] == 0, before
        for place in ("relay.after_publish", "relay.before_settle"):
            after = accident(city, f"relay dead at {place}", lambda _, place=place: die_at(services, place))
            assert after["duplicated"] > 0, "what was published before the death is published again"

        second.start()
        share(relay, second)
        accident(city, "two relays, one frozen", lambda load: freeze(relay, second, load))
        accident(city, "two relays, one killed", lambda _: take_over(relay, second))
        relay.start()
        share(relay, second)
        accident(city, "two relays, one frozen without its sessions", lambda _: outlive_session(city, second, relay))
    print("accidents to single services: 9 passed, 0 failed")


main()
