"""Places in the benchmark: what a minute's live counts cost, and what is near a place among many."""
import http.client
import json
import os
import time
import urllib.parse
import urllib.request

from measure import Service, psql

PARKINGS, OBJECTS = 1_000, 20_000
TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(pids):
    """CPU seconds that these processes took so far, in user and system mode."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def put(city, path, body):
    request = urllib.request.Request(
        f"{city.settings['status_ingest_url']}{path}", json.dumps(body).encode(), method="PUT",
        headers={"Authorization": f"Bearer {city.settings['crm_token']}", "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def one_by_one(city, number):
    """A minute's counts, each in a request of its own on one connection."""
    address = urllib.parse.urlsplit(city.settings["status_ingest_url"])
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    headers = {"Authorization": f"Bearer {city.settings['crm_token']}", "Content-Type": "application/json"}
    for parking in range(PARKINGS):
        connection.request("PUT", f"/v1/live-counts/k-{parking}", json.dumps({"free": (parking + number) % 200}), headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
    connection.close()


def places(city, table, rounds):
    with Service(city, "status-ingest") as service:
        parkings = [{"id": f"k-{n}", "name": f"Parking {n}", "lat": 43.5 + n / 10_000, "long": 3.2, "capacity": 500} for n in range(PARKINGS)]
        assert put(city, "/v1/reference-data/parkings", parkings)["outcome"] in ("published", "unchanged")
        objects = [{"id": f"o-{n}", "name": f"Lampadaire {n}", "lat": 43.5 + n * 7919 % 10007 / 50_000, "long": 3.1 + n * 10_477 % 10007 / 50_000}
                   for n in range(OBJECTS)]
        start = time.monotonic()
        assert put(city, "/v1/reference-data/service-objects", objects)["outcome"] in ("published", "unchanged")
        published = time.monotonic() - start
        servers = [*city.processes("postgres"), service.process.pid]
        shares, batches = [], []
        for number in range(rounds):
            before = seconds_of(servers)
            one_by_one(city, number)
            shares.append((seconds_of(servers) - before) / 60)
            start = time.monotonic()
            said = put(city, "/v1/live-counts", {"counts": [{"id": f"k-{n}", "free": (n + number) % 300} for n in range(PARKINGS)]})
            batches.append((time.monotonic() - start) * 1_000)
            assert said["stored"] == PARKINGS, said["stored"]
        assert int(psql(city, "select count(*) from place_counts")) == PARKINGS
    table.row(
        "1,000 live counts a minute, one by one: status-ingest and PostgreSQL", f"{max(shares) * 100:.2f} % of a core (worst of {rounds})", "≤ 2 %",
        max(shares) <= 0.02, ", ".join(f"{share * 100:.2f}" for share in shares) + " %; all in one request: "
        + ", ".join(f"{took:.0f}" for took in batches) + f" ms; {OBJECTS:,} service objects published in {published:.1f} s".replace(",", " "))
