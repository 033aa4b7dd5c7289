#!/bin/bash
# The CRM's side of Bus311 with Debian's amqp-tools: consume one request after the other, keep it, send a status, acknowledge.
#
#   examples/consumer.sh .bus311/demo.json requests/            until Ctrl-C
#   examples/consumer.sh .bus311/demo.json requests/ 3          ends after three messages
#
# amqp-consume acknowledges when the program it starts exits 0. Needs amqp-tools, python3 (to read JSON) and curl.
# Good for a first look; for production, see consumers/: amqp-consume does not reconnect.
set -euo pipefail

settings=${1:?usage: consumer.sh demo.json folder [count]}
folder=${2:?usage: consumer.sh demo.json folder [count]}
count=${3:-}

if [ "${3:-}" = one-message ]; then
    # One message on standard input.
    body=$(cat)
    read -r event id link < <(python3 -c 'import json,sys; e=json.load(sys.stdin); d=e["data"]; print(e["id"], d["service_request_id"], d["links"]["status"])' <<<"$body")
    # A file named by the event: the same message again changes nothing.
    printf '%s\n' "$body" >"$folder/$event.part"
    mv "$folder/$event.part" "$folder/$event.json"
    token=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["crm_token"])' "$settings")
    curl -fsS -o /dev/null -X PUT "$link/$event" -H @- -d '{"status":"IN_PROCESS","status_notes":"Pris en charge"}' <<<"Authorization: Bearer $token
Content-Type: application/json"
    echo "request $id"
    exit 0
fi

mkdir -p "$folder"
read -r uri queue < <(python3 -c 'import json,sys; s=json.load(open(sys.argv[1])); print(s["amqp_uri"], s["request_queue"])' "$settings")
exec amqp-consume --url="$uri" -q "$queue" -p 1 ${count:+-c "$count"} "$0" "$settings" "$folder" one-message
