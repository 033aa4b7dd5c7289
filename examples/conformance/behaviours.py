"""What a consumer has to live through. Each behaviour is a function; its first line of documentation is its description.

A behaviour begins and ends with a consumer that runs. It raises AssertionError, with a sentence for the vendor, when the
consumer did not do its part.
"""
import json
import random
import time
import uuid

from .bus import is_true_within, of_epoch, variant, wait_until

BEHAVIOURS = {}


def behaviour(name):
    def register(function):
        BEHAVIOURS[name] = function
        return function

    return register


class Run:
    """A consumer, its bus, and real events that the consumer has not seen yet.

    restart_broker: restarts it for everybody who shares it, and returns when it is back.
    """

    def __init__(self, bus, consumer, restart_broker):
        self.bus, self.consumer, self.restart_broker = bus, consumer, restart_broker
        self.unseen = bus.take(len([bus.post(f"conformance {index}") for index in range(31)]))
        self.flood = []

    def fresh(self):
        """A real event, and the number of its request."""
        message = self.unseen.pop()
        return message, message[0]["data"]["service_request_id"]

    def seen_by_broker(self):
        """What the management API tells of the consumer; its statistics lag by seconds."""
        wait_until(self.consumer.consumers, 20, "the broker tells of the consumer")
        found = self.consumer.consumers()
        assert len(found) == 1, f"{len(found)} consumers on the queue: the kit tries one at a time"
        return found[0]

    def stored_once(self, number, sequence=1):
        found = self.consumer.stored().get(number)
        assert found == (sequence, 1), f"request {number}: expected sequence {sequence} and one change, the store has {found}"

    def fence(self):
        """An event behind the others: when it is stored, those before it have been dealt with (one consumer, in order)."""
        message, number = self.fresh()
        self.bus.publish(message)
        self.consumer.wait_for(number)

    def in_hand(self, halt, resume, is_there):
        """Halts the consumer and sends it one message until `is_there` says of the request that it arrived; returns its number."""
        for _ in range(4):
            message, number = self.fresh()
            time.sleep(0.5)  # time to finish with the message before: its acknowledgement, its status
            halt()
            self.bus.publish(message)
            if is_true_within(lambda: is_there(number), 8):
                return number
            # It was not finished: with a prefetch of one, or while it waits for a confirm, it takes no other.
            resume()
            self.consumer.wait_for(number)
        raise AssertionError("halted four times, each time before it had finished with the message before")


@behaviour("stored")
def stored(run):
    """Stores a new request once, with heartbeats of 5 to 30 s, a prefetch of 1 to 50, and acknowledgements by hand."""
    message, number = run.fresh()
    run.bus.publish(message)
    run.consumer.wait_for(number)
    run.stored_once(number)
    consumer = run.seen_by_broker()
    assert consumer["ack_required"], "it consumes with automatic acknowledgements"
    assert 1 <= consumer["prefetch_count"] <= 50, f"its prefetch is {consumer['prefetch_count']}"
    wait_until(run.bus.connections, 20, "the broker tells of its connection")
    beats = {each["timeout"] for each in run.bus.connections()}
    assert all(5 <= beat <= 30 for beat in beats), f"its heartbeat is {beats} s"


@behaviour("duplicate")
def duplicate(run):
    """The same event again changes nothing."""
    message, number = run.fresh()
    run.bus.publish(message, message, message)
    run.fence()
    run.stored_once(number)


@behaviour("out of order")
def out_of_order(run):
    """A snapshot that is older than the stored one changes nothing; a newer one is applied."""
    message, number = run.fresh()
    run.bus.publish(variant(message, 3), variant(message, 2), message, variant(message, 5))
    run.fence()
    found = run.consumer.stored().get(number)
    assert found == (5, 2), f"sequences 3, 2, 1, 5 arrived: expected 5 after two changes, the store has {found}"


@behaviour("restored")
def restored(run):
    """After a restore of the bus an event of the new epoch is newer, whatever its sequence; one of the epoch before is older."""
    message, number = run.fresh()
    old, later = variant(message, 3), variant(message, 5)
    new = of_epoch(variant(message, 2), 2)
    run.bus.publish(old, new, later, of_epoch(variant(message, 1), 10))
    run.fence()
    found = run.consumer.stored().get(number)
    assert found == (1, 3), (
        "sequence 3, then 2 of epoch 2, then 5 of epoch 1, then 1 of epoch 10 arrived: expected sequence 1 after three changes, "
        f"the store has {found}")


@behaviour("erased")
def erased(run):
    """An erasure is applied, the text is gone from the state folder, and an older snapshot does not bring it back."""
    message, number = run.fresh()
    canary = f"canary-{uuid.uuid4()}"
    erasure, properties = variant(message, 5, "service_request.erased.v1")
    erasure["data"] = {name: erasure["data"][name] for name in ("service_request_id", "tenant", "jurisdiction_id", "sequence")}
    erasure["data"].update(reason="data_subject_request", erased_datetime=erasure["time"])
    run.bus.publish(variant(message, 2, description=canary), (erasure, properties), variant(message, 3, description=canary))
    run.fence()
    found = run.consumer.stored().get(number)
    assert found == (5, 2), f"sequences 2, 5 (erased), 3 arrived: expected 5 after two changes, the store has {found}"
    kept = run.consumer.files_with(canary)
    assert not kept, f"the erased text is still in {kept}"


@behaviour("unknown type")
def unknown_type(run):
    """A type of tomorrow is acknowledged and ignored."""
    message, number = run.fresh()
    run.bus.publish(variant(message, 2, "service_request.hugged.v1"), variant(message, 2, "service_request.created.v9"))
    run.fence()
    assert number not in run.consumer.stored(), "an event of an unknown type was stored"
    assert run.bus.dead() == [], "an event of an unknown type was rejected"


@behaviour("unknown field")
def unknown_field(run):
    """Members of tomorrow, at every level, are ignored."""
    message, number = run.fresh()
    event, properties = variant(message, 1, "service_request.created.v1", weather={"rain": [1, None, {"deep": True}]}, mood="grey")
    event["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    event["data"]["links"]["tomorrow"] = "https://example.org/"
    properties.headers = {**(properties.headers or {}), "x-o311-tomorrow": "yes"}
    run.bus.publish((event, properties))
    run.consumer.wait_for(number)
    run.stored_once(number)
    assert run.bus.dead() == [], "an event with unknown fields was rejected"


@behaviour("256 KiB")
def big(run):
    """The largest event that the contract allows."""
    message, number = run.fresh()
    event, properties = message
    room = 262_144 - len(json.dumps(event, ensure_ascii=False).encode())
    event["data"]["description"] += "é" * (room // 2)
    run.bus.publish((event, properties))
    run.consumer.wait_for(number)
    run.stored_once(number)


@behaviour("poison")
def poison(run):
    """Events that cannot be read, or whose members are of a wrong type, go to the dead letters, alone; those around are stored."""
    good, number = run.fresh()
    broken = list(unreadable(good))
    around = [variant(good, sequence) for sequence in range(2, 22)]
    sent = []
    for index, event in enumerate(around):
        sent += [event, *broken[index - 8:index - 7]] if index >= 8 else [event]
    run.bus.publish(*sent)
    run.consumer.wait_for(number, 21, 60)
    dead = []

    def is_there():
        dead.extend(run.bus.dead())
        return len(dead) >= len(broken)

    wait_until(is_there, 60, f"{len(broken)} unreadable events in the dead letters\n{run.consumer.said()}")
    run.fence()
    dead.extend(run.bus.dead())
    assert sorted(dead) == sorted(body for body, _ in broken), f"the dead letters hold {len(dead)} messages: expected the {len(broken)} unreadable ones alone"
    assert run.consumer.process.poll() is None, "it did not live through it"
    found = run.consumer.stored()[number]
    assert found == (21, 20), f"expected 20 changes up to sequence 21, the store has {found}"


def unreadable(good):
    """Bodies that no consumer can store, each with the properties of a good update: what is no JSON, and what is but not as promised."""
    yield b'{"specversion":"1.0","type":"fr.example.service_request.updated.v1","data":{"service_request_id":', variant(good)[1]
    yield b"[" * 100_000, variant(good)[1]

    def spoilt(spoil):
        event, properties = variant(good, 30)
        spoil(event)
        return json.dumps(event, ensure_ascii=False).encode(), properties

    yield spoilt(lambda event: event["data"].update(service_request_id={}))
    yield spoilt(lambda event: event["data"].update(sequence=10 ** 20))
    yield spoilt(lambda event: event.update(id=None))
    yield spoilt(lambda event: event.update(data=["service_request_id"]))


@behaviour("database away")
def database_away(run):
    """Its database is locked for some seconds: it waits with the message in hand, and stores it then. (Where the kit knows the database.)"""
    if run.consumer.state_command:
        return
    message, number = run.fresh()
    process = run.consumer.process
    with run.consumer.locked():
        run.bus.publish(message)
        # That it keeps a message is no event. Noticed is one that it leaves in the queue, and one that dies of being given back.
        time.sleep(3.5)
        assert run.bus.ready() == 0, "it gave the message back"
    run.consumer.wait_for(number)
    run.stored_once(number)
    assert run.bus.dead() == [], "a message went to the dead letters because the database was locked"
    assert run.consumer.process is process and process.poll() is None, "it ended because the database was locked"


@behaviour("TLS")
def tls(run):
    """Over amqps it takes an event, and refuses a certificate for another host or by an authority that it does not know."""
    run.consumer.kill()
    for what, how in (("for another host", dict(host="127.0.0.2")), ("by an unknown authority", dict(authority=None))):
        with run.consumer.secure(**how) as proxy:
            run.consumer.launch()
            wait_until(lambda: proxy.broken_off, 30, f"it breaks off at a certificate {what}\n{run.consumer.said()}")
            assert run.bus.depth().consumer_count == 0, f"it consumes from a broker whose certificate is {what}"
            run.consumer.kill()
    message, number = run.fresh()
    with run.consumer.secure() as proxy:
        run.consumer.start()
        run.bus.publish(message)
        run.consumer.wait_for(number)
        assert proxy.accepted, "it did not come through the address that it was given"
        run.consumer.kill()
    run.stored_once(number)


@behaviour("crash before commit")
def crash_before_commit(run):
    """Killed with a message in hand that it has not stored: the message comes again and is stored once."""
    number = run.in_hand(run.consumer.freeze, run.consumer.thaw, lambda _: run.bus.ready() == 0)
    run.consumer.kill()
    wait_until(lambda: run.bus.ready() >= 1, 20, "the broker takes back what the dead consumer held")
    assert number not in run.consumer.stored()
    run.consumer.start()
    run.consumer.wait_for(number)
    run.stored_once(number)


@behaviour("crash before ack")
def crash_before_ack(run):
    """Killed after its commit and before its acknowledgement arrived: the message comes again and changes nothing."""
    number = run.in_hand(run.consumer.proxy.hold, run.consumer.proxy.release, lambda number: number in run.consumer.stored())
    run.consumer.kill()
    wait_until(lambda: run.bus.ready() >= 1, 20, "not acknowledged: the message is in the queue again")
    run.consumer.start()
    run.fence()
    run.stored_once(number)


@behaviour("connection cut")
def connection_cut(run):
    """Its connection is reset by the network, several times, while messages flow."""
    numbers = []
    for _ in range(3):
        message, number = run.fresh()
        numbers.append(number)
        run.bus.publish(message)
        time.sleep(random.uniform(0, 0.05))
        run.consumer.proxy.cut()
    for number in numbers:
        run.consumer.wait_for(number)
        run.stored_once(number)


@behaviour("closed by operator")
def closed_by_operator(run):
    """An operator closes its connection: it comes back by itself."""
    wait_until(run.bus.close_connections, 20, "it has a connection that the operator can close")
    message, number = run.fresh()
    run.bus.publish(message)
    run.consumer.wait_for(number)
    run.stored_once(number)


@behaviour("broker restart")
def broker_restart(run):
    """The broker goes away for some seconds and comes back."""
    run.restart_broker()
    message, number = run.fresh()
    run.bus.publish(message)
    # Its pause between two attempts may have grown meanwhile.
    run.consumer.wait_for(number, seconds=90)
    run.stored_once(number)
    assert run.consumer.process.poll() is None


@behaviour("graceful stop")
def graceful_stop(run):
    """SIGTERM in the middle of a flood: what it holds is finished and acknowledged, exit code 0, nothing is lost or done twice."""
    count = 60
    before = set(run.consumer.stored())
    prefetch = run.seen_by_broker()["prefetch_count"]
    run.consumer.freeze()
    numbers = [run.bus.post(f"flood {index}") for index in range(count)]
    # The relay has published it all when nobody but the frozen consumer, with its hands full, is left to take any.
    wait_until(lambda: run.bus.ready() >= count - prefetch, 30, "the flood is in the queue")
    time.sleep(1)  # if it was frozen with a message in hand, one more is on its way
    run.consumer.thaw()
    wait_until(lambda: set(run.consumer.stored()) - before, 20, "it goes on", 0.02)
    code = run.consumer.terminate()
    assert code == 0, f"after SIGTERM its exit code is {code}"
    finished, waiting = len(set(run.consumer.stored()) & set(numbers)), run.bus.ready()
    assert finished + waiting == count, f"of {count} messages {finished} are stored and {waiting} wait: some were stored and not acknowledged"
    run.consumer.start()
    for number in numbers:
        run.consumer.wait_for(number)
    for number in numbers:
        run.stored_once(number)
    run.flood = numbers


@behaviour("status visible")
def status_visible(run):
    """It answers each new request with a status that has notes, and a citizen sees them."""
    number = run.bus.post("conformance: the whole way")
    wanted = [number, *run.flood]
    wait_until(
        lambda: run.bus.answered(wanted) == set(wanted), 60,
        f"status_notes of {len(wanted)} requests in GeoReport; the consumer said:\n{run.consumer.said()}")
    run.stored_once(number)


def perform(run, only=None, report=lambda name, failure, seconds: None):
    """Runs the behaviours in their order; returns name -> None, or what was wrong."""
    outcome = {}
    for name, function in BEHAVIOURS.items():
        if only and name not in only:
            continue
        began = time.monotonic()
        try:
            run.consumer.start()
            function(run)
            outcome[name] = None
        except Exception as failure:  # one consumer's accident must not hide the other behaviours
            outcome[name] = f"{type(failure).__name__}: {failure}" if not isinstance(failure, AssertionError) else str(failure)
            # What it was in the middle of must not be the next behaviour's fault.
            run.consumer.kill()
        report(name, outcome[name], time.monotonic() - began)
        if outcome[name] and run.consumer.never_consumed:
            break  # it does not even begin: the rest would say the same
    return outcome
