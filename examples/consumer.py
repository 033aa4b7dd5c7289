#!/usr/bin/env python3
"""The CRM's side of Bus311 in one file: consume, store once, acknowledge, answer with a status.

    python3 consumer.py .bus311/demo.json            # runs until Ctrl-C
    python3 consumer.py .bus311/demo.json --count 3  # ends after three new requests

Needs pika (PyPI or Debian's python3-pika). Good for a first look; consumers/ has what to copy, in eight languages.
"""
import argparse
import json
import random
import re
import sqlite3
import time
import urllib.error
import urllib.request

import pika


def open_store(path):
    """Your own database: events seen, and what they became. One transaction for both."""
    store = sqlite3.connect(path)
    store.execute("create table if not exists seen (event_id text primary key)")
    store.execute("create table if not exists requests (id text primary key, epoch integer, sequence integer, data text)")
    store.commit()
    return store


def version(event):
    """(epoch, sequence). After a restore of the bus numbers are given out again, under a source that ends with -e2: those events are newer."""
    epoch = re.search(r"-e([1-9][0-9]*)$", event["source"])
    return int(epoch[1]) if epoch else 1, event["data"]["sequence"]


def register(store, event):
    """Stores an event once. Returns True when it was new, False for a duplicate or an older snapshot."""
    data = event["data"]
    with store:
        if store.execute("insert or ignore into seen values (?)", (event["id"],)).rowcount == 0:
            return False
        row = store.execute("select epoch, sequence from requests where id = ?", (data["service_request_id"],)).fetchone()
        if row and row >= version(event):
            return False
        store.execute(
            "insert or replace into requests values (?, ?, ?, ?)",
            (data["service_request_id"], *version(event), json.dumps(data)),
        )
        return True


def send_status(settings, event):
    """Tells the citizen that the city has it. The update's id makes a repetition harmless."""
    request = urllib.request.Request(
        f"{event['data']['links']['status']}/{event['id']}",
        method="PUT",
        headers={"Authorization": f"Bearer {settings['crm_token']}", "Content-Type": "application/json"},
        data=json.dumps(
            {
                "status": "IN_PROCESS",
                "status_notes": "Pris en charge",
                "external_reference": f"CRM-{event['data']['service_request_id']}",
                "ack": True,
            }
        ).encode(),
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def forget(settings, store, event):
    """The person is to be forgotten: here too. Then Bus311 is told, which shows the person that it was done."""
    data = event["data"]
    with store:
        store.execute("insert or ignore into seen values (?)", (event["id"],))
        store.execute(
            "insert or replace into requests values (?, ?, ?, null)", (data["service_request_id"], *version(event)))
    request = urllib.request.Request(
        f"{settings['status_ingest_url']}/v1/service-requests/{data['service_request_id']}/personal-data/acknowledgement",
        method="PUT",
        headers={"Authorization": f"Bearer {settings['crm_token']}", "Content-Type": "application/json"},
        # What the law has you keep: {"outcome": "kept", "reason": "legal_obligation"}
        data=json.dumps({"outcome": "erased"}).encode(),
    )
    with urllib.request.urlopen(request, timeout=10):
        pass


def is_final(error):
    """What is refused for what it says would be refused again: somebody erased the request meanwhile, or closed it."""
    return isinstance(error, urllib.error.HTTPError) and 400 <= error.code < 500 and error.code not in (401, 403, 408, 429)


def tell(connection, what, words):
    """Does `what` until it is done, with the message in hand: given back in a loop, it would be a dead letter after ten times.

    The pauses grow and are random; heartbeats go on meanwhile.
    """
    pause = 1.0
    while True:
        try:
            what()
            return
        except (urllib.error.URLError, OSError) as error:
            if is_final(error):
                return
            print(f"{words}, trying again: {error}", flush=True)
            connection.sleep(random.uniform(pause / 2, pause))
            pause = min(60.0, pause * 2)


def consume(settings, store, count, answered):
    parameters = pika.URLParameters(settings["amqp_uri"])
    parameters.heartbeat = 15
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=20)
    try:
        # Never declare: the queue is Bus311's.
        for method, properties, body in channel.consume(settings["request_queue"], inactivity_timeout=1):
            if method is None:
                continue
            event = json.loads(body)
            if event["type"].endswith(".service_request.erased.v1"):
                tell(connection, lambda: forget(settings, store, event), "erasure not acknowledged")
                channel.basic_ack(method.delivery_tag)
                continue
            if not event["type"].endswith(".service_request.created.v1"):
                channel.basic_ack(method.delivery_tag)  # unknown types are acknowledged and ignored
                continue
            is_new = register(store, event)
            tell(connection, lambda: send_status(settings, event), "status not sent")
            channel.basic_ack(method.delivery_tag)
            if is_new:
                answered += 1
                print(f"request {event['data']['service_request_id']} {event['data']['service_name']}", flush=True)
            if count and answered >= count:
                return answered
    finally:
        if connection.is_open:
            connection.close()
    return answered


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", help="demo.json, or your own file with amqp_uri, request_queue, crm_token")
    parser.add_argument("--store", default="crm.sqlite3", help="SQLite file")
    parser.add_argument("--count", type=int, default=0, help="stop after this many new requests")
    options = parser.parse_args()
    with open(options.settings, encoding="utf-8") as file:
        settings = json.load(file)
    store = open_store(options.store)
    answered, pause = 0, 1.0
    while not options.count or answered < options.count:
        try:
            answered = consume(settings, store, options.count, answered)
            pause = 1.0
        except pika.exceptions.AMQPError as error:
            print(f"connection lost, again in {pause:.0f} s at most: {type(error).__name__}", flush=True)
            time.sleep(random.uniform(0, pause))
            pause = min(60.0, pause * 2)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
