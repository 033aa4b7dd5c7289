#!/usr/bin/env bash
# Reports something to a city and follows it until it is closed, with curl.
#
#     report.sh BASE KEY DESCRIPTION [SECONDS]
#
# BASE: a city's own base, as its discovery document names it. SECONDS: between two looks, 60 if not given.
set -euo pipefail
base=$1 key=$2 description=$3 seconds=${4:-60}

member() { python3 -c 'import json, sys; print(json.load(sys.stdin)[0][sys.argv[1]])' "$1"; }

# A service that asks no question and answers with an id.
service=$(curl -fsS --compressed "$base/services.json" | python3 -c '
import json, sys
print(next(s["service_code"] for s in json.load(sys.stdin) if s["type"] == "realtime" and not s["metadata"]))')

# Idempotency-Key: curl may try again without a second report being made.
id=$(curl -fsS --retry 5 -H "X-API-Key: $key" -H "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)" \
    --data-urlencode "service_code=$service" -d lat=43.6 -d long=3.2 --data-urlencode "description=$description" \
    "$base/requests.json" | member service_request_id)
echo "reported: $id"

until [ "$(curl -fsS "$base/requests/$id.json" | member status)" = closed ]; do sleep "$seconds"; done
echo "closed: $(curl -fsS "$base/requests/$id.json" | member status_notes)"
