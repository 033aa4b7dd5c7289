#!/usr/bin/env python3
"""Reports something to a city and follows it until it is closed; the standard library is enough.

    report.py BASE KEY DESCRIPTION [SECONDS]

BASE: a city's own base, as its discovery document names it. SECONDS: between two looks, 60 if not given.
"""
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid


def call(url, headers, body=None):
    """The answer's JSON, or None for 304. Waits and tries again when told to."""
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20) as answer:
                return json.load(answer), answer.headers
        except urllib.error.HTTPError as error:
            if error.code == 304:
                return None, error.headers
            if error.code not in (429, 503):
                # Always a list of {code, description}.
                raise SystemExit("; ".join(each["description"] for each in json.load(error)))
            time.sleep(int(error.headers.get("Retry-After", "5")))


def main():
    base, key, description = sys.argv[1:4]
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 60

    services, _ = call(f"{base}/services.json", {})
    # One that asks no question and answers with an id.
    service = next(each for each in services if each["type"] == "realtime" and not each["metadata"])

    fields = {"service_code": service["service_code"], "lat": "43.6", "long": "3.2", "description": description}
    # Sent again with the same key after a lost connection, it is the same report.
    headers = {"X-API-Key": key, "Idempotency-Key": str(uuid.uuid4())}
    created, _ = call(f"{base}/requests.json", headers, urllib.parse.urlencode(fields).encode())
    identifier = created[0]["service_request_id"]
    print("reported:", identifier, flush=True)

    known = {}
    while True:
        found, headers = call(f"{base}/requests/{identifier}.json", known)
        if found and found[0]["status"] == "closed":
            print("closed:", found[0]["status_notes"])
            return
        # Next time only what has changed is sent.
        known = {"If-None-Match": headers["ETag"]} if headers["ETag"] else {}
        time.sleep(seconds)


main()
