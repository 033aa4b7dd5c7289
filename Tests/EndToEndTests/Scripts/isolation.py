"""Two cities on one bus: what the first one's credentials can do to the second. AMQP by pika, HTTP and SQL below it.

Everything is refused, and a refusal tells nothing: another city's request answers exactly as one that does not exist.
"""
import base64
import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pika
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
        management(city, other)
    print("isolation: 1 passed, 0 failed")


if __name__ == "__main__":
    main()
