"""Reference data in the benchmark: a large catalogue checked and published."""
import json
import os
import time
import urllib.request

from measure import Service, psql

SERVICES, LANGUAGES = 2_000, ("fr", "en", "nl", "de", "es")


def texts(text):
    return {language: f"{text} ({language}) é" for language in LANGUAGES}


def large_catalogue(mark):
    """Every service with a question of four choices, every text in every language; `mark` makes all of it another one."""
    return [
        {"service_code": f"S{number:04}", "service_name": texts(f"Service {number} {mark}"), "group": texts(f"Group {number % 40}"),
         "description": texts(f"What citizens may report as number {number}, and what the city does about it"), "keywords": ["rue", "nuit"],
         "attributes": [{
             "code": "size", "datatype": "singlevaluelist", "required": number % 2 == 0, "description": texts("How large is it?"),
             "values": [{"key": key, "name": texts(f"Size {key}")} for key in "smlx"]}]}
        for number in range(SERVICES)]


def put(city, body, path="catalogue"):
    request = urllib.request.Request(
        f"{city.settings['status_ingest_url']}/v1/reference-data/{path}", data=body, method="PUT",
        headers={"Authorization": f"Bearer {city.settings['crm_token']}", "Content-Type": "application/json"})
    start = time.monotonic()
    with urllib.request.urlopen(request, timeout=60) as answer:
        said = json.load(answer)
    return time.monotonic() - start, said


def cpu_seconds(processes):
    """User and system time of these, together."""
    ticks = 0
    for process in processes:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def reference(city, table, rounds):
    former = psql(city, "select number from reference_documents where kind = 'catalogue' and state = 'published' limit 1")
    with Service(city, "status-ingest") as service:
        whole, previews, size, own, database = [], [], 0, [], []
        for number in range(rounds):
            body = json.dumps(large_catalogue(f"round {number}"), ensure_ascii=False).encode()
            size = len(body)
            took, said = put(city, body, "catalogue?dry_run=true")
            assert said["outcome"] == "dry_run", said["outcome"]
            previews.append(took)
            backends = psql(city, "select string_agg(pid::text, ' ') from pg_stat_activity where usename = 'bus311_status'").split()
            before = cpu_seconds([service.process.pid]), cpu_seconds(backends)
            took, said = put(city, body)
            assert said["outcome"] == "published", said["outcome"]
            whole.append(took)
            own.append(cpu_seconds([service.process.pid]) - before[0])
            database.append(cpu_seconds(backends) - before[1])
        assert psql(city, "select count(*) from services where active").strip() == str(SERVICES)
        # As it was, for the rows that come after.
        request = urllib.request.Request(
            f"{city.settings['status_ingest_url']}/v1/reference-data/catalogue/rollback", json.dumps({"to": int(former)}).encode(),
            {"Authorization": f"Bearer {city.settings['crm_token']}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["outcome"] == "published"
    table.row(
        "A catalogue of 2,000 services in 5 languages checked and published", f"{max(whole):.2f} s (worst of {rounds})", "≤ 1 s",
        max(whole) <= 1, ", ".join(f"{took:.2f}" for took in whole) + f"; {size / 1e6:.1f} MB of JSON, every text changed; a preview "
        + ", ".join(f"{took:.2f}" for took in previews) + f" s; CPU: {max(own):.2f} s of status-ingest, {max(database):.2f} s of PostgreSQL; "
        + f"load of the machine {os.getloadavg()[0]:.0f}")
