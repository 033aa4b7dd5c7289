"""What goes wrong in a soak, and when: the same in both halves, so that they can be compared."""
import os
import signal
import time
import urllib.parse

from world import wait_until


def again(world, name, pause=1.0):
    """kill -9, and the supervisor starts it anew."""
    process = world.processes[name]
    process.kill()
    time.sleep(pause)
    process.start()


def broker(world):
    victims = list(world.city.processes("beam.smp"))
    assert victims, "the broker runs"
    os.kill(victims[0], signal.SIGTERM)
    wait_until(lambda: world.city.said().count("rabbitmq runs again") > broker.seen, 240, "the broker runs again")
    broker.seen += 1


broker.seen = 0


def postgresql(world):
    with open(os.path.join(world.city.home, "postgresql", "postgresql.pid"), encoding="utf-8") as file:
        os.kill(int(file.read().split()[0]), signal.SIGINT)
    wait_until(lambda: world.city.said().count("postgresql runs again") > postgresql.seen, 240, "PostgreSQL runs again")
    postgresql.seen += 1


postgresql.seen = 0


def memory_alarm(world):
    world.rabbitmqctl("set_vm_memory_high_watermark", "0")
    time.sleep(4)
    world.rabbitmqctl("set_vm_memory_high_watermark", "0.4")


def binding(world):
    tenant = world.tenants[1]
    key = urllib.parse.quote(f"{tenant.key}.service_request.#", safe="")
    world.management(f"/api/bindings/open311/e/o311.{tenant.key}.out/q/{tenant.queue()}/{key}", "DELETE")
    time.sleep(4)
    world.bus311("tenant", "apply", tenant.key)


def frozen(world):
    for name in ("gateway-2", "relay-2"):
        world.processes[name].process.send_signal(signal.SIGSTOP)
    time.sleep(6)
    for name in ("gateway-2", "relay-2"):
        world.processes[name].process.send_signal(signal.SIGCONT)


def schedule():
    """(when, as a share of the whole; what; how). Those that are measured to the end die in the first tenth only; their doubles later too."""
    early = [(0.02 + 0.015 * place, f"kill -9 of {name}", lambda world, name=name: again(world, name))
             for place, name in enumerate(("gateway-1", "relay-1", "status-ingest", "watch-1", "photos"))]
    half = [(0.12, "broker restarted", broker), (0.18, "PostgreSQL restarted", postgresql), (0.23, "memory alarm of the broker", memory_alarm),
            (0.28, "a binding removed, and repaired", binding), (0.33, "a gateway and a relay frozen", frozen),
            (0.38, "kill -9 of gateway-2", lambda world: again(world, "gateway-2")), (0.41, "kill -9 of relay-2", lambda world: again(world, "relay-2")),
            (0.44, "kill -9 of watch-2", lambda world: again(world, "watch-2"))]
    return early + half + [(when + 0.5, what, how) for when, what, how in half]


# In the afternoon.
SILENCE = (0.21, 0.36)
