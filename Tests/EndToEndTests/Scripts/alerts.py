"""Alerts of a real city: a CRM that never came, one that hangs, one that refuses, a broker that stops; told by mail and by webhook to
those whom it concerns, acknowledged by link, told again when over. Nothing of a citizen's and no secret is in any of them."""
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pika
from city import PROGRAM, City, wait_until
from receivers import Hook, MailServer

OPERATOR, ADMINISTRATOR, MANAGER = "ops@bus.example", "si@valmont.example", "dgs@valmont.example"
SECRET = "alerts-e2e-secret-0123456789"
CITIZEN = dict(first_name="Zéphyrine", last_name="Quatrebarbes", email="zephyrine.quatrebarbes@citizen.example", phone="+33612345678")
RULES = ("NO_CONSUMER.after=3s, NO_CONSUMER.clear_after=2s, NO_CONSUMER.manager_after=5s, CONSUMER_STUCK.after=5s, BROKER_DOWN.after=2s,"
         "BROKER_DOWN.clear_after=2s, OUTBOX_AGE.warning=3s, OUTBOX_AGE.clear=2s, BACKLOG_AGE.warning=1h, RELAY_DOWN.after=20s,"
         "DISK.warning=101, DISK.critical=101, REPEATED_FAILURES.warning=1000")


class Scene:
    def __init__(self, city):
        self.city, self.config = city, os.path.join(city.home, "settings.json")
        self.tenant = city.settings["tenant"]

    def run(self, *words, code=0):
        # The environment tells commands what it tells the services.
        done = subprocess.run([PROGRAM, *words, "--format", "json", "--config", self.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60)
        assert done.returncode == code, (words, done.returncode, done.stdout.decode(), done.stderr.decode())
        return json.loads(done.stdout) if done.stdout.strip() else done.stderr.decode()

    def open(self, code):
        return [alert for alert in self.run("alert", "list") if alert["code"] == code]

    def consumer(self):
        connection = pika.BlockingConnection(pika.URLParameters(self.city.settings["amqp_uri"]))
        channel = connection.channel()
        channel.basic_qos(prefetch_count=10)
        return connection, channel

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


def link_of(text):
    found = re.search(r"http\S+/alerts/\S+", text)
    assert found, text
    return found.group(0)


def fetch(url, method="GET"):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, data=b"" if method == "POST" else None), timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def step(text, start=[time.monotonic()]):
    print(f"{time.monotonic() - start[0]:5.1f} s  {text}", flush=True)


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
            self.process = subprocess.Popen([PROGRAM, "watch", "--config", path], stdout=log, stderr=log, cwd=scene.city.home)
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


def nobody_connected(scene, mail, hook):
    """The CRM never came. One watch evaluates, another takes over in the middle: nothing is told twice, nothing is forgotten."""
    second = SecondWatch(scene)
    wait_until(lambda: hook.told("NO_CONSUMER", "fired"), 30, "the administrator hears that nobody consumes")
    alert = hook.told("NO_CONSUMER", "fired")[0]
    assert alert["facts"]["connections"] == 0 and alert["tenant"] == scene.tenant and alert["runbook"].endswith("no-consumer.md"), alert
    scene.city.kill(" all ")
    wait_until(lambda: second.stands_by() is False, 20, "the second watch takes over")
    wait_until(lambda: mail.to(MANAGER, "n'est plus connecté"), 30, "the manager hears after the change")
    for who in (OPERATOR, ADMINISTRATOR):
        wait_until(lambda: mail.to(who, "personne n'est connecté"), 30, f"{who} hears by mail")
        assert len(mail.to(who, "personne n'est connecté")) == 1, mail.to(who)
    assert len(hook.told("NO_CONSUMER", "fired")) == 1, "told twice after a change of watches"
    step("nobody connected: told, once, over a change of watches")
    second.stop()


def acknowledged(scene, mail):
    """The link shows, and its button acts; a forged one does neither."""
    link = link_of(mail.to(MANAGER, "n'est plus connecté")[0][1])
    number = scene.open("NO_CONSUMER")[0]["number"]
    code, page, headers = fetch(link)
    assert code == 200 and "Prendre acte" in page and "<form method=\"post\">" in page and "Ville de Valmont" in page, page
    assert headers["Cache-Control"] == "no-store" and "default-src 'none'" in headers["Content-Security-Policy"], headers.items()
    assert scene.open("NO_CONSUMER")[0].get("acknowledged") is None, "a look acknowledged"
    forged = link[:-1] + ("0" if link[-1] != "0" else "1")
    other = link.replace("/manager/", "/operator/")
    longer = re.sub(r"/(\d{10})/", lambda found: f"/{int(found.group(1)) + 1}/", link)
    for bad in (forged, other, longer, link + "x", link.rsplit("/", 1)[0]):
        for method in ("GET", "POST"):
            assert fetch(bad, method)[0] == 404, (method, bad)
    assert fetch(link, "PUT")[0] == 405
    assert scene.open("NO_CONSUMER")[0].get("acknowledged") is None, "a forged link acknowledged"
    code, page, _ = fetch(link, "POST")
    assert code == 200 and "Il est pris acte" in page and "<form" not in page, page
    shown = scene.open("NO_CONSUMER")[0]
    assert shown["acknowledged_by"] == "manager" and shown["number"] == number, shown
    assert "Il est pris acte" in fetch(link)[1]
    step("acknowledged by link")
    return link


def connected_and_stuck(scene, mail, hook, link):
    """A CRM comes: the end is told, with its duration. Then it hangs, which is something else."""
    connection, channel = scene.consumer()
    held = []
    channel.basic_consume(scene.city.settings["request_queue"], lambda _c, method, _p, _b: held.append(method.delivery_tag))
    wait_until(lambda: hook.told("NO_CONSUMER", "recovered"), 30, "the end is told")
    over = hook.told("NO_CONSUMER", "recovered")[0]
    assert over["duration_seconds"] >= 4 and over["ended_at"] and over["acknowledge_url"] is None, over
    wait_until(lambda: mail.to(MANAGER, "terminé, ") and mail.to(OPERATOR, "terminé, "), 30, "everybody who heard hears of the end")
    assert "Durée : " in mail.to(MANAGER, "terminé, ")[0][1]
    assert "terminée" in fetch(link)[1] and fetch(link, "POST")[0] == 200
    step("somebody came: over")
    code, answer = scene.city.post("Lampadaire éteint devant le 12 rue des Lilas", **CITIZEN)
    assert code == 200, answer

    def waits():
        connection.process_data_events(0.2)
        return hook.told("CONSUMER_STUCK", "fired")

    wait_until(waits, 40, "a consumer that acknowledges nothing is noticed")
    assert hook.told("CONSUMER_STUCK", "fired")[0]["facts"]["unacknowledged"] == 1
    assert len(hook.told("NO_CONSUMER", "fired")) == 1
    step("connected, acknowledging nothing: told")
    # It refuses the message for good: no longer stuck, but a dead letter.
    for tag in held:
        channel.basic_reject(tag, requeue=False)

    def moves():
        connection.process_data_events(0.2)
        return hook.told("CONSUMER_STUCK", "recovered") and hook.told("DEAD_LETTERS", "fired")

    wait_until(moves, 30, "the dead letter is told, and the consumer moves")
    assert hook.told("DEAD_LETTERS", "fired", "manager"), "the manager hears of dead letters"
    step("a dead letter: told")
    return connection, channel


def dead_letters_end(scene, hook, connection):
    letters = scene.run("dead-letters", "show", scene.tenant)
    scene.run("dead-letters", "discard", scene.tenant, "--event", letters[0]["event"], "--because", "entered by hand")

    def over():
        connection.process_data_events(0.2)
        return hook.told("DEAD_LETTERS", "recovered")

    wait_until(over, 30, "no dead letter any more")
    step("no dead letter any more: over")


def announced(scene, hook, connection):
    """Nothing is told of announced work, and the list says why; of a muted alert neither."""
    window = scene.run("alert", "maintenance", "add", "--tenant", scene.tenant, "--for", "10m", "--because", "the CRM is updated")["window"]
    scene.run("alert", "mute", "CONSUMER_STUCK", "--tenant", scene.tenant, "--for", "1h", "--because", "known")
    pauses = scene.run("alert", "maintenance", "list")
    assert {pause.get("window") for pause in pauses} == {window, None} and {pause.get("code") for pause in pauses} == {None, "CONSUMER_STUCK"}, pauses
    connection.close()
    wait_until(lambda: any(alert.get("silence") == "maintenance" for alert in scene.open("NO_CONSUMER")), 20, "the list says why nobody is told")
    time.sleep(4)
    assert len(hook.told("NO_CONSUMER", "fired")) == 1, "told during announced work"
    scene.run("alert", "unmute", "CONSUMER_STUCK", "--tenant", scene.tenant)
    step("announced work: quiet")
    return window


def broker_stops(scene, hook, window):
    """What follows from the broker's absence is not told: one alert, and one end."""
    scene.rabbitmqctl("stop_app")
    scene.run("alert", "maintenance", "end", str(window))
    wait_until(lambda: hook.told("BROKER_DOWN", "fired"), 30, "the broker's absence is told")
    code, answer = scene.city.post("Nid-de-poule", **CITIZEN)
    assert code == 200, answer
    wait_until(lambda: any(alert.get("silence") == "BROKER_DOWN" for alert in scene.open("OUTBOX_AGE")), 20, "the outbox is late, and says why")
    step("the broker is away: told once")
    scene.rabbitmqctl("start_app")
    connection, channel = None, None
    deadline = time.monotonic() + 40
    while connection is None:
        try:
            connection, channel = scene.consumer()
        except (pika.exceptions.AMQPError, OSError):
            assert time.monotonic() < deadline, "the broker is back"
            time.sleep(0.3)
    channel.basic_consume(scene.city.settings["request_queue"], lambda c, method, _p, _b: c.basic_ack(method.delivery_tag))

    def over():
        connection.process_data_events(0.2)
        return hook.told("BROKER_DOWN", "recovered")

    wait_until(over, 40, "the broker's return is told")
    for code in ("NO_CONSUMER", "OUTBOX_AGE", "NODE_DOWN", "BROKER_ALARM"):
        assert len(hook.told(code, "fired")) == (1 if code == "NO_CONSUMER" else 0), (code, hook.told(code, "fired"))
    step("the broker is back: over, and nothing else was told")
    connection.close()


def tests_arrive(scene, mail, hook):
    told = scene.run("alert", "test", scene.tenant, "--code", "BACKLOG_AGE", "--wait", "60")
    assert {(one["channel"], one["recipient"]) for one in told} == {
        ("email", "operator"), ("email", "tenant_administrator"), ("email", "manager"), ("webhook", "operator"), ("webhook", "manager")}, told
    assert all(one.get("sent") for one in told), told
    for who in (OPERATOR, ADMINISTRATOR, MANAGER):
        assert any("Ceci est un essai" in text for _, text in mail.to(who, "essai, ")), who
    # The manager's mail was put off by the server once, the first webhook refused: both came all the same.
    attempts = {one["attempts"] for one in scene.run("alert", "deliveries")}
    assert max(attempts) > 1, attempts
    step("a test reaches everybody, over a server that puts mails off")


def nothing_personal(scene, mail, hook):
    said = "\n".join(alert["raw"] for alert in hook.alerts) + "\n".join(subject + text for who in (OPERATOR, ADMINISTRATOR, MANAGER)
                                                                       for subject, text in mail.to(who))
    done = subprocess.run(["psql", "-qtAX", "-d", scene.city.settings["database_url"], "-c",
                           "select a::text from alerts a union all select d::text from alert_deliveries d "
                           "union all select o::text from operator_actions o"], stdout=subprocess.PIPE, check=True)
    said += done.stdout.decode()
    assert len(said) > 5_000, said
    with open(scene.config, encoding="utf-8") as file:
        broker = json.load(file)["bus311"]["broker"]
    secrets = [SECRET, broker["provisionerPassword"], broker["monitorPassword"], scene.city.settings["api_key"],
               scene.city.settings["crm_token"], re.search(r":([^:@]+)@", scene.city.settings["amqp_uri"]).group(1)]
    for word in [*CITIZEN.values(), "rue des Lilas", "Nid-de-poule", *secrets]:
        assert word not in said, f"{word} is in an alert"
    # Addresses of contacts are looked up when a mail is sent, and kept nowhere else.
    for address in (ADMINISTRATOR, MANAGER, OPERATOR):
        assert address not in done.stdout.decode(), address
    step("nothing personal, no secret")


def main():
    mail, hook = MailServer(), Hook(SECRET)
    mail.postponed.add(MANAGER)
    os.environ.update({
        "BUS311_ALERTS_INTERVAL": "1", "BUS311_ALERTS_RULES": RULES, "BUS311_ALERTS_ADMINISTRATOR": OPERATOR,
        "BUS311_ALERTS_WEBHOOK_URL": f"http://127.0.0.1:{hook.port}/hook", "BUS311_ALERTS_WEBHOOK_SECRET": SECRET,
        "BUS311_ALERTS_WEBHOOK_ALLOW": f"127.0.0.1:{hook.port}", "BUS311_ALERTS_HEARTBEAT": f"http://127.0.0.1:{hook.port}/beat",
        "BUS311_MAIL_URL": f"smtp://127.0.0.1:{mail.port}", "BUS311_MAIL_FROM": "alertes@bus.example", "BUS311_MAIL_ALLOW_CLEARTEXT": "true",
    })
    with City() as city:
        scene = Scene(city)
        scene.contacts()
        step("a city")
        nobody_connected(scene, mail, hook)
        link = acknowledged(scene, mail)
        connection, _ = connected_and_stuck(scene, mail, hook, link)
        dead_letters_end(scene, hook, connection)
        window = announced(scene, hook, connection)
        broker_stops(scene, hook, window)
        tests_arrive(scene, mail, hook)
        nothing_personal(scene, mail, hook)
        assert hook.beats > 0 and not hook.faults, (hook.beats, hook.faults)
    print("alerts: told once, by every way, and over when over")
    return 0


if __name__ == "__main__":
    sys.exit(main())
