#!/bin/bash
# A CRM's consumer in shell, with Debian's amqp-tools, jq and curl. For a small hand-over to files; a CRM takes one of the others.
#
# Settings, all from the environment:
#   AMQP_URI   amqps://user:password@host:5671/open311, as the city's operator gave it
#   QUEUE      o311.<tenant>.requests
#   CRM_TOKEN  the bearer token for statuses, which go by REST: amqp-publish knows no confirms
#   STATE      folder of what is stored: requests/NUMBER/EPOCH-SEQUENCE.EVENT.json
#   AMQP_CA_FILE  the authority of the bus's certificate (PEM); by default those that Debian trusts
#
# amqp-consume starts this file once for each message, acknowledges when it exits 0, and can neither reject nor reconnect. Hence:
# one message at a time; a poison is given back by hanging up until the broker, after ten returns, moves it to the dead letters.
set -euo pipefail
export LC_ALL=C.UTF-8 # versions are compared as text
: "${AMQP_URI:?}" "${QUEUE:?}" "${CRM_TOKEN:?}" "${STATE:?}"

say() { printf '%s %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }

# Empties the outbox as far as it goes. The update's id makes a repetition harmless: an entry goes after the answer only.
send_statuses() {
    local entry number link code
    for entry in "$STATE"/outbox/*; do
        number=${entry##*/}
        # Written before its request: without it, the crash came in between, and the message comes again.
        [ -e "$entry" ] && compgen -G "$STATE/requests/$number/*.json" > /dev/null || continue
        link=$(< "$entry")
        # The token goes in by standard input: a command line is there for everybody to read.
        code=$(curl -sS --max-time 10 -o "$STATE/answer" -w '%{http_code}' -X PUT "$link" -H @- \
            -d '{"status":"IN_PROCESS","status_notes":"Pris en charge","ack":true,"external_reference":"CRM-'"$number"'"}' <<< "Authorization: Bearer $CRM_TOKEN
Content-Type: application/json") || code=000
        case $code in
            2*) rm "$entry" ;;
            000 | 429 | 5*) say "status of $number not sent ($code), later again"; return ;;
            *) say "status of $number refused: $(< "$STATE/answer")"; rm "$entry" ;;
        esac
    done
}

# Hangs up with the message in hand: amqp-consume can do nothing else with it.
give_back() {
    kill "$PPID"
    exit 1
}

# Writes what one_message has read. The commit is the last rename: it holds the request, its version and the event's id, and once synced it
# survives a power cut. Whatever fails is done again by the next try.
store() {
    local folder="$STATE/requests/$number"
    mkdir -p "$folder" || return
    # An erasure has no link.
    if [ -z "$last" ] && [ "$link" != - ]; then printf '%s/%s\n' "$link" "$id" > "$STATE/outbox/$number" || return; fi
    case $kind in *.erased.v1) find "$folder" -name '*.json' ! -name "*.$id.json" -exec truncate -s 0 {} + || return ;; esac
    if [ -e "$part" ]; then sync "$part" "$STATE/outbox" "$STATE/requests" && mv "$part" "$folder/$version.$id.json" || return; fi
    sync "$folder"
}

# One message on standard input. Exit 0 acknowledges it.
one_message() {
    local part="$STATE/incoming" fields id kind number epoch sequence link version last
    exec 9> "$STATE/lock"
    flock 9
    [ ! -e "$STATE/stopping" ] || give_back # not begun: it goes back to the queue
    trap 'rm -f "$STATE/incoming"' EXIT
    cat > "$part" || { sleep 1; give_back; }
    # Every type is checked here. Names of files are made of these: jq lets nothing but digits, letters and dashes through. After a restore
    # of the bus numbers are given out again, under a source that ends with a new epoch: its events are newer.
    if ! fields=$(jq -er '
        if .type | test("\\.service_request\\.(created|updated|moderated|erased)\\.v1$") | not then "- ignore - - - -"
        else
            (.source | capture("-e(?<epoch>[1-9][0-9]{0,8})$") // {epoch: "1"}) as $source |
            if (.id | test("^[A-Za-z0-9-]+$")) and (.data.service_request_id | test("^[0-9]{1,40}$"))
                and (.data.sequence | type == "number" and . == floor and . >= 1 and . < 9007199254740992)
                and (.data.links.status // "https://none" | test("^https?://[^ ]+$"))
            then "\(.id) \(.type) \(.data.service_request_id) \($source.epoch) \(.data.sequence) \(.data.links.status // "-")"
            else error("id, service_request_id or sequence is wrong") end
        end' "$part" 2>&1); then
        say "cannot be read, given back: ${fields:0:300}"
        touch "$STATE/returned"
        give_back
    fi
    read -r id kind number epoch sequence link <<< "$fields"
    [ "$kind" != ignore ] || return 0 # an unknown type: that is how the contract can grow
    version=$(printf '%09d-%016d' "$epoch" "$sequence")
    last=$(find "$STATE/requests/$number" -name '*.json' -printf '%f\n' 2> /dev/null | sort | tail -n 1 | cut -d . -f 1) || last=
    # The same again, or older than what is stored.
    [[ "$version" > "$last" ]] || return 0
    until store; do
        # The disk is full, or away: not the message's fault. Wait with it in hand; amqp-consume sends the heartbeats.
        say "cannot be stored, waiting"
        sleep 1
        [ ! -e "$STATE/stopping" ] || give_back
    done
    touch "$STATE/worked"
    send_statuses
}

mkdir -p "$STATE/requests" "$STATE/outbox"
if [ "${1:-}" = one-message ]; then
    one_message
    exit 0
fi

# amqps://user:password@host:port/vhost, percent-encoded, into options. The password goes into a file of our own.
decode() { printf '%b' "${1//%/\\x}"; }
[[ $AMQP_URI =~ ^(amqps?)://([^:]+):([^@]+)@([^:/]+)(:([0-9]+))?/(.+)$ ]] || { echo "AMQP_URI is no AMQP URI" >&2; exit 64; }
scheme=${BASH_REMATCH[1]} user=${BASH_REMATCH[2]} password=${BASH_REMATCH[3]} host=${BASH_REMATCH[4]} port=${BASH_REMATCH[6]} vhost=${BASH_REMATCH[7]}
(umask 077 && printf 'username:%s\npassword:%s\n' "$(decode "$user")" "$(decode "$password")" > "$STATE/login")
options=(--heartbeat=15)
if [ "$scheme" = amqps ]; then
    # It speaks TLS only to an address that is given whole: the password stands on its command line, for every user of this machine to read.
    options+=(--url="$AMQP_URI" --ssl --cacert="${AMQP_CA_FILE:-/etc/ssl/certs/ca-certificates.crt}")
else
    options+=(--server="$host" --port="${port:-5672}" --vhost="$(decode "$vhost")" --authfile="$STATE/login")
fi

consumer= stopping=
stop() {
    stopping=yes
    touch "$STATE/stopping"
    # The message in hand is finished; then amqp-consume has a moment to write its acknowledgement.
    flock -w 20 "$STATE/lock" true || true
    sleep 0.3
    [ -z "$consumer" ] || kill "$consumer" 2> /dev/null || true
}
trap stop TERM INT
rm -f "$STATE/stopping"
touch "$STATE/lock"
longest=2000
while [ -z "$stopping" ]; do
    send_statuses
    rm -f "$STATE/returned"
    # Nothing is declared: the queue is the operator's. Heartbeats are off in amqp-consume unless asked for.
    amqp-consume "${options[@]}" -q "$QUEUE" -p 1 "$(realpath "$0")" one-message > /dev/null &
    consumer=$!
    wait "$consumer" || true
    [ -z "$stopping" ] || break
    if [ -e "$STATE/returned" ]; then
        sleep 0.1 # a poison: at once again, until the broker has counted enough returns
        continue
    fi
    # Growing and random: a thousand consumers must not all knock in the second in which the broker is back.
    [ ! -e "$STATE/worked" ] || longest=2000
    rm -f "$STATE/worked"
    pause=$((1000 + RANDOM * (longest - 1000) / 32768))
    say "connection lost; again in $pause ms"
    sleep "$((pause / 1000)).$(printf %03d $((pause % 1000)))" &
    wait $! || true
    longest=$((longest * 2 < 60000 ? longest * 2 : 60000))
done
wait "$consumer" || true
exit 0
