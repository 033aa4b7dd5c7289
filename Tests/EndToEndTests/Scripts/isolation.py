"""Two cities on one bus: what the first one's credentials can do to the second. AMQP by pika, HTTP and SQL below it.

Everything is refused, and a refusal tells nothing: another city's request answers exactly as one that does not exist.
"""
import base64
import json
import os
import re
import secrets
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pika

import pictures
from city import City, wait_until
from neighbour import Neighbour

# MARK: AMQP


def attempt(uri, action):
    """The code with which the broker ends what it refuses; None when it is allowed."""
    connection = pika.BlockingConnection(pika.URLParameters(uri))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        action(channel)
        # A refusal of what has no answer comes with the next one that has.
        connection.process_data_events(time_limit=0.1)
        channel.basic_qos(prefetch_count=1)
        return None
    except (pika.exceptions.ChannelClosedByBroker, pika.exceptions.ConnectionClosedByBroker) as refusal:
        return refusal.reply_code
    finally:
        if connection.is_open:
            connection.close()


def depth(uri, queue):
    connection = pika.BlockingConnection(pika.URLParameters(uri))
    try:
        return connection.channel().queue_declare(queue, passive=True).method.message_count
    finally:
        connection.close()


def amqp(city, other):
    own, uri = city.settings["tenant"], city.settings["amqp_uri"]
    user = urllib.parse.urlsplit(uri).username
    status, mine = f"o311.{own}.status", f"{own}.status_update.v1"
    their_out, their_status = f"o311.{other.key}.out", f"o311.{other.key}.status"

    def refused(what, action, *codes):
        code = attempt(uri, action)
        assert code in (codes or (403,)), f"{what}: {code}"

    for queue in other.names():
        refused(f"get {queue}", lambda channel: channel.basic_get(queue))
        refused(f"consume {queue}", lambda channel: channel.basic_consume(queue, lambda *_: None))
        refused(f"consume {queue} alone", lambda channel: channel.basic_consume(queue, lambda *_: None, exclusive=True))
        refused(f"purge {queue}", lambda channel: channel.queue_purge(queue))
        refused(f"delete {queue}", lambda channel: channel.queue_delete(queue))
        refused(f"unbind {queue}", lambda channel: channel.queue_unbind(queue, their_out, "#"))
        refused(f"declare {queue}", lambda channel: channel.queue_declare(queue, durable=True))
        refused(f"declare {queue} exclusive", lambda channel: channel.queue_declare(queue, exclusive=True), 403, 405)
    for name in ("", "mine", f"o311.{own}.requests", f"o311.{own}.more"):
        for arguments in (
            {"x-dead-letter-exchange": their_out, "x-dead-letter-routing-key": f"{other.key}.service_request.created"},
            {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"o311.{other.key}.requests"},
        ):
            refused(f"dead letters of {name} to the other", lambda channel: channel.queue_declare(name, arguments=arguments))
            refused(
                f"dead letters of exclusive {name} to the other",
                lambda channel: channel.queue_declare(name, exclusive=True, arguments=arguments), 403, 405)
    for source, destination in ((their_out, status), (status, their_status), (their_status, status), (status, their_out), ("amq.topic", status)):
        refused(
            f"bind {source} to {destination}",
            lambda channel: channel.exchange_bind(destination, source, "#"))
        refused(
            f"unbind {source} from {destination}",
            lambda channel: channel.exchange_unbind(destination, source, "#"))
    for exchange in (their_out, their_status, "o311.dlx", "o311.stray", "amq.topic", "amq.direct", "amq.headers", ""):
        for key in (mine, f"{other.key}.status_update.v1", f"o311.{other.key}.requests"):
            refused(f"publish {key} to {exchange}", lambda channel: channel.basic_publish(exchange, key, b"{}"))

    for exchange in (f"o311.{own}.out", "amq.fanout", "amq.match", "amq.rabbitmq.trace", "amq.rabbitmq.log", "o311.dlx.status"):
        refused(f"publish to {exchange}", lambda channel: channel.basic_publish(exchange, mine, b"{}"), 403, 404)
    # Of its own objects too only what it needs: it consumes requests and receipts, and writes statuses.
    for queue in (f"o311.{own}.dead", f"o311.{own}.status-in", "o311.stray", "o311.status.dead"):
        refused(f"get {queue}", lambda channel: channel.basic_get(queue))
        refused(f"purge {queue}", lambda channel: channel.queue_purge(queue))
    for name in (f"o311.{own}.out", status):
        refused(f"delete {name}", lambda channel: channel.exchange_delete(name))
        refused(f"declare {name}", lambda channel: channel.exchange_declare(name, "topic", durable=True))
    # Its own exchange takes its own keys only.
    for key in (f"{other.key}.status_update.v1", f"{own}x.status_update.v1", f"x{own}.status_update.v1", f"{own}.service_request.created",
                f"{own}-status_update.v1", f"{own}.status_updateXv1", "*.status_update.v1", "#", f"o311.{other.key}.requests", own, ""):
        refused(f"publish with {key}", lambda channel: channel.basic_publish(status, key, b"{}"))
    # Names that look like its own: a right that is a regular expression with a hole would let one of them in.
    for alike in (f"{own}-1", f"{own}.1", f"1{own}", own[:-1], own.upper(), own.replace("-", "."), f"{own}|.*", f".*{own}", f"{own}\n", ".*", "[a-z0-9-]+"):
        refused(f"get of {alike}", lambda channel: channel.basic_get(f"o311.{alike}.requests"))
        refused(f"publish to {alike}", lambda channel: channel.basic_publish(f"o311.{alike}.status", mine, b"{}"))
    for queue in (f"o311X{own}Xrequests", f"o311.{own}.requests.more", f"x.o311.{own}.requests"):
        refused(f"get of {queue}", lambda channel: channel.basic_get(queue))
    # A dollar also matches before a line feed at the very end: this name passes the right, and nobody can make such a queue.
    refused("get of its own name and a line feed", lambda channel: channel.basic_get(f"o311.{own}.requests\n"), 403, 404)
    refused(
        "declare of its own name and a line feed", lambda channel: channel.queue_declare(f"o311.{own}.requests\n", durable=True))

    # Under another's name: the broker compares it with the connection's own.
    for forged in (other.user, "svc.relay", "guest"):
        refused(
            f"as {forged}",
            lambda channel: channel.basic_publish(status, mine, b"{}", pika.BasicProperties(user_id=forged)), 406)
    # Each that is allowed gets an answer: a refusal, for it has no message id.
    answers = f"o311.{own}.receipts"
    before = depth(uri, answers)
    assert attempt(
        uri, lambda channel: channel.basic_publish(status, mine, b"{}", pika.BasicProperties(user_id=user), mandatory=True)) is None

    # Copies: the broker looks for their keys among the bindings of the exchange they were sent to, which are the sender's own.
    copies = [f"o311.{other.key}.requests", f"o311.{other.key}.status-in", f"{other.key}.status_update.v1", "#"]
    for header in ("CC", "BCC"):
        attempt(uri, lambda channel: channel.basic_publish(
            status, mine, b"{}", pika.BasicProperties(headers={header: copies}, reply_to=f"o311.{other.key}.requests")))
    wait_until(lambda: depth(uri, answers) == before + 3, 60, "the three that are allowed are answered to their sender")
    for queue in other.names():
        assert depth(other.amqp_uri, queue) == 0, queue

    # What RabbitMQ lets every user of a virtual host do before 4.2.6: count the messages and consumers of a queue whose name it
    # knows. Nothing more comes out, and names cannot be guessed (docs/operators/README.md).
    leaked = attempt(uri, lambda channel: channel.queue_declare(other.names()[0], passive=True))
    assert leaked in (None, 403), leaked
    print(f"passive declare of another's queue: {'allowed by this broker' if leaked is None else 'refused'}", flush=True)

    for host in ("/", "other"):
        try:
            pika.BlockingConnection(pika.URLParameters(uri[:uri.rindex("/") + 1] + urllib.parse.quote(host, safe="")))
            raise AssertionError(f"entered {host}")
        except pika.exceptions.AMQPConnectionError:
            pass


def foreign_ids_by_amqp(city, other, foreign_id):
    """Another tenant's request in a status over AMQP is answered as one that does not exist, and is not touched."""
    own = city.settings["tenant"]
    connection = pika.BlockingConnection(pika.URLParameters(city.settings["amqp_uri"]))
    channel = connection.channel()
    channel.queue_purge(f"o311.{own}.receipts")
    answers = {}
    for name, request in (("foreign", foreign_id), ("unknown", str(int(foreign_id) + 1_000_000))):
        channel.basic_publish(
            f"o311.{own}.status", f"{own}.status_update.v1",
            json.dumps({"service_request_id": request, "status": "closed", "status_notes": "intruder"}).encode(),
            pika.BasicProperties(message_id=name, delivery_mode=2))

        def answered():
            method, _, body = channel.basic_get(f"o311.{own}.receipts", auto_ack=True)
            if method:
                answers[name] = json.loads(body)["data"]
            return name in answers

        wait_until(answered, 60, f"the receipt of {name}")
        answers[name] = {key: value for key, value in answers[name].items() if key not in ("update_id", "service_request_id")}
    connection.close()
    assert answers["foreign"] == answers["unknown"] and answers["foreign"]["reason"] == "unknown-request", answers
    shown = json.loads(answer(f"{city.settings['gateway_url']}/requests/{foreign_id}.json?jurisdiction_id={other.jurisdiction}")[1])
    assert shown[0]["status_notes"] == "ours", shown


def photos(city, other):
    """A photo's address is its key: it cannot be found by trying, and another tenant's CRM can do nothing to it."""
    picture = pictures.photo(64, 48)
    boundary = "zz9"
    fields = dict(jurisdiction_id=other.jurisdiction, api_key=other.api_key, service_code="LAMP", lat="43.6", long="3.2", description="photo")
    body = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
    body = body.encode() + (
        f'--{boundary}\r\nContent-Disposition: form-data; name="media"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    ).encode() + picture + f"\r\n--{boundary}--\r\n".encode()
    code, made, _ = answer(urllib.request.Request(
        city.settings["gateway_url"] + "/requests.json", data=body,
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}))
    assert code == 200, made
    number = json.loads(made)[0]["service_request_id"]
    path = f"{city.settings['gateway_url']}/requests/{number}.json?jurisdiction_id={other.jurisdiction}"
    wait_until(lambda: answer(json.loads(answer(path)[1])[0].get("media_url") or path + "x")[0] == 200, 60, "the photo")
    url = json.loads(answer(path)[1])[0]["media_url"]
    token = re.search(r"[0-9a-f]{32}", url).group(0)
    assert number not in url and other.key not in url, url
    # One bit beside it, its beginning, the folder: all the same answer.
    near = token[:-1] + format(int(token[-1], 16) ^ 1, "x")
    tried = [answer(url.replace(token, guess)) for guess in (near, token[::-1], secrets.token_hex(16), "0" * 32)]
    assert all(one == tried[0] and one[0] == 404 for one in tried), tried
    for guess in (token[:31], token[:16], "", "..", token.upper() + "0", "%2e%2e%2f" + other.key):
        assert answer(url.replace(token, guess))[0] in (400, 404), guess

    def blur(photo):
        return answer(urllib.request.Request(
            f"{city.settings['status_ingest_url']}/v1/photos/{photo}/redactions", method="POST",
            data=json.dumps({"rectangles": [{"x": 0, "y": 0, "width": 9, "height": 9}]}).encode(),
            headers={"Authorization": "Bearer " + city.settings["crm_token"], "Content-Type": "application/json"}))

    foreign, unknown = blur(token), blur(near)
    assert foreign == unknown and foreign[0] == 404, (foreign, unknown)
    assert answer(url)[0] == 200


def inner_pages(city):
    """Metrics and health are for this machine alone, whatever port is asked."""
    root = city.settings["gateway_url"][:-len("/open311/v2")]
    for base in (root, city.settings["gateway_url"], city.settings["status_ingest_url"]):
        for page in ("/metrics", "/health/ready", "/debug"):
            assert b"o311_" not in answer(base + page)[1], (base, page)
    port = urllib.parse.urlsplit(city.settings["health_url"]).port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            outer = probe.getsockname()[0]
        except OSError:
            outer = None
    if outer and not outer.startswith("127."):
        with socket.socket() as caller:
            caller.settimeout(5)
            assert caller.connect_ex((outer, port)) != 0, "the health page is open to the network"


def management(city, other):
    """A tenant's user has no tag: the management interface is closed to it."""
    login = urllib.parse.urlsplit(city.settings["amqp_uri"])
    credentials = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
    queue = f"/api/queues/open311/o311.{other.key}.requests"
    for method, path, body in (
        ("GET", "/api/whoami", None), ("GET", "/api/overview", None), ("GET", "/api/queues/open311", None), ("GET", queue, None),
        ("GET", "/api/connections", None), ("GET", "/api/definitions", None), ("DELETE", queue, None),
        ("DELETE", queue + "/contents", None), ("POST", queue + "/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}),
        ("POST", f"/api/exchanges/open311/o311.{other.key}.out/publish",
         {"properties": {}, "routing_key": "x", "payload": "x", "payload_encoding": "string"}),
        ("PUT", f"/api/users/{login.username}", {"password": "x", "tags": "administrator"}),
        ("PUT", f"/api/permissions/open311/{login.username}", {"configure": ".*", "write": ".*", "read": ".*"}),
    ):
        request = urllib.request.Request(
            city.settings["management_url"] + path, method=method, data=json.dumps(body).encode() if body else None,
            headers={"Authorization": "Basic " + credentials, "Content-Type": "application/json"})
        assert answer(request)[0] == 401, (method, path)


# MARK: HTTP


def answer(request):
    """Status, body, and the headers that do not differ from answer to answer."""
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, reply.read(), shape(reply.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), shape(error.headers)


def shape(headers):
    return {key.lower(): value for key, value in headers.items() if key.lower() not in ("date", "x-request-id", "content-length")}


def gateway(city, other, foreign_id):
    base, own = city.settings["gateway_url"], city.settings["jurisdiction_id"]
    root = base[:-len("/open311/v2")]
    mine, theirs = (f"{root}/{key}/open311/v2" for key in (city.settings["tenant"], other.key))
    unknown_id = str(int(foreign_id) + 1_000_000)

    def post(url, **fields):
        values = dict(service_code="LAMP", lat="43.6", long="3.2", description="intruder", api_key=city.settings["api_key"])
        values.update(fields)
        return answer(urllib.request.Request(url + "/requests.json", data=urllib.parse.urlencode(values).encode()))[0]

    assert post(base, jurisdiction_id=other.jurisdiction) == 403
    assert post(theirs) == 403
    assert post(theirs, jurisdiction_id=other.jurisdiction) == 403
    assert post(theirs, jurisdiction_id=own) == 404
    assert post(mine, jurisdiction_id=other.jurisdiction) == 404
    assert post(mine, service_code="HARBOUR") == 404
    assert b"intruder" not in answer(f"{theirs}/requests.json")[1]

    for at in (f"{mine}/requests/%s.json", f"{base}/requests/%s.json?jurisdiction_id={own}", f"{mine}/requests/%s.xml"):
        foreign, unknown = answer(at % foreign_id), answer(at % unknown_id)
        assert foreign[0] == 404
        assert foreign[1].replace(foreign_id.encode(), b"ID") == unknown[1].replace(unknown_id.encode(), b"ID")
        assert foreign[2] == unknown[2]
    assert json.loads(answer(f"{mine}/requests.json?service_request_id={foreign_id}")[1]) == []
    shown = json.loads(answer(f"{mine}/requests.json")[1])
    assert shown and all(request["service_request_id"] != foreign_id for request in shown)
    assert answer(f"{theirs}/requests/{foreign_id}.json")[0] == 200

    codes = {service["service_code"] for service in json.loads(answer(f"{mine}/services.json")[1])}
    assert "HARBOUR" not in codes and "POTHOLE" in codes
    foreign, unknown = (answer(f"{mine}/services/{code}.json") for code in ("HARBOUR", "NOWHERE"))
    assert foreign[0] == 404 and foreign[1].replace(b"HARBOUR", b"X") == unknown[1].replace(b"NOWHERE", b"X")


def status_ingest(city, other, foreign_id):
    def put(request, token, notes="intruder"):
        return answer(urllib.request.Request(
            f"{city.settings['status_ingest_url']}/v1/service-requests/{request}/updates/1", method="PUT",
            data=json.dumps({"status": "closed", "status_notes": notes}).encode(),
            headers={"Authorization": "Bearer " + token, "Content-Type": "application/json"}))

    token = city.settings["crm_token"]
    foreign = put(foreign_id, token)
    assert foreign[0] == 404, foreign
    for unknown in (str(int(foreign_id) + 1_000_000), "1", "nonsense"):
        assert put(unknown, token) == foreign, unknown
    # Every other page that names a request: the same answer for another tenant's as for none.
    for method, words, body in (
        ("GET", "timeline", None), ("POST", "moderation", {"decision": "hide", "reason": "intruder"}), ("DELETE", "personal-data", None),
    ):
        def ask(request):
            status, text, headers = answer(urllib.request.Request(
                f"{city.settings['status_ingest_url']}/v1/service-requests/{request}/{words}", method=method,
                data=json.dumps(body).encode() if body else None,
                headers={"Authorization": "Bearer " + token, "Content-Type": "application/json"}))
            return status, text.replace(request.encode(), b"ID"), headers

        stranger = ask(foreign_id)
        assert stranger[0] in (400, 404) and stranger == ask(str(int(foreign_id) + 1_000_000)), (method, words, stranger)
    for wrong in (city.settings["api_key"], other.api_key, token[:-1] + ("a" if token[-1] != "a" else "b")):
        assert put(foreign_id, wrong)[0] == 401
    shown = json.loads(answer(f"{city.settings['gateway_url']}/requests/{foreign_id}.json?jurisdiction_id={other.jurisdiction}")[1])
    assert shown[0]["status"] == "open" and not shown[0].get("status_notes"), shown
    assert put(foreign_id, other.crm_token, "ours")[0] == 201


# MARK: SQL


def row_level_security(city, foreign_id):
    """Below the services: even a statement that forgot its tenant sees one tenant only."""
    with open(os.path.join(city.home, "settings.json"), encoding="utf-8") as file:
        database = json.load(file)["bus311"]["database"]

    def sql(role, text):
        answer = subprocess.run(
            ["psql", "-qtAX", "-v", "ON_ERROR_STOP=1", "-d", database[role], "-c", text], timeout=30, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        return answer.stdout.split() if answer.returncode == 0 else answer.stderr

    own = sql("owner", f"select id from tenants where key = '{city.settings['tenant']}'")[0]
    other = sql("owner", f"select tenant_id from service_requests where id = {foreign_id}")[0]
    assert own != other
    as_own = f"set bus311.tenant = '{own}';"
    for role in ("gateway", "status"):
        assert sql(role, "select count(*) from service_requests") == ["0"], role
        assert sql(role, f"{as_own} select count(*) from service_requests where tenant_id <> {own}") == ["0"], role
        assert int(sql(role, f"{as_own} select count(*) from service_requests")[0]) > 0, role
    changed = f"{as_own} with changed as (update service_requests set status_notes = 'intruder' where id = {foreign_id} returning 1)"
    assert sql("status", changed + " select count(*) from changed") == ["0"]
    for role, statement in (
        ("status", f"{as_own} update service_requests set tenant_id = {other} where tenant_id = {own}"),
        ("status", f"{as_own} insert into status_updates (request_id, update_id, tenant_id, fingerprint, occurred_at, applied) "
                   f"values ({foreign_id}, 'intruder', {other}, '', now(), true)"),
    ):
        assert "row-level security" in sql(role, statement), statement
    for role, statement in (
        ("gateway", "update service_requests set status = 'ARCHIVED'"), ("gateway", "select 1 from reporters"),
        ("gateway", "select 1 from outbox"), ("ingest", "select 1 from service_requests"), ("ingest", "select 1 from reporters"),
        ("relay", "select 1 from service_requests"), ("relay", "select 1 from reporters"), ("relay", "select 1 from access_keys"),
        ("relay", "delete from outbox"), ("status", "select 1 from reporters"), ("status", "select 1 from outbox"),
        ("watch", "select 1 from service_requests"), ("watch", "select 1 from reporters"), ("admin", "select 1 from reporters"),
    ):
        assert "permission denied" in sql(role, statement), (role, statement)


def main():
    with City() as city:
        other = Neighbour(city)
        code, made = city.post("à nous", jurisdiction_id=other.jurisdiction, api_key=other.api_key, client_request_id="same")
        assert code == 200, made
        foreign_id = made[0]["service_request_id"]
        code, made = city.post("à nous", client_request_id="same")
        assert code == 200 and made[0]["service_request_id"] != foreign_id, "a client_request_id belongs to its tenant"
        consumer = pika.BlockingConnection(pika.URLParameters(other.amqp_uri))
        wait_until(
            lambda: consumer.channel().basic_get(other.names()[0], auto_ack=True)[0] is not None, 10, "the neighbour's own event")
        consumer.close()
        gateway(city, other, foreign_id)
        status_ingest(city, other, foreign_id)
        row_level_security(city, foreign_id)
        amqp(city, other)
        foreign_ids_by_amqp(city, other, foreign_id)
        photos(city, other)
        inner_pages(city)
        management(city, other)
    print("isolation: 1 passed, 0 failed")


if __name__ == "__main__":
    main()
