#!/usr/bin/env python3
"""A CRM's consumer with aio-pika (PyPI, or Debian's python3-aio-pika): copy it, and put your own database in place of SQLite.

Settings, all from the environment:
    AMQP_URI         amqps://user:password@host:5671/open311, as the city's operator gave it
    QUEUE            o311.<tenant>.requests
    STATUS_EXCHANGE  o311.<tenant>.status
    STATE            folder of crm.sqlite3
    AMQP_CA_FILE     the authority of the bus's certificate (PEM), where those of this machine do not know it; may be left out
"""
import asyncio
import json
import os
import random
import re
import signal
import sqlite3
import urllib.parse

import aio_pika
import aiormq

SNAPSHOTS = {"service_request.created.v1", "service_request.updated.v1", "service_request.moderated.v1"}
ERASURE = "service_request.erased.v1"
# Nothing heard for so long: connect anew. A consumer that the broker has ended must not stay deaf for a night.
WATCHDOG = 600


class Store:
    """The CRM's database. One transaction holds all that one message changes."""

    def __init__(self, path):
        self.database = sqlite3.connect(path, isolation_level=None, timeout=2)
        self.database.executescript(
            "pragma secure_delete = on;"  # what is erased is overwritten
            "create table if not exists events (id text primary key, received_at text not null default current_timestamp);"
            "create table if not exists requests ("
            "id text primary key, epoch integer not null, sequence integer not null, changes integer not null, snapshot text);"
            "create table if not exists outbox (update_id text primary key, request_id text not null);")

    def apply(self, event_id, number, version, snapshot):
        """Stores an event once, whatever comes twice or late; no snapshot erases. When this returns, it is on disk."""
        self.database.execute("begin immediate")
        with self.database:  # commits, or rolls back on an exception
            if self.database.execute("insert or ignore into events (id) values (?)", (event_id,)).rowcount == 0:
                return  # a duplicate
            known = self.database.execute("select epoch, sequence from requests where id = ?", (number,)).fetchone()
            if known is None:
                # Your CRM opens a file here. The answer to the citizen is part of the same transaction.
                self.database.execute("insert into requests values (?, ?, ?, 1, ?)", (number, *version, snapshot))
                if snapshot is not None:
                    self.database.execute("insert into outbox values (?, ?)", (event_id, number))
            elif version > known:
                self.database.execute(
                    "update requests set epoch = ?, sequence = ?, changes = changes + 1, snapshot = ? where id = ?", (*version, snapshot, number))
            # else it is older than what is stored: acknowledged and forgotten

    def pending(self):
        return self.database.execute("select update_id, request_id from outbox order by rowid").fetchall()

    def sent(self, update_id):
        self.database.execute("delete from outbox where update_id = ?", (update_id,))


def read(message):
    """What this CRM takes from a message: id, number, (epoch, sequence), snapshot; nothing of a type that it does not know.

    Every type is checked here, before the store sees it. Raises an exception of any kind for what can never work.
    """
    if message.content_encoding:
        raise ValueError(f"content_encoding {message.content_encoding}")
    if message.type not in SNAPSHOTS and message.type != ERASURE:
        return None  # that is how the contract can grow
    event = json.loads(message.body)
    event_id, source, data = event["id"], event["source"], event["data"]
    number, sequence = data["service_request_id"], data["sequence"]
    if not all(isinstance(each, str) and each for each in (event_id, source, number)):
        raise ValueError("id, source or service_request_id is no text")
    if type(sequence) is not int or not 0 < sequence < 2 ** 63:
        raise ValueError("sequence is no number from 1 on")
    # After a restore of the bus numbers are given out again, under a source that ends with a new epoch: its events are newer.
    epoch = re.search(r"-e([1-9][0-9]{0,8})$", source)
    snapshot = None if message.type == ERASURE else json.dumps(data, ensure_ascii=False)
    return event_id, number, (int(epoch[1]) if epoch else 1, sequence), snapshot


async def within(stopping, seconds):
    """Whether this program is told to stop within so many seconds; returns at once when it is."""
    try:
        return await asyncio.wait_for(stopping.wait(), seconds)
    except asyncio.TimeoutError:
        return False


async def handle(store, message, stopping):
    """One message: stored then acknowledged, ignored, or rejected for good."""
    async def reject(error):
        # It can never work: into the dead letters, where the operator sees it. Never requeue such a message.
        print(f"rejected {message.message_id}: {type(error).__name__}: {error}"[:300], flush=True)
        await message.reject(requeue=False)

    try:
        event = read(message)
    except Exception as error:  # whatever it is: a program that dies of a message takes those that it holds with it
        return await reject(error)
    while event:
        try:
            # Milliseconds of SQLite. A slower database: an async driver, or asyncio.to_thread, so that heartbeats go on.
            store.apply(*event)
            break
        except sqlite3.OperationalError as error:
            # Locked, disk full: not the message's fault. Wait with it in hand.
            print(f"the database is away, waiting: {error}", flush=True)
        except Exception as error:
            return await reject(error)
        if await within(stopping, 1):
            return None  # not stored, not acknowledged: it goes back to the queue
    return await message.ack()


async def send_statuses(store, exchange):
    """Empties the outbox. The update's id makes a repetition harmless, so a status leaves the outbox after its confirm only."""
    tenant = exchange.name.removeprefix("o311.").removesuffix(".status")
    try:
        for update_id, number in store.pending():
            update = {"service_request_id": number, "status": "IN_PROCESS", "status_notes": "Pris en charge", "external_reference": f"CRM-{number}",
                      "ack": True}
            message = aio_pika.Message(
                json.dumps(update).encode(), message_id=update_id, content_type="application/json", delivery_mode=2)
            # Returns when the broker has it; raises when it could not be routed or was refused.
            await exchange.publish(message, f"{tenant}.status_update.v1", mandatory=True, timeout=30)
            store.sent(update_id)
    except sqlite3.OperationalError as error:
        print(f"the database is away, statuses later: {error}", flush=True)


async def consume(settings, store, stopping, connected):
    """Until the connection is lost (raises) or a stop is asked for (returns)."""
    # Not connect_robust: it comes back at a fixed pace, and its consumer does not notice that the broker has ended it.
    uri = settings["AMQP_URI"]  # of amqps:// the certificate and the name are verified
    if os.environ.get("AMQP_CA_FILE"):
        uri += ("&" if "?" in uri else "?") + urllib.parse.urlencode({"cafile": os.environ["AMQP_CA_FILE"]})
    connection = await aio_pika.connect(
        uri, heartbeat=15, timeout=10, client_properties={"connection_name": "example CRM, python-aio-pika"})
    async with connection:
        incoming = await connection.channel(publisher_confirms=False)
        outgoing = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await incoming.set_qos(prefetch_count=20)
        # ensure=False: nothing is declared, the objects are the operator's.
        queue = await incoming.get_queue(settings["QUEUE"], ensure=False)
        exchange = await outgoing.get_exchange(settings["STATUS_EXCHANGE"], ensure=False)
        await send_statuses(store, exchange)
        inbox = asyncio.Queue()
        incoming.close_callbacks.add(lambda *_: inbox.put_nowait(None))
        tag = await queue.consume(inbox.put)
        connected()
        stop = asyncio.create_task(stopping.wait())
        while not stopping.is_set():
            delivery = asyncio.create_task(inbox.get())
            done, _ = await asyncio.wait({delivery, stop}, timeout=WATCHDOG, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                raise ConnectionError(f"silence for {WATCHDOG} s")
            if delivery in done:
                if delivery.result() is None:
                    raise ConnectionError("the channel was closed")
                await handle(store, delivery.result(), stopping)
                await send_statuses(store, exchange)
        # What was delivered and not handled goes back to the queue when the connection closes.
        await queue.cancel(tag)


async def main():
    settings = {name: os.environ[name] for name in ("AMQP_URI", "QUEUE", "STATUS_EXCHANGE", "STATE")}
    store = Store(os.path.join(settings["STATE"], "crm.sqlite3"))
    stopping = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stopping.set)
    attempts = 0

    def connected():
        nonlocal attempts
        attempts = 0

    while not stopping.is_set():
        try:
            await consume(settings, store, stopping, connected)
        except (aiormq.AMQPError, aio_pika.exceptions.AMQPError, OSError, asyncio.TimeoutError) as error:
            # Growing and random: a thousand consumers must not all knock in the second in which the broker is back.
            shortest, longest = 1.0, min(60.0, 2.0 ** min(attempts + 1, 6))
            if isinstance(error, (aiormq.exceptions.AuthenticationError, aiormq.exceptions.ProbableAuthenticationError)):
                shortest = longest = 300.0  # somebody has to change something
            attempts += 1
            pause = random.uniform(shortest, longest)
            print(f"connection lost ({error!r}); again in {pause:.1f} s", flush=True)
            await within(stopping, pause)


if __name__ == "__main__":
    asyncio.run(main())
