#!/usr/bin/env python3
"""A CRM's consumer with pika (PyPI, or Debian's python3-pika): copy it, and put your own database in place of SQLite.

Settings, all from the environment:
    AMQP_URI         amqps://user:password@host:5671/open311, as the city's operator gave it
    QUEUE            o311.<tenant>.requests
    STATUS_EXCHANGE  o311.<tenant>.status
    STATE            folder of crm.sqlite3
    AMQP_CA_FILE     the authority of the bus's certificate (PEM), where those of this machine do not know it; may be left out
"""
import json
import os
import random
import re
import signal
import sqlite3
import ssl
import time

import pika

SNAPSHOTS = {"service_request.created.v1", "service_request.updated.v1", "service_request.moderated.v1"}
ERASURE = "service_request.erased.v1"


class Store:
    """The CRM's database. One transaction holds all that one message changes."""

    def __init__(self, path):
        # isolation_level None: transactions begin and end where this file says so.
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


def read(properties, body):
    """What this CRM takes from a message: id, number, (epoch, sequence), snapshot; nothing of a type that it does not know.

    Every type is checked here, before the store sees it. Raises an exception of any kind for what can never work.
    """
    if properties.content_encoding:
        raise ValueError(f"content_encoding {properties.content_encoding}")
    if properties.type not in SNAPSHOTS and properties.type != ERASURE:
        return None  # that is how the contract can grow
    event = json.loads(body)
    event_id, source, data = event["id"], event["source"], event["data"]
    number, sequence = data["service_request_id"], data["sequence"]
    if not all(isinstance(each, str) and each for each in (event_id, source, number)):
        raise ValueError("id, source or service_request_id is no text")
    if type(sequence) is not int or not 0 < sequence < 2 ** 63:
        raise ValueError("sequence is no number from 1 on")
    # After a restore of the bus numbers are given out again, under a source that ends with a new epoch: its events are newer.
    epoch = re.search(r"-e([1-9][0-9]{0,8})$", source)
    snapshot = None if properties.type == ERASURE else json.dumps(data, ensure_ascii=False)
    return event_id, number, (int(epoch[1]) if epoch else 1, sequence), snapshot


def handle(store, channel, method, properties, body, stopping):
    """One message: stored then acknowledged, ignored, or rejected for good."""
    def reject(error):
        # It can never work: into the dead letters, where the operator sees it. Never requeue such a message.
        print(f"rejected {properties.message_id}: {type(error).__name__}: {error}"[:300], flush=True)
        channel.basic_reject(method.delivery_tag, requeue=False)

    try:
        event = read(properties, body)
    except Exception as error:  # whatever it is: a program that dies of a message takes those that it holds with it
        return reject(error)
    while event:
        try:
            store.apply(*event)
            break
        except sqlite3.OperationalError as error:
            # Locked, disk full: not the message's fault. Wait with it in hand; heartbeats go on.
            print(f"the database is away, waiting: {error}", flush=True)
        except Exception as error:
            return reject(error)
        channel.connection.sleep(1)
        if stopping:
            return None  # not stored, not acknowledged: it goes back to the queue
    return channel.basic_ack(method.delivery_tag)


def send_statuses(store, channel, exchange):
    """Empties the outbox. The update's id makes a repetition harmless, so a status leaves the outbox after its confirm only."""
    tenant = exchange.removeprefix("o311.").removesuffix(".status")
    try:
        for update_id, number in store.pending():
            update = {"service_request_id": number, "status": "IN_PROCESS", "status_notes": "Pris en charge", "external_reference": f"CRM-{number}",
                      "ack": True}
            channel.basic_publish(  # returns when the broker has it; raises when it could not be routed or was refused
                exchange, f"{tenant}.status_update.v1", json.dumps(update).encode(),
                pika.BasicProperties(message_id=update_id, content_type="application/json", delivery_mode=2), mandatory=True)
            store.sent(update_id)
    except sqlite3.OperationalError as error:
        print(f"the database is away, statuses later: {error}", flush=True)


def consume(settings, store, stopping, connected):
    """Until the connection is lost (raises) or a stop is asked for (returns)."""
    parameters = pika.URLParameters(settings["AMQP_URI"])  # of amqps:// it verifies the certificate and the name
    if parameters.ssl_options and os.environ.get("AMQP_CA_FILE"):
        parameters.ssl_options = pika.SSLOptions(ssl.create_default_context(cafile=os.environ["AMQP_CA_FILE"]), parameters.host)
    parameters.heartbeat = 15  # firewalls forget a silent connection
    parameters.socket_timeout = parameters.stack_timeout = 10
    parameters.blocked_connection_timeout = 300
    parameters.client_properties = {"connection_name": "example CRM, python-pika"}
    connection = pika.BlockingConnection(parameters)
    try:
        incoming, outgoing = connection.channel(), connection.channel()
        outgoing.confirm_delivery()
        incoming.basic_qos(prefetch_count=20)
        send_statuses(store, outgoing, settings["STATUS_EXCHANGE"])
        connected()
        # Nothing is declared: the queue is the operator's. None comes every second, so that a stop is noticed.
        for method, properties, body in incoming.consume(settings["QUEUE"], inactivity_timeout=1):
            if method is not None:
                # Short work, so it may run on this thread, which also sends the heartbeats. Long work belongs after the commit, elsewhere.
                handle(store, incoming, method, properties, body, stopping)
                send_statuses(store, outgoing, settings["STATUS_EXCHANGE"])
            if stopping:
                incoming.cancel()  # what was delivered and not handled goes back to the queue
                return
        raise pika.exceptions.ConsumerCancelled("the broker ended the consumer")
    finally:
        if connection.is_open:
            connection.close()


def main():
    settings = {name: os.environ[name] for name in ("AMQP_URI", "QUEUE", "STATUS_EXCHANGE", "STATE")}
    store = Store(os.path.join(settings["STATE"], "crm.sqlite3"))
    stopping = []
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda number, _: stopping.append(number))
    attempts = 0

    def connected():
        nonlocal attempts
        attempts = 0

    while not stopping:
        try:
            consume(settings, store, stopping, connected)
        except (pika.exceptions.AMQPError, OSError) as error:
            # Growing and random: a thousand consumers must not all knock in the second in which the broker is back.
            shortest, longest = 1.0, min(60.0, 2.0 ** min(attempts + 1, 6))
            if isinstance(error, (pika.exceptions.ProbableAuthenticationError, pika.exceptions.ProbableAccessDeniedError)):
                shortest = longest = 300.0  # somebody has to change something
            attempts += 1
            pause = random.uniform(shortest, longest)
            print(f"connection lost ({error!r}); again in {pause:.1f} s", flush=True)
            until = time.monotonic() + pause
            while not stopping and time.monotonic() < until:
                time.sleep(0.1)


if __name__ == "__main__":
    main()
