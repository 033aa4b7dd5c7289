"""Alerts of a real city and its neighbour, each raised by its fault and ended by its repair: told by mail and by webhook to those whom it
concerns, acknowledged by link, told again when over. Nothing of a citizen's and no secret is in any of them.

NODE_DOWN and QUORUM_CRITICAL need a cluster: cluster.py. DISK is raised by a limit below what is in use.

A Prometheus beside it, with the rules of docs/monitoring, sees the same faults: which of them fired, and after which fault, is looked at in
the end.
"""
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import monitoring
import pika
from bus_faults import Operator
from city import PROGRAM, City, kill9, wait_until
from neighbour import Neighbour
from receivers import Hook, MailServer

OPERATOR, ADMINISTRATOR, MANAGER = "ops@bus.example", "si@valmont.example", "dgs@valmont.example"
SECRET = "alerts-e2e-secret-0123456789"
CITIZEN = dict(first_name="Zéphyrine", last_name="Quatrebarbes", email="zephyrine.quatrebarbes@citizen.example", phone="+33612345678")
# Minutes are seconds here; what counts in days has rows that are made old.
RULES = ("NO_CONSUMER.after=3s, NO_CONSUMER.clear_after=2s, NO_CONSUMER.manager_after=5s, CONSUMER_STUCK.after=5s, BACKLOG_AGE.warning=4s,"
         "BACKLOG_AGE.clear=2s, REPEATED_FAILURES.warning=2, REPEATED_FAILURES.clear_after=2s, OUTBOX_AGE.warning=3s, OUTBOX_AGE.clear=2s,"
         "OUTBOX_AGE.clear_after=1s, RELAY_DOWN.after=1s, BROKER_DOWN.after=2s, BROKER_DOWN.clear_after=2s, BROKER_ALARM.after=1s,"
         "BROKER_ALARM.clear_after=1s, DEADMAN.after=2s, DISK.warning=100, DISK.critical=100, DISK.clear=100, DISK.after=0s")


# The same for Prometheus's rules.
LIMITS = [("Bus311Restarts", "> 3", "> 0"), ("Bus311OutboxOld", "> 60", "> 2"), ("Bus311OutboxVeryOld", "> 300", "> 4"),
          ("Bus311RelayFailures", ">= 5", ">= 1"), ("Bus311ConsumerStuck", "> 900", "> 2"), ("Bus311BacklogOld", "> 1800", "> 3"),
          ("Bus311StatusesRefused", "offset 10m) >= 10", "offset 10m) >= 2")]
# The scene in which each begins to fire.
FIRED_BY = {
    "start": ["Bus311NoConsumer", "Bus311Down"],
    "before": ["Bus311OutboxOld", "Bus311OutboxVeryOld", "Bus311RelayFailures", "Bus311ConfigDrift", "Bus311BacklogOld"],
    "nobody_connected": ["Bus311Restarts", "Bus311ShardWithoutLeader"],
    "time_passes": ["Bus311QueueIncident"],
    "hangs": ["Bus311ConsumerStuck", "Bus311DeadLetters", "Bus311DeadLettersLeft"],
    "status_is_refused": ["Bus311StatusesRefused"],
    "repaired": ["Bus311SlowFirstWord"],
    "broker_stops": ["Bus311BrokerBlocked", "Bus311DependencyDown"],
    "tests_arrive": ["Bus311AlertsNotDelivered"],
}


class Scene(Operator):
    def __init__(self, city):
        super().__init__(city)
        self.tenant = city.settings["tenant"]

    def open(self, code, tenant=True):
        tenant = self.tenant if tenant is True else tenant
        return [alert for alert in self.run("alert", "list") if alert["code"] == code and alert.get("tenant") == tenant]

    def rabbitmqctl(self, *words):
        subprocess.run([os.path.join(self.city.home, "rabbitmq", "bin", "rabbitmqctl"), "-q", *words], check=True, timeout=60,
                       stdout=subprocess.DEVNULL)

    def contacts(self):
        """By the tenant's own file, as an operator gives them."""
        path = os.path.join(self.city.folder.name, "valmont.yaml")
        done = subprocess.run([PROGRAM, "tenant", "export", self.tenant, "--config", self.config], stdout=subprocess.PIPE, check=True)
        kept = re.sub(r"(?ms)^contacts:\n(  .*\n)*", "", done.stdout.decode())
        kept = re.sub(r"(?m)^(catalogue|boundary):.*\n", "", kept)
        with open(path, "w", encoding="utf-8") as file:
            file.write(kept + f"contacts:\n  technical_administrator:\n    email: {ADMINISTRATOR}\n  manager:\n    email: {MANAGER}\n")
        self.run("tenant", "apply", "--file", path)

    def status(self, request, status):
        settings = self.city.settings
        call = urllib.request.Request(
            f"{settings['status_ingest_url']}/v1/service-requests/{request}/updates/e2e-{status}", method="PUT",
            data=json.dumps({"status": status}).encode(),
            headers={"Authorization": f"Bearer {settings['crm_token']}", "Content-Type": "application/json"})
        with urllib.request.urlopen(call, timeout=10) as answer:
            assert answer.status in (200, 201), answer.status


class CRM:
    """Consumes in a thread of its own; takes each message, or holds it, or refuses what it holds."""

    def __init__(self, uri, queue):
        self.uri, self.queue = uri, queue
        self.holds, self.refuses, self.ended = False, False, False
        self.taken, self.held = 0, []
        self.thread = threading.Thread(target=self.consume, daemon=True)
        self.thread.start()

    def consume(self):
        while not self.ended:
            try:
                connection = pika.BlockingConnection(pika.URLParameters(self.uri))
                channel = connection.channel()
                channel.basic_qos(prefetch_count=20)
                channel.basic_consume(self.queue, self.receive)
                while not self.ended:
                    connection.process_data_events(0.2)
                    while self.refuses and self.held:
                        channel.basic_reject(self.held.pop(), requeue=False)
                connection.close()
            except (pika.exceptions.AMQPError, OSError):
                self.held = []
                time.sleep(0.3)

    def receive(self, channel, method, _properties, _body):
        if self.holds:
            self.held.append(method.delivery_tag)
        else:
            channel.basic_ack(method.delivery_tag)
            self.taken += 1

    def stop(self):
        self.ended = True
        self.thread.join(10)


class SecondWatch:
    """Beside the one in `bus311 all`: stands by, and takes over with what is stored."""

    def __init__(self, scene):
        with open(scene.config, encoding="utf-8") as file:
            settings = json.load(file)
        self.port = settings["bus311"]["health"]["port"] = scene.city.spare_ports[0]
        path = os.path.join(scene.city.home, "second.json")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            json.dump(settings, file)
        with open(os.path.join(scene.city.home, "second.log"), "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "watch", "--config", path], stdout=log, stderr=log, cwd=scene.city.home,
                env=dict(os.environ, BUS311_ALERTS_RULES=RULES + ", DISK.warning=1, DISK.clear=1"))
        wait_until(lambda: self.stands_by() is True, 30, "the second watch stands by")

    def stands_by(self):
        try:
            page = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=2).read().decode()
        except urllib.error.HTTPError as error:
            page = error.read().decode()
        except OSError:
            return None
        return "another watch evaluates" in page if "watch.alerts" in page else None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0


def link_of(text):
    found = re.search(r"http\S+/alerts/\S+", text)
    assert found, text
    return found.group(0)


def fetch(url, method="GET", body=None, headers={}):
    data = b"" if method == "POST" else body
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, data=data, headers=headers), timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def step(text, start=[time.monotonic()]):
    print(f"{time.monotonic() - start[0]:5.1f} s  {text}", flush=True)


class Play:
    def __init__(self, city, mail, hook, prometheus):
        self.city, self.mail, self.hook, self.prometheus, self.scene = city, mail, hook, prometheus, Scene(city)
        self.tenant = self.scene.tenant
        self.scene.contacts()
        self.neighbour = Neighbour(city)
        self.other = self.neighbour.key

    def hears(self, kind, code, tenant=None, seconds=45, audience="administrator"):
        wait_until(lambda: self.hook.told(code, kind, tenant, audience), seconds, f"{code} {kind} of {tenant or 'the installation'}")
        return self.hook.told(code, kind, tenant, audience)[0]

    def post(self, count, neighbour=False):
        fields = dict(jurisdiction_id=self.neighbour.jurisdiction, api_key=self.neighbour.api_key) if neighbour else {}
        answers = [self.city.post(f"Lampadaire éteint devant le {number} rue des Lilas", **CITIZEN, **fields) for number in range(count)]
        assert all(code == 200 for code, _ in answers), answers
        return [answer[0]["service_request_id"] for _, answer in answers]

    # MARK: one after the other

    def certificate(self, days):
        """The broker's certificate becomes one that ends soon; nil days bring back the first."""
        tls = os.path.join(self.city.home, "rabbitmq", "tls")
        server = os.path.join(tls, "server.pem")
        if days is None:
            os.replace(server + ".first", server)
            return
        os.rename(server, server + ".first")
        subprocess.run(["openssl", "req", "-x509", "-key", os.path.join(tls, "server.key"), "-subj", "/CN=localhost", "-days", str(days),
                        "-out", server], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.chmod(server, 0o644)

    def before(self):
        """The neighbour's queue gets little room, and nearly no room is left; then its exchange goes. Its citizens fell silent last week."""
        self.certificate(5)
        self.scene.override(f"o311.{self.other}.requests", max_length=30)
        self.old, self.feed = self.post(8), self.post(25, neighbour=True)
        wait_until(lambda: self.scene.sql("select count(*) from outbox where state = 'pending'") == "0", 20, "everything is in the queues")
        self.scene.broker("DELETE", "exchanges", "open311", f"o311.{self.other}.out")
        for place, request in enumerate(self.feed + self.post(2, neighbour=True)):
            self.scene.sql(f"update service_requests set requested_at = now() - interval '6 days' - interval '{12 * place} hours' where id = {request}")

    def nobody_connected(self):
        """The CRM never came. One watch evaluates, another takes over in the middle: nothing is told twice, nothing is forgotten."""
        second = SecondWatch(self.scene)
        alert = self.hears("fired", "NO_CONSUMER", self.tenant)
        assert alert["facts"]["connections"] == 0 and alert["runbook"].endswith("no-consumer.md"), alert
        self.city.kill(" all ")
        wait_until(lambda: second.stands_by() is False, 20, "the second watch takes over")
        # A relay that is started again leads at once: it is kept away until that is told.
        def is_told():
            kill9(self.city.processes(" all "))
            return self.hook.told("RELAY_DOWN", "fired", None, "administrator")
        wait_until(is_told, 45, "RELAY_DOWN fired of the installation")
        wait_until(lambda: self.mail.to(MANAGER, "n'est plus connecté"), 30, "the manager hears after the change")
        for who in (OPERATOR, ADMINISTRATOR):
            wait_until(lambda: self.told_valmont(who, "personne n'est connecté"), 30, f"{who} hears by mail")
            assert len(self.told_valmont(who, "personne n'est connecté")) == 1, self.mail.to(who)
        assert len(self.hook.told("NO_CONSUMER", "fired", self.tenant)) == 1, "told twice after a change of watches"
        self.hears("fired", "QUEUE_FILL", self.other)
        self.hears("fired", "DEADMAN")
        self.hook.hears_beats = True
        ends = self.hears("fired", "CERT_EXPIRY")
        # Asked in the very second in which it was made, it ends within six days, not within five.
        assert ends["severity"] == "critical" and ends["facts"]["days"] in (5, 6), ends
        self.certificate(None)
        assert "/" in self.hears("fired", "DISK")["objects"], "a folder that the settings name"
        self.hears("recovered", "RELAY_DOWN")
        second.stop()
        step("nobody connected: told, once, over a change of watches; no relay, a full queue, no heartbeat: told")

    def told_valmont(self, who, word):
        return [mail for mail in self.mail.to(who, word) if "Valmont" in mail[0]]

    def acknowledged(self):
        """The link shows, and its button acts; a forged one does neither."""
        link = link_of(self.mail.to(MANAGER, "n'est plus connecté")[0][1])
        number = self.scene.open("NO_CONSUMER")[0]["number"]
        code, page, headers = fetch(link)
        assert code == 200 and "Prendre acte" in page and "<form method=\"post\">" in page and "Ville de Valmont" in page, page
        assert headers["Cache-Control"] == "no-store" and "default-src 'none'" in headers["Content-Security-Policy"], headers.items()
        forged = re.sub(r"(.)\?", lambda found: ("0" if found.group(1) != "0" else "1") + "?", link)
        other = link.replace("/manager/", "/operator/")
        longer = re.sub(r"/(\d{10})/", lambda found: f"/{int(found.group(1)) + 1}/", link)
        for bad in (forged, other, longer, link.replace("?", "x?"), link.rsplit("/", 1)[0]):
            for method in ("GET", "POST"):
                assert fetch(bad, method)[0] == 404, (method, bad)
        assert fetch(link, "PUT")[0] == 405
        assert "acknowledged" not in self.scene.open("NO_CONSUMER")[0], "a look, or a forged link, acknowledged"
        code, page, _ = fetch(link, "POST")
        assert code == 200 and "Il est pris acte" in page and "<form" not in page, page
        shown = self.scene.open("NO_CONSUMER")[0]
        assert shown["acknowledged_by"] == "manager" and shown["number"] == number, shown
        self.link = link
        # In the language of the mail that the link stood in, whatever the tenant's is.
        assert link.endswith("?language=fr") and re.search(r"depuis le \d\d/\d\d/\d{4} à \d\d:\d\d", page), page
        english = fetch(link.replace("=fr", "=en"))[1]
        assert "This alert is acknowledged" in english and re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d", english), english
        looked = ("select count(*), count(distinct tenant_id), min(tenant_id) > 0 from audit where operation in ('GET alert', 'POST alert')"
                  f" and objects = 'alert {number} manager'")
        wait_until(lambda: self.scene.sql(looked) == "3|1|t", 10, "looks and the acknowledgement are the tenant's calls")
        step("acknowledged by link")

    def somebody_comes(self):
        """The end is told to whoever heard, with its duration."""
        self.crm = CRM(self.city.settings["amqp_uri"], self.city.settings["request_queue"])
        over = self.hears("recovered", "NO_CONSUMER", self.tenant)
        assert over["duration_seconds"] >= 4 and over["ended_at"] and over["acknowledge_url"] is None, over
        wait_until(lambda: self.mail.to(MANAGER, "terminé, ") and self.told_valmont(ADMINISTRATOR, "terminé, "), 30, "whoever heard hears the end")
        assert "Durée : " in self.mail.to(MANAGER, "terminé, ")[0][1]
        assert "terminée" in fetch(self.link)[1]
        wait_until(lambda: self.crm.taken == 8, 20, "the CRM has what waited")
        for code in ("DEADMAN", "CERT_EXPIRY", "DISK"):
            self.hears("recovered", code)
        step("somebody came: over")

    def time_passes(self):
        """What lasts for days: requests made old, as if the CRM had fallen silent two weeks ago."""
        *spoken, still, late = self.old
        for request in [*spoken, still]:
            self.scene.status(request, "IN_PROCESS")
        # Of what they said nothing is younger than two weeks; photos, moderation and the like have touched the rows since.
        for days, request in [*((29 - 3 * place, request) for place, request in enumerate(spoken)), (40, still)]:
            said = f"now() - interval '{days} days'"
            self.scene.sql(f"update service_requests set requested_at = {said} - interval '1 day', acknowledged_at = {said}, progress_at = {said},"
                           f" updated_at = now() where id = {request}; update status_updates set received_at = {said} where request_id = {request}")
        self.scene.sql(f"update service_requests set requested_at = now() - interval '13 days' where id = {late}; update outbox o set"
                       f" created_at = r.requested_at, confirmed_at = r.requested_at from service_requests r where r.id = {late} and o.request_id = r.id")
        self.still, self.late, self.spoken = still, late, spoken
        # The neighbour empties its own queue; somebody tries passwords.
        connection = pika.BlockingConnection(pika.URLParameters(self.neighbour.amqp_uri))
        connection.channel().queue_purge(f"o311.{self.other}.requests")
        connection.close()
        for _ in range(3):
            try:
                pika.BlockingConnection(pika.URLParameters(re.sub(r":[^:@]+@", ":a-wrong-password@", self.neighbour.amqp_uri)))
                raise AssertionError("a wrong password opened")
            except pika.exceptions.AMQPError:
                pass

    def hangs(self):
        """It holds what it gets: another alert than nobody. It refuses: another again."""
        self.crm.holds = True
        self.post(1)
        alert = self.hears("fired", "CONSUMER_STUCK", self.tenant)
        assert alert["facts"]["unacknowledged"] == 1, alert
        self.hears("fired", "BACKLOG_AGE", self.tenant)
        self.crm.refuses = True
        for code in ("CONSUMER_STUCK", "BACKLOG_AGE"):
            self.hears("recovered", code, self.tenant)
        for audience in ("administrator", "manager"):
            told = self.hears("fired", "DEAD_LETTERS", self.tenant, audience=audience)
            kinds = [kind.split() for kind in told["objects"]]
            assert ["rejected", "service_request.created.v1"] in [kind[:2] for kind in kinds], told
            assert "rejected" in told["text"] and "service_request.created.v1" in told["text"], told
        wait_until(lambda: any("refusé par le logiciel" in text for _, text in self.mail.to(MANAGER, "a refusé des demandes")), 60, "the manager reads why")
        self.scene.run("alert", "ack", str(self.scene.open("DEAD_LETTERS")[0]["number"]))
        assert "acknowledged" in self.scene.open("DEAD_LETTERS")[0]
        self.crm.holds = self.crm.refuses = False
        step("connected and acknowledging nothing, late: told, and over; a dead letter: told")

    def dead_letters_grow(self):
        """Twice as many, after somebody took care of it: that is told, and to be taken care of. It ends when all are gone."""
        self.crm.holds = self.crm.refuses = True
        self.post(1)
        more = self.hears("worsened", "DEAD_LETTERS", self.tenant)
        assert more["facts"]["dead_letters"] == 2 and "acknowledged" not in self.scene.open("DEAD_LETTERS")[0], more
        self.crm.holds = self.crm.refuses = False
        for letter in self.scene.run("dead-letters", "show", self.tenant):
            self.scene.run("dead-letters", "discard", self.tenant, "--event", letter["event"], "--because", "entered by hand")
        self.hears("recovered", "DEAD_LETTERS", self.tenant)
        step("more dead letters after somebody took care of them: told again; none left: over")

    def status_is_refused(self):
        """Over REST, the same update again and again: each time counts."""
        settings = self.city.settings
        for body in (b'{"status": "bogus"}', b"{", b'{"status": "bogus"}'):
            code = fetch(f"{settings['status_ingest_url']}/v1/service-requests/{self.old[0]}/updates/e2e-bad", "PUT", body, {
                "Authorization": f"Bearer {settings['crm_token']}", "Content-Type": "application/json"})[0]
            assert code == 400, code
        page = urllib.request.urlopen(settings["health_url"] + "/metrics", timeout=10).read().decode()
        counted = [line for line in page.splitlines() if line.startswith("o311_status_updates_total") and 'door="rest"' in line and '"refused"' in line]
        assert counted and counted[0].endswith(" 3") and self.tenant in counted[0], counted
        alert = self.hears("fired", "REPEATED_FAILURES", self.tenant)
        assert alert["facts"]["rejections"] >= 3, alert
        self.hears("fired", "REPEATED_FAILURES", self.tenant, audience="manager")
        step("statuses refused over REST: counted and told")

    def days_are_told(self):
        assert self.hears("fired", "REPEATED_FAILURES")["facts"]["failed_logins"] >= 3
        for code, tenant in (("REPEATED_FAILURES", self.other), ("OUTBOX_AGE", None), ("QUEUE_FILL", self.other), ("PURGE_SUSPECTED", self.other),
                             ("FEED_EMPTY", self.other), ("STATUS_SILENT", self.tenant), ("RESPONSE_DELAY_ACK", self.tenant),
                             ("CONFIG_DRIFT", self.other)):
            self.hears("fired", code, tenant)
        progress = self.hears("fired", "RESPONSE_DELAY_PROGRESS", self.tenant, audience="manager")
        assert progress["facts"]["requests"] == 1 and not self.hook.told("RESPONSE_DELAY_PROGRESS", "fired", self.tenant), progress
        assert not self.hook.told("FEED_EMPTY", "fired", self.tenant), "the city that hears is not the one whose feed is empty"
        step("passwords tried, nowhere to publish, a purge, changed objects, silences and delays of days: told")

    def repaired(self):
        """Each by the command that its page names, or by the CRM."""
        self.scene.status(self.late, "IN_PROCESS")
        self.scene.status(self.still, "closed")
        incident = self.scene.incidents("purge_suspected", self.other)[0]["number"]
        self.scene.run("incident", "settle", str(incident), "--because", "emptied on purpose")
        self.scene.run("tenant", "apply", self.other)
        self.scene.lift(f"o311.{self.other}.requests")
        self.post(1, neighbour=True)
        # What was refused waits for its next turn, which comes later each time.
        wait_until(lambda: self.scene.sql("select count(*) from outbox where state = 'pending'") == "0", 120, "everything is in the queues again")
        # What failed counts for ten minutes, though it was taken in the end.
        assert not self.hook.told("REPEATED_FAILURES", "recovered", self.other), "over while it is ten minutes young"
        self.scene.sql("update refusal_counts set minute = minute - interval '20 minutes'")
        for code, tenant in (("REPEATED_FAILURES", self.other), ("OUTBOX_AGE", None), ("QUEUE_FILL", self.other), ("PURGE_SUSPECTED", self.other),
                             ("FEED_EMPTY", self.other), ("STATUS_SILENT", self.tenant), ("RESPONSE_DELAY_ACK", self.tenant),
                             ("CONFIG_DRIFT", self.other)):
            self.hears("recovered", code, tenant)
        self.hears("recovered", "RESPONSE_DELAY_PROGRESS", self.tenant, audience="manager")
        step("repaired: each over")

    def announced(self):
        """Nothing is told of announced work, and the list says why."""
        before = len(self.hook.told("NO_CONSUMER", "fired", self.tenant))
        window = self.scene.run("alert", "maintenance", "add", "--tenant", self.tenant, "--for", "10m", "--because", "the CRM is updated")["window"]
        self.scene.run("alert", "mute", "CONSUMER_STUCK", "--tenant", self.tenant, "--for", "1h", "--because", "known")
        pauses = self.scene.run("alert", "maintenance", "list")
        assert {(pause.get("window"), pause.get("code")) for pause in pauses} == {(window, None), (None, "CONSUMER_STUCK")}, pauses
        self.crm.stop()
        wait_until(lambda: any(alert.get("silence") == "maintenance" for alert in self.scene.open("NO_CONSUMER")), 20, "the list says why")
        time.sleep(4)
        assert len(self.hook.told("NO_CONSUMER", "fired", self.tenant)) == before, "told during announced work"
        self.scene.run("alert", "unmute", "CONSUMER_STUCK", "--tenant", self.tenant)
        self.window, self.before_broker = window, before
        step("announced work: quiet")

    def broker_stops(self):
        """An alarm; then it is gone altogether. What follows from that is not told: one alert, and one end."""
        self.scene.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1MB")
        self.hears("fired", "BROKER_ALARM")
        self.post(1)
        self.prometheus.fires("Bus311BrokerBlocked")
        self.scene.rabbitmqctl("set_vm_memory_high_watermark", "0.6")
        self.hears("recovered", "BROKER_ALARM")
        late = len(self.hook.told("OUTBOX_AGE", "fired"))
        self.scene.rabbitmqctl("stop_app")
        self.scene.run("alert", "maintenance", "end", str(self.window))
        self.hears("fired", "BROKER_DOWN")
        self.post(1)
        wait_until(lambda: any(alert.get("silence") == "BROKER_DOWN" for alert in self.scene.open("OUTBOX_AGE", None)), 20, "late, and why")
        self.scene.rabbitmqctl("start_app")
        crm = CRM(self.city.settings["amqp_uri"], self.city.settings["request_queue"])
        self.hears("recovered", "BROKER_DOWN")
        wait_until(lambda: crm.taken >= 1, 40, "the event of meanwhile arrives")
        told = (len(self.hook.told("NO_CONSUMER", "fired", self.tenant)), len(self.hook.told("OUTBOX_AGE", "fired")))
        assert told == (self.before_broker, late), told
        crm.stop()
        step("an alarm, and no broker: told once, over once, and nothing that follows from it")

    def tests_arrive(self):
        told = self.scene.run("alert", "test", self.tenant, "--code", "BACKLOG_AGE", "--wait", "60")
        assert {(one["channel"], one["recipient"]) for one in told} == {
            ("email", "operator"), ("email", "tenant_administrator"), ("email", "manager"), ("webhook", "operator"), ("webhook", "manager")}, told
        assert all(one.get("sent") for one in told), told
        for who in (OPERATOR, ADMINISTRATOR, MANAGER):
            assert any("Ceci est un essai" in text for _, text in self.mail.to(who, "essai, ")), who
        # Who would not hear of a code hears no test of it.
        for code, wanted in (("BROKER_DOWN", {"operator"}), ("QUEUE_FILL", {"operator", "tenant_administrator"})):
            told = self.scene.run("alert", "test", self.tenant, "--code", code, "--wait", "60")
            assert {one["recipient"] for one in told} == wanted, (code, told)
        # The manager's first mail was put off by the server, the first webhook refused: both came all the same.
        wait_until(
            lambda: self.scene.sql("select bool_and(sent_at is not null) and max(attempts) > 1 from alert_deliveries where kind <> 'recovered'") == "t",
            60, "everything was sent, some of it not at once")
        self.mail.refused.add(ADMINISTRATOR)
        refused = subprocess.run([PROGRAM, "alert", "test", self.tenant, "--code", "QUEUE_FILL", "--wait", "30", "--format", "json", "--config",
                                  self.scene.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        assert refused.returncode == 1, refused
        step("a test reaches everybody; what was put off has arrived; what is refused for good is given up, and the command says so")

    def prometheus_saw(self, begun):
        """Each of these began to fire after the scene that fires it had begun."""
        wanted = {name: begun[scene] for scene, names in FIRED_BY.items() for name in names}
        assert set(wanted) == monitoring.fired_for_real(), set(wanted) ^ monitoring.fired_for_real()

        def silent():
            fired = self.prometheus.fired()
            return sorted(name for name, since in wanted.items() if not any(moment >= since for moment in fired.get(name, [])))

        try:
            wait_until(lambda: not silent(), 20, "each rule fired by its fault")
        except AssertionError as error:
            raise AssertionError(f"{error}, but {silent()}: {self.prometheus.fired()}, {begun}") from None
        fired = self.prometheus.fired()
        step(f"{len(wanted)} rules of Prometheus fired by these faults; besides: {sorted(set(fired) - set(wanted))}")

    def nothing_personal(self):
        said = "\n".join(alert["raw"] for alert in self.hook.alerts) + "\n".join(
            subject + text for who in (OPERATOR, ADMINISTRATOR, MANAGER) for subject, text in self.mail.to(who))
        stored = self.scene.sql("select a::text from alerts a union all select d::text from alert_deliveries d "
                                "union all select o::text from operator_actions o")
        log = self.city.log()
        with open(self.scene.config, encoding="utf-8") as file:
            broker = json.load(file)["bus311"]["broker"]
        password = re.compile(r":([^:@]+)@")
        secrets = [SECRET, broker["provisionerPassword"], broker["monitorPassword"], self.city.settings["api_key"], self.city.settings["crm_token"],
                   password.search(self.city.settings["amqp_uri"]).group(1), password.search(self.neighbour.amqp_uri).group(1)]
        assert len(said) > 20_000 and len(stored) > 20_000, (len(said), len(stored))
        for word in [*CITIZEN.values(), "rue des Lilas", *secrets]:
            assert word not in said + stored + log, f"{word} is in an alert or in the log"
        # Whoever asks others is named, though all services are one process; a mail to a tenant's people is the tenant's call.
        assert self.scene.sql("select distinct actor from audit where direction = 'out.smtp'") == "watch"
        assert self.scene.sql("select distinct actor from audit where direction = 'out.http' and actor in ('watch', 'mailer', 'photos', 'status-ingest')") == "watch"
        assert int(self.scene.sql(f"select count(*) from audit a join tenants t on t.id = a.tenant_id where a.direction = 'out.smtp' and t.key = '{self.tenant}'")) >= 4
        for operation in ("alert ack", "alert mute", "tenant apply", "alert maintenance end"):
            assert self.scene.sql(f"select count(*) > 0 from audit a join tenants t on t.id = a.tenant_id where a.operation = '{operation}' and t.key = '{self.tenant}'") == "t", operation
        # Addresses of contacts are looked up when a mail is sent, and kept nowhere else.
        for address in (ADMINISTRATOR, MANAGER, OPERATOR):
            assert address not in stored + log, address
        assert self.hook.beats > 0 and not self.hook.faults, (self.hook.beats, self.hook.faults)
        step("nothing personal, no secret")


def main():
    mail, hook = MailServer(), Hook(SECRET)
    mail.postponed.add(MANAGER)
    os.environ.update({
        "BUS311_ALERTS_INTERVAL": "1", "BUS311_ALERTS_RULES": RULES, "BUS311_ALERTS_DISKS": "/", "BUS311_ALERTS_ADMINISTRATOR": OPERATOR,
        "BUS311_ALERTS_WEBHOOK_URL": f"http://127.0.0.1:{hook.port}/hook", "BUS311_ALERTS_WEBHOOK_SECRET": SECRET,
        "BUS311_ALERTS_WEBHOOK_ALLOW": f"127.0.0.1:{hook.port}", "BUS311_ALERTS_HEARTBEAT": f"http://127.0.0.1:{hook.port}/beat",
        "BUS311_MAIL_URL": f"smtp://127.0.0.1:{mail.port}", "BUS311_MAIL_FROM": "alertes@bus.example", "BUS311_MAIL_ALLOW_CLEARTEXT": "true",
    })
    with City() as city, monitoring.Prometheus(city, LIMITS) as prometheus:
        play = Play(city, mail, hook, prometheus)
        step("a city and its neighbour")
        try:
            told(play)
        except AssertionError:
            # What the product says of it, for whoever reads the failure.
            print(json.dumps(play.scene.run("alert", "list"), indent=1))
            print(play.scene.sql("select tenant_id, state, attempts, last_error, count(*) from outbox group by 1, 2, 3, 4"))
            raise
        codes = sorted({alert["code"] for alert in hook.alerts if alert["kind"] == "fired"})
    print(f"alerts: {len(codes)} kinds raised by their faults and ended by their repairs: {', '.join(codes)}")
    return 0


def told(play):
    begun = {"start": 0.0}
    for scene in (play.before, play.nobody_connected, play.acknowledged, play.somebody_comes, play.time_passes, play.hangs, play.status_is_refused,
                  play.days_are_told, play.repaired, play.dead_letters_grow, play.announced, play.broker_stops, play.tests_arrive, play.nothing_personal):
        begun[scene.__name__] = time.time()
        scene()
    play.prometheus_saw(begun)


if __name__ == "__main__":
    sys.exit(main())
