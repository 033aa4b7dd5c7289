"""What one of each takes: bytes of a request, an event, a row of the audit and a photo; memory of a waiting message; how fast a backlog goes.
The figures of docs/operators/capacity.md."""
import os
import time

from bus import broker_megabytes
from measure import Service, consumer, post, psql, wait_until
from photo_speed import posts_a_second

import pictures  # found by what measure says of paths

COUNT = 20_000


def bytes_a_row(city, table):
    """Of a table with its partitions and indexes, as PostgreSQL wrote it."""
    size, rows = map(int, psql(city, f"""
        select (select sum(pg_total_relation_size(relid)) from pg_partition_tree('{table}') where isleaf), (select count(*) from {table})""").split("|"))
    return size / max(1, rows), rows


def stored(city):
    size = count = 0
    for folder, _, names in os.walk(os.path.join(city.home, "media")):
        for name in names:
            size, count = size + os.path.getsize(os.path.join(folder, name)), count + 1
    return size, count


def sizes(city, table):
    queue = city.settings["request_queue"]
    psql(city, "truncate outbox, service_requests, reporters cascade")
    # Nobody truncates the audit: what other parts left in it is not these requests'.
    audited = int(psql(city, "select count(*) from audit"))
    with Service(city, "gateway"), Service(city, "relay"):
        before = broker_megabytes(city)
        posted = 0
        while posted < COUNT:
            posted += post(city, 1, 64)["requests"]
        wait_until(lambda: psql(city, "select count(*) from outbox where state = 'pending'") == "0", 120, "everything is published")
        time.sleep(6)
        waiting = broker_megabytes(city)
        start = time.monotonic()
        with consumer(city, queue, posted) as taken:
            pass
        seconds = time.monotonic() - start
    assert taken["messages"] >= posted, (taken, posted)
    psql(city, "vacuum outbox")
    parts = {name: bytes_a_row(city, name) for name in ("service_requests", "outbox", "audit")}
    request, event, row = (parts[name][0] for name in ("service_requests", "outbox", "audit"))
    table.row("Disk of a request without photo: its row, its event, its rows of the audit",
              f"{(request * parts['service_requests'][1] + event * parts['outbox'][1] + row * (parts['audit'][1] - audited)) / parts['service_requests'][1]:.0f} bytes",
              "told", True, f"with indexes: {request:.0f} a request, {event:.0f} an event with its body, {row:.0f} a row of the audit; {posted} requests, "
              f"descriptions of the load's length")
    kept = 1e6 * (waiting - before) / posted
    table.row("Memory of the broker for a message that waits", f"{kept:.0f} bytes", "told", True,
              f"resident size {before:.0f} → {waiting:.0f} MB with {posted} messages in one queue; more lies on disk, and is read back")
    table.row("A backlog is handed out by the broker", f"{posted / seconds:.0f} messages/s", "told", True,
              f"{posted} to one consumer that acknowledges each, prefetch 256, in {seconds:.1f} s with its start")
    photo = pictures.noise(2048, 1536)
    size, count = stored(city)
    with Service(city, "gateway"), Service(city, "photos"):
        rate = posts_a_second(city, photo, 0.2)
        start = time.monotonic()
        waits = "select count(*) from photos where state = 'received'"
        backlog = int(psql(city, waits))
        wait_until(lambda: psql(city, waits) == "0", 300, "every photo is cleaned")
        cleaned = backlog / (time.monotonic() - start)
    number = int(psql(city, "select count(*) from photos"))
    grown, files = stored(city)
    # One picture, sent again and again: its copies share their files.
    table.row("Disk of a photo", f"{(grown - size) / len(photo):.2f} × its bytes", "told", True,
              f"{len(photo) / 1e6:.1f} MB (3 megapixels of noise, a JPEG of quality 85) in {files - count} files; sent {number} times it takes no more; posted {rate:.0f}/s by one client, "
              f"cleaned {cleaned:.1f}/s of a backlog of {backlog}")
