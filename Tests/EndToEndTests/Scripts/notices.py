"""Citizens are written to by a real mail server, once for each event whatever fails; and they have their rights by a signed link."""
import base64
import hmac
import html
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from city import PROGRAM, REPOSITORY, City, wait_until
from mail_server import MailServer
from photo_links import certificate

# What must be found nowhere afterwards: in a name, an address, a text, a note.
WORD = "Canaryvoisin"
ADA, BOB, EVE, JOE = (f"{name}@mail.example" for name in ("ada", "bob", "eve", "joe"))
# The plan's minute, in seconds: an hour without a mail server takes three.
MINUTE = 0.05


class Bench:
    def __init__(self, city, server):
        self.city, self.server, self.settings = city, server, city.settings
        self.tenant = city.settings["tenant"]
        self.root = city.settings["gateway_url"].removesuffix("/open311/v2")
        self.updates = 0

    def run(self, *arguments, code=0, text=None, **environment):
        done = subprocess.run(
            [PROGRAM, *arguments, "--config", os.path.join(self.city.home, "settings.json"), "--format", "json"], input=text, text=True,
            capture_output=True, timeout=60, env=dict(os.environ, **environment))
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() and code in (0, 1) else done.stderr

    def sql(self, text):
        return subprocess.run(
            ["psql", "-qtAX", "-v", "ON_ERROR_STOP=1", "-d", self.settings["database_url"], "-c", text], check=True, timeout=30, text=True,
            stdout=subprocess.PIPE).stdout.strip()

    def post(self, email, description="Un lampadaire", language="fr", **fields):
        code, answer = self.city.post(description, email=email, locale=language, **fields)
        assert code == 200, answer
        return answer[0]["service_request_id"]

    def ingest(self, method, path, body=None):
        request = urllib.request.Request(
            self.settings["status_ingest_url"] + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer " + self.settings["crm_token"], "Content-Type": "application/json"})
        return self.answer(request)

    def status(self, number, status, notes=None, **more):
        self.updates += 1
        body = {"status": status, **({"status_notes": notes} if notes else {}), **more}
        code, answer = self.ingest("PUT", f"/v1/service-requests/{number}/updates/u{self.updates}", body)
        assert code == 201, answer

    @staticmethod
    def answer(request):
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                code, body, kind, headers = answer.status, answer.read(), answer.headers["Content-Type"], answer.headers
        except urllib.error.HTTPError as error:
            code, body, kind, headers = error.code, error.read(), error.headers["Content-Type"], error.headers
        if "json" in (kind or ""):
            return code, json.loads(body)
        return code, (body.decode(), headers)

    def page(self, url, language="en", **form):
        request = urllib.request.Request(
            url, data=urllib.parse.urlencode(form).encode() if form else None, headers={"Accept-Language": language})
        return self.answer(request)

    def mails(self, address, count, seconds=10):
        wait_until(lambda: len(self.server.to(address)) >= count, seconds, f"{count} mails to {address}, {len(self.server.to(address))} so far")
        time.sleep(0.3)
        found = self.server.to(address)
        assert len(found) == count, [mail["Subject"] for mail in found]
        return found

    def states(self, number):
        return [(notice["kind"], notice["state"], notice.get("reason")) for notice in reversed(self.run("notices", "list", "--request", number))]

    def link(self, mail):
        return re.search(r"https?://\S+/report/\S+", mail.get_content())[0]


def connection(bench, folder, pem):
    """The way to the server: trusted, logged in, from the first byte or after STARTTLS; and what is said when it is not."""
    assert bench.run("notices", "test", "ops@valmont.example")["outcome"] == "taken"
    assert bench.server.logins[-1][1], "the login is what the settings say"
    whole = MailServer(pem, implicit=True)
    try:
        assert bench.run("notices", "test", "ops@valmont.example", BUS311_MAIL_URL=f"smtps://127.0.0.1:{whole.port}")["outcome"] == "taken"
        assert len(whole.mails) == 1
    finally:
        whole.stop()
    for word, changed in (
            ("no trusted TLS", dict(BUS311_MAIL_AUTHORITIES=other_authority(folder))),
            ("login was refused", dict(BUS311_MAIL_PASSWORD="wrong")),
            ("cannot be reached", dict(BUS311_MAIL_URL=f"smtp://127.0.0.1:{MailServer.free_port()}")),
    ):
        said = subprocess.run(
            [PROGRAM, "notices", "test", "ops@valmont.example"], capture_output=True, text=True, timeout=60, env=dict(os.environ, **changed))
        assert said.returncode == 1 and word in said.stderr and "mail." in said.stderr, said.stderr
    plain = MailServer(login=False)
    try:
        said = subprocess.run(
            [PROGRAM, "notices", "test", "ops@valmont.example"], capture_output=True, text=True, timeout=60,
            env=dict(os.environ, BUS311_MAIL_URL=f"smtp://127.0.0.1:{plain.port}"))
        assert said.returncode == 1 and "no trusted TLS" in said.stderr and not plain.mails, said.stderr
    finally:
        plain.stop()
    assert "address must be" in bench.run("notices", "test", "a@b.example\r\nBcc: c@d.example", code=64)


def other_authority(folder):
    path = os.path.join(folder, "other")
    os.makedirs(path, exist_ok=True)
    certificate(path)
    return os.path.join(path, "stranger.pem.crt")


def words(bench):
    """Nobody is written to unless the city wants it; then in the citizen's language, in our words or the city's."""
    silent = bench.post(JOE)
    assert bench.run("notices", "list") == []
    assert "--kinds has opened" in bench.run("notices", "policy", bench.tenant, "--kinds", "opened", code=64)
    assert "--reply-to" in bench.run("notices", "policy", bench.tenant, "--reply-to", "a@b\r\nBcc: x@y.example", code=64)
    assert bench.run("notices", "policy", bench.tenant, "--kinds", "all", "--reply-to", "mairie@valmont.example")["kinds"] == [
        "received", "accepted", "done", "rejected"]
    bench.status(silent, "IN_PROCESS")
    number = bench.post(ADA, f"Le lampadaire de {WORD}", first_name=WORD)
    bench.post("", "sans adresse")
    bench.status(number, "IN_PROCESS", "Une équipe passe jeudi")
    bench.status(number, "PROCESSED")
    received, accepted, done = bench.mails(ADA, 3)
    bench.mails(JOE, 1)
    assert received["Subject"].startswith("Signalement reçu : "), received["Subject"]
    text = received.get_content()
    assert number in text and "Ville de Valmont a bien reçu" in text and WORD not in text, text
    assert "pris en charge" in accepted["Subject"] and "Une équipe passe jeudi" in accepted.get_content()
    assert "Signalement traité" in done["Subject"]
    assert "jeudi" not in done.get_content() and "La ville précise" not in done.get_content(), "that was said of another state"
    assert received["From"].addresses[0].display_name == "Ville de Valmont" and received["Reply-To"].addresses[0].addr_spec == "mairie@valmont.example"
    assert received["Content-Language"] == "fr" and received["Auto-Submitted"] == "auto-generated"
    assert received["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click" and "/unsubscribe/" in received["List-Unsubscribe"]
    assert len({mail["Message-ID"] for mail in (received, accepted, done)}) == 3
    sender, recipients, _ = bench.server.envelopes[-1]
    assert sender == "bus@valmont.example" and len(recipients) == 1

    # In English, refused with the reason.
    other = bench.post(BOB, "A street lamp", "en")
    bench.status(other, "REJECTED", "It stands on a private road.")
    _, rejected = bench.mails(BOB, 2)
    assert rejected["Subject"].startswith("Report not taken up") and "The reason: It stands on a private road." in rejected.get_content()

    # The city's own words: looked at before they are sent, refused with the line at fault.
    path = os.path.join(bench.city.home, "received.txt")
    def write(text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    given = ["--kind", "received", "--language", "fr", "--file", path]
    for text, word in (("Bonjour", "must begin with a line Subject:"), ("Objet : x\n\nDemande {{numero}}", "line 1 has {{numero}}"),
                       ("Objet : x\n\nA\nB {{note", "line 2 has {{ without }}")):
        write(text)
        assert word in bench.run("notices", "template", "set", bench.tenant, *given, code=64), text
    write("Objet : Merci, {{city}} !\n\nBonjour,\nvotre numéro : {{number}}\nnote : {{note}}\n")
    preview = bench.run("notices", "preview", bench.tenant, *given)
    assert preview["subject"] == "Merci, Ville de Valmont !" and preview["own_words"] and "note" not in preview["body"], preview
    assert "/unsubscribe/" in preview["body"] and "/report/" in preview["body"]
    assert "votre numéro" not in bench.run("notices", "preview", bench.tenant, *given, "--token")["body"]
    bench.run("notices", "template", "set", bench.tenant, *given)
    assert [one["language"] for one in bench.run("notices", "template", "list", bench.tenant)] == ["fr"]
    own = bench.post(EVE)
    (mail,) = bench.mails(EVE, 1)
    assert mail["Subject"] == "Merci, Ville de Valmont !" and own in mail.get_content()
    bench.run("notices", "template", "remove", bench.tenant, "--kind", "received", "--language", "fr")
    assert "pris en charge" in bench.run("notices", "preview", bench.tenant, "--kind", "accepted")["subject"]
    assert bench.run("notices", "preview", bench.tenant, "--kind", "done", "--language", "nl")["language"] == "fr"


def reasons(bench):
    """A notice quotes the update that it tells of, and no other; and each move is told, whatever its moment."""
    refused = bench.post("refused@mail.example")
    bench.status(refused, "IN_PROCESS", "Une équipe passera jeudi")
    bench.status(refused, "REJECTED")
    bench.status(refused, "REJECTED", "Voie privée")
    same = bench.post("same@mail.example")
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for sequence, status in enumerate(["PROCESSED", "IN_PROCESS", "PROCESSED"], 1):
        bench.status(same, status, f"mot {sequence}", updated_datetime=moment, sequence=sequence)
    code, answer = bench.ingest("PUT", f"/v1/service-requests/{same}/updates/u{bench.updates}", {
        "status": "PROCESSED", "status_notes": "mot 3", "updated_datetime": moment, "sequence": 3})
    assert (code, answer["outcome"]) == (200, "repeated"), answer
    found = bench.mails("refused@mail.example", 3)
    assert "ne peut pas donner suite" in found[2].get_content() and "La raison" not in found[2].get_content(), found[2].get_content()
    assert all("jeudi" not in mail.get_content() for mail in (found[0], found[2])) and "jeudi" in found[1].get_content()
    told = bench.mails("same@mail.example", 4)[1:]
    assert [mail["Subject"].split(" : ")[0] for mail in told] == ["Signalement traité", "Signalement pris en charge", "Signalement traité"]
    assert all(f"mot {number}" in mail.get_content() for number, mail in enumerate(told, 1))


def merged(bench):
    """Whoever made a duplicate is told so, then hears of its parent in the parent's words, once for each event."""
    mails = {name: f"{name}@merged.mail.example" for name in (
        "parent", "child", "grandchild", "late", "own", "deep", "deeper", "one", "two", "both", "hidden", "shy")}
    requests = {name: bench.post(address, language="en" if name == "shy" else "fr") for name, address in mails.items()}

    def merge(child, parent):
        bench.updates += 1
        code, answer = bench.ingest("PUT", f"/v1/service-requests/{requests[child]}/updates/u{bench.updates}", {"merged_into": requests[parent]})
        assert code == 201, answer

    heard = lambda name, *kinds: [kind for kind, _, _ in bench.states(requests[name])] == ["received", *kinds]
    merge("grandchild", "child")
    merge("child", "parent")
    merge("own", "parent")
    assert heard("child", "duplicate") and heard("grandchild", "duplicate")
    bench.status(requests["own"], "IN_PROCESS")
    bench.status(requests["parent"], "IN_PROCESS", "Une équipe passe")
    assert heard("child", "duplicate"), "a duplicate is not told that work begins"
    bench.status(requests["parent"], "PROCESSED", "Le trou est rebouché")
    assert heard("child", "duplicate", "done") and heard("grandchild", "duplicate", "done") and heard("parent", "accepted", "done")
    assert heard("own", "duplicate", "accepted"), "it stands for itself again"
    # Merged into what is done already: that is told, and nothing beside it. Said again, nobody is told again.
    merge("late", "parent")
    merge("deeper", "deep")
    merge("deep", "parent")
    assert heard("late", "done") and heard("deep", "done") and heard("deeper", "duplicate", "done")
    bench.status(requests["parent"], "PROCESSED", "Le trou est rebouché, vraiment")
    assert heard("child", "duplicate", "done") and heard("late", "done")
    # Opened again and merged again: that is news.
    for _ in range(2):
        merge("own", "parent")
        bench.status(requests["own"], "IN_PROCESS")
    merge("own", "parent")
    assert heard("own", "duplicate", "accepted", "done", "accepted", "done", "accepted", "done"), bench.states(requests["own"])
    # In one batch, whichever comes first: one word for both.
    batch = [{"service_request_id": requests["two"], "update_id": "b-1", "merged_into": requests["one"]},
             {"service_request_id": requests["one"], "update_id": "b-2", "status": "PROCESSED", "status_notes": "Fait"},
             {"service_request_id": requests["both"], "update_id": "b-3", "merged_into": requests["one"], "status": "PROCESSED,SAME_WORKS"}]
    code, answer = bench.ingest("POST", "/v1/status-updates", {"updates": batch})
    assert code == 200 and answer["applied"] == 3, answer
    assert heard("one", "done") and heard("two", "done") and heard("both", "done")
    # Another event: opened again, and done again.
    bench.status(requests["parent"], "IN_PROCESS")
    bench.status(requests["parent"], "PROCESSED", "Refait")
    assert heard("child", "duplicate", "done", "done") and heard("late", "done", "done")
    # In plain words: what it is a duplicate of, and that there will be a word; nothing of a parent that citizens may not see.
    merge("shy", "hidden")
    said = bench.mails(mails["shy"], 2)[1]
    assert said["Subject"].startswith("Already reported: ") and requests["hidden"] in said.get_content() and "when it is done" in said.get_content()
    code, answer = bench.ingest("POST", f"/v1/service-requests/{requests['hidden']}/moderation", {"action": "hide", "reason": "test"})
    assert code == 200, answer
    bench.status(requests["shy"], "IN_PROCESS")
    merge("shy", "hidden")
    said = bench.mails(mails["shy"], 4)[3].get_content()
    assert requests["hidden"] not in said and "when it is done" not in said and "had been reported before" in said, said
    said = bench.mails(mails["child"], 4)[1]
    assert said["Subject"].startswith("Déjà signalé : ") and requests["parent"] in said.get_content(), said.get_content()
    assert "ne peut pas" not in said.get_content() and "quand ce sera traité" in said.get_content(), said.get_content()
    done = bench.mails(mails["child"], 4)[2:]
    assert [mail["Subject"].startswith("Signalement traité") for mail in done] == [True, True], [mail["Subject"] for mail in done]
    assert "Le trou est rebouché" in done[0].get_content() and "Refait" in done[1].get_content() and requests["child"] in done[0].get_content()
    # A person who is forgotten is told nothing more.
    assert bench.ingest("DELETE", f"/v1/service-requests/{requests['child']}/personal-data")[0] == 200
    bench.status(requests["parent"], "REJECTED", "Voie privée")
    assert len(bench.states(requests["child"])) == 4 and heard("late", "done", "done", "rejected")


def injection(bench):
    """An address that would become a second header, recipient or command: refused with what is wrong, and nothing is kept."""
    before = bench.sql("select count(*) from service_requests")
    for address in (f"a@b.example\r\nBcc: {WORD}@mail.example", "a@b.example\nX: y", "a@b.example, c@d.example", "a@b.example>\r\nRCPT TO:<c@d.example>",
                    "a@b@c.example", "a@b.example c@d.example", "a@b.example\u2028c", "nobody", "a@b.example\0"):
        for language, word in (("en", "email must be one e-mail address"), ("fr", "email doit être une seule adresse")):
            code, errors = bench.city.post("x", email=address, locale=language)
            assert code == 400 and len(errors) == 1 and errors[0]["description"].startswith(word), (address, errors)
            assert WORD not in errors[0]["description"]
    code, answer = bench.city.post("x", email=" hélène@exämple.example \n")
    assert code == 200, answer
    assert bench.sql("select count(*) from service_requests") == str(int(before) + 1)
    number = answer[0]["service_request_id"]
    wait_until(lambda: bench.states(number) == [("received", "failed", "no_mail_address")], 10, "an address that mail cannot be sent to")


def outage(bench):
    """An hour without the server: nothing is lost and nothing doubled, and the order of a request's notices stays."""
    server = bench.server
    port, taken = server.port, len(server.mails)
    server.stop()
    numbers = [bench.post(f"hour{index}@mail.example") for index in range(6)]
    for number in numbers[:3]:
        bench.status(number, "IN_PROCESS")
    wait_until(lambda: b'o311_notices_waiting 9' in metrics(bench), 10, "nine notices wait")
    time.sleep(60 * MINUTE)
    assert all(notice["state"] in ("waiting", "sending") for notice in bench.run("notices", "list", "--limit", "9"))
    listed = bench.run("notices", "list", "--limit", "9")
    assert any("cannot_connect" in notice.get("reason", "") for notice in listed), (listed, bench.city.log()[-3000:])
    again = MailServer(bench.pem, port=port)
    again.mails, again.envelopes = server.mails, server.envelopes
    bench.server = again
    for index, number in enumerate(numbers):
        found = bench.mails(f"hour{index}@mail.example", 2 if index < 3 else 1)
        assert "Signalement reçu" in found[0]["Subject"], [mail["Subject"] for mail in found]
    assert len(again.mails) == taken + 9


def metrics(bench):
    return urllib.request.urlopen(bench.settings["health_url"] + "/metrics", timeout=10).read()


def verdicts(bench):
    """What a server says of one mail: later, never, nothing at all."""
    server, asked = bench.server, []
    def later(address):
        if address == "later@mail.example":
            asked.append(address)
            return "451 4.7.1 later@mail.example is greylisted" if len(asked) < 3 else None
        return "550 5.1.1 never@mail.example unknown" if address == "never@mail.example" and not server.kind else None
    server.kind = False
    server.recipient_answer = later
    server.answer = lambda address, mail: "hang up" if address == "doubt@mail.example" and not server.kind else None
    soon, never, doubt = (bench.post(f"{name}@mail.example") for name in ("later", "never", "doubt"))
    bench.mails("later@mail.example", 1)
    assert len(asked) == 3
    wait_until(lambda: bench.states(never) == [("received", "failed", "refused 550 5.1.1")], 10, "a refusal for good")
    # Handed over twice without an answer, under one name; and no third time.
    wait_until(lambda: bench.states(doubt)[0][1] == "doubtful", 10, f"two doubts, {bench.states(doubt)}")
    copies = bench.mails("doubt@mail.example", 2)
    assert copies[0]["Message-ID"] == copies[1]["Message-ID"]
    listed = bench.run("notices", "list", "--state", "failed", "--tenant", bench.tenant)
    assert "mail.example" not in json.dumps(listed), listed
    # By hand, when the reason is gone; what was sent is never sent again.
    server.kind = True
    failed = next(notice["id"] for notice in listed if notice["service_request_id"] == never)
    assert bench.run("notices", "retry", str(failed))["waiting"] == 1
    bench.mails("never@mail.example", 1)
    assert f"Notice {failed} is sent" in bench.run("notices", "retry", str(failed), code=64)
    assert "There is no notice" in bench.run("notices", "retry", "999999", code=64)
    assert bench.run("notices", "retry", "--tenant", bench.tenant, "--state", "doubtful")["waiting"] == 1
    bench.mails("doubt@mail.example", 3)
    # A recipient at whose name the server hangs up waits alone: it is tried again and again, and all the others get their mails at once.
    server.recipient_answer = lambda address: "hang up" if address == "hang@mail.example" else None
    hanging = bench.post("hang@mail.example")
    wait_until(lambda: int(bench.sql(f"select max(attempts) from notices where request_id = {hanging}")) >= 2, 10, "its own attempts")
    rested = bench.city.log().count("mail server fails")
    for index in range(5):
        bench.post(f"beside{index}@mail.example")
    for index in range(5):
        bench.mails(f"beside{index}@mail.example", 1)
    assert bench.city.log().count("mail server fails") == rested, "the mailer rested for one recipient"
    # Over three of them it is the server's own failure, and nobody's attempt counts: each arrives once, as soon as it works again.
    server.recipient_answer = lambda address: "hang up"
    bench.post("hang2@mail.example")
    bench.post("hang3@mail.example")
    wait_until(lambda: bench.city.log().count("mail server fails") > rested, 10, "the mailer rests")
    server.recipient_answer = None
    for name in ("hang", "hang2", "hang3"):
        bench.mails(f"{name}@mail.example", 1)
    # Nobody's mailbox is flooded by a stranger's form.
    for _ in range(23):
        bench.post("flood@mail.example")
    wait_until(lambda: bench.sql("select count(*) from notices where reason = 'too_many_a_day'") == "3", 15, "the day's measure")
    bench.mails("flood@mail.example", 20)


def crash(bench):
    """Killed between the server's word and ours: that one is handed over once more under its own name, nothing else is doubled."""
    server = bench.server
    first = bench.post("crash1@mail.example")
    bench.mails("crash1@mail.example", 1)
    gate = threading.Event()
    def hold(address, mail):
        if address == "crash2@mail.example" and len(server.to(address)) == 0:
            gate.set()
            server.delay = 1.5
        else:
            server.delay = 0
    server.answer = hold
    second, third = bench.post("crash2@mail.example"), bench.post("crash3@mail.example")
    assert gate.wait(10)
    time.sleep(0.3)
    bench.city.kill(" all")
    wait_until(lambda: len(server.to("crash2@mail.example")) == 2, 20, "the notice that was in its hands")
    copies = bench.mails("crash2@mail.example", 2)
    assert copies[0]["Message-ID"] == copies[1]["Message-ID"]
    bench.mails("crash3@mail.example", 1)
    bench.mails("crash1@mail.example", 1)
    assert [bench.states(number)[0][1] for number in (first, second, third)] == ["sent"] * 3
    server.answer, server.delay = None, 0


def leaving(bench):
    """One click, by a mail program: no page, no cookie, no second question; a GET does nothing."""
    number = bench.post("gone@mail.example")
    (mail,) = bench.mails("gone@mail.example", 1)
    url = mail["List-Unsubscribe"].strip("<> ")
    code, (text, headers) = bench.page(url, "fr")
    assert code == 200 and "<form method=\"post\">" in text and 'lang="fr"' in text and headers["Access-Control-Allow-Origin"] is None
    assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["Cache-Control"] == "no-store"
    bench.status(number, "IN_PROCESS")
    bench.mails("gone@mail.example", 2)
    token = url.rsplit("/", 1)[1]
    assert bench.page(bench.root + "/report/" + token)[0] == 404, "made for something else"
    code, (text, _) = bench.page(url, **{"List-Unsubscribe": "One-Click"})
    assert code == 200 and "no more messages" in text, text
    assert bench.page(url, "fr", **{"List-Unsubscribe": "One-Click"})[0] == 200, "twice is once"
    bench.status(number, "PROCESSED")
    bench.post("Gone@Mail.example")
    wait_until(lambda: bench.states(number)[-1] == ("done", "dropped", "unsubscribed"), 10, f"no more mails, {bench.states(number)}")
    time.sleep(0.5)
    assert len(bench.server.to("gone@mail.example")) == 2 and not bench.server.to("Gone@Mail.example")

    # The report is forgotten, another one goes on: the link in the first one's mail works for both.
    first, second = bench.post("two@mail.example"), bench.post("two@mail.example")
    mail = next(mail for mail in bench.mails("two@mail.example", 2) if first in mail.get_content())
    assert "erased" in bench.page(bench.link(mail), action="erase", confirm="yes")[1][0]
    url = mail["List-Unsubscribe"].strip("<> ")
    # As links were before they said whose they are: nothing can be done, and nothing else is said.
    token = base64.urlsafe_b64decode(url.rsplit("/", 1)[1] + "=")
    payload = b"\1" + token[1:22]
    with open(os.path.join(bench.city.home, "settings.json")) as file:
        secret = json.load(file)["bus311"]["links"]["secret"].encode()
    signed = payload + hmac.digest(secret, b"bus311 link\n" + payload, "sha256")
    older = bench.root + "/unsubscribe/" + base64.urlsafe_b64encode(signed).decode().rstrip("=")
    for language, word in (("fr", "Rien n’a été fait"), ("en", "Nothing was done")):
        code, (text, _) = bench.page(older, language, **{"List-Unsubscribe": "One-Click"})
        assert code == 410 and word in text, (code, text)
    bench.status(second, "IN_PROCESS")
    bench.mails("two@mail.example", 3)
    code, (text, _) = bench.page(url, **{"List-Unsubscribe": "One-Click"})
    assert code == 200 and "no more messages" in text, text
    bench.status(second, "PROCESSED")
    wait_until(lambda: bench.states(second)[-1] == ("done", "dropped", "unsubscribed"), 10, f"no more mails, {bench.states(second)}")
    assert len(bench.server.to("two@mail.example")) == 3


def everywhere(bench, *words):
    """In which tables any of these words stands, as text or as bytes."""
    tables = bench.sql("select quote_ident(c.relname) from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'").splitlines()
    patterns = [word.lower() for word in words] + [word.encode().hex() for word in words] + [word.lower().encode().hex() for word in words]
    condition = " or ".join(f"lower(t::text) like '%{pattern}%'" for pattern in patterns)
    counts = bench.sql(" union all ".join(f"select '{table} ' || count(*) from {table} t where {condition}" for table in tables))
    return sorted(line.split(" ")[0] for line in counts.splitlines() if not line.endswith(" 0"))


def rights(bench):
    """By the link in a mail: to follow, to see, to withdraw, to be forgotten everywhere; only a POST acts."""
    person = f"{WORD.lower()}@mail.example"
    numbers = [
        bench.post(person, f"Chez {WORD} {index}", first_name=WORD, last_name=f"{WORD}-Petit", phone="0467311311", device_id=f"{WORD}-1",
                   address_string=f"3 rue {WORD}", client_request_id=f"{WORD}-{index}", title=f"Chez {WORD}",
                   media_url=f"https://photos.example/{WORD}.jpg", **{"attribute[extra]": f"dit {WORD}"})
        for index in range(3)]
    number = numbers[0]
    neighbour = bench.post("neighbour@mail.example", "Chez nous")
    bench.status(number, "IN_PROCESS", f"Nous appelons {WORD}")
    code, _ = update(bench, number)
    assert code in (200, 201), _
    mail = bench.mails(person, 4)[0]
    url = bench.link(mail)
    code, (text, headers) = bench.page(url, "fr")
    assert code == 200 and headers["Referrer-Policy"] == "no-referrer" and headers["X-Robots-Tag"] == "noindex", headers
    for word in ('<html lang="fr">', "<h1>", number, "Retirer", "Effacer mes 3 signalements", "Pris en charge", "required"):
        assert word in text, (word, text)
    assert "Erase my 3 reports" in bench.page(url + "?lang=en", "fr")[1][0]
    assert "chez" not in text.lower() and WORD not in html.unescape(text).replace(f"Nous appelons {WORD}", ""), "the page shows no more than the public sees"

    # Forged, cut, or made for something else: nothing, whatever is asked.
    erased, moderated = bench.sql("select count(*) from erasures"), bench.sql("select count(*) from moderations")
    root, token = url.rsplit("/", 1)
    for wrong in (token[:-1] + ("A" if token[-1] != "A" else "B"), token[:-4], "A" * 72, token + "A", "B" + token[1:], "", "%2e%2e"):
        assert bench.page(f"{root}/{wrong}")[0] == 404, wrong
        assert bench.page(f"{root}/{wrong}", action="erase", confirm="yes")[0] == 404, wrong
    assert bench.answer(urllib.request.Request(url, method="DELETE"))[0] == 405
    for form in ({"action": "destroy"}, {"x": "y"}, {"action": "erase"}):
        code, (text, _) = bench.page(url, **form)
        assert code == 400 and ("Nothing was" in text), (form, text)
    assert bench.page(url, **{"x": "y" * 5_000})[0] == 400
    assert bench.sql("select count(*) from erasures") == erased and bench.sql("select count(*) from moderations") == moderated

    # To see.
    code, held = bench.page(url, action="export")
    assert code == 200 and {one["service_request_id"] for one in held["service_requests"]} == set(numbers), held
    one = next(one for one in held["service_requests"] if one["service_request_id"] == number)
    assert one["reporter"]["first_name"] == WORD and one["request"]["description"] == f"Chez {WORD} 0" and one["client_references"]
    assert one["status_updates"][0]["status_notes"] == f"Nous appelons {WORD}" and one["citizen_updates"] and one["notices"], one
    assert bench.run("person", "export", "--request", number)["service_requests"] == held["service_requests"]
    assert bench.run("person", "export", "--tenant", bench.tenant, "--email", "-", text=person.upper() + "\n")["service_requests"] == held["service_requests"]
    assert bench.sql("select string_agg(what || ' ' || requests, ',' order by number) from person_accesses") == "export 3,export 3,find 3,export 3"
    assert "Give --request" in bench.run("person", "export", "--email", "-", code=64)

    # To withdraw: the public sees it no more, the CRM is told by whom.
    code, (text, _) = bench.page(url, action="withdraw")
    assert code == 200 and "withdrawn" in text and "Withdraw the report" not in text, text
    assert json.loads(bench.city.get(f"/requests.json?service_request_id={number}")) == []
    event = json.loads(bench.sql(
        f"select convert_from(body, 'UTF8') from outbox where request_id = {number} and type like '%moderated%'"))
    assert event["data"]["moderation"]["moderated_by"] == "citizen" and event["data"]["moderation"]["state"] == "hidden", event

    # To be forgotten.
    found = everywhere(bench, WORD, person, "0467311311")
    assert {"outbox_" + bench.sql("select to_char(now() at time zone 'UTC', 'YYMM')"), "client_references", "citizen_updates"} <= set(found), found
    code, (text, _) = bench.page(url, action="erase_all", confirm="yes")
    assert code == 200 and "reports: 3" in text and "has not confirmed" in text and "Erase" not in text.replace("Erased", ""), text
    assert bench.page(url, action="erase", confirm="yes")[0] == 200, "twice is once"
    # The lamp of the first case was of the same name; only her own reports are this person's.
    bench.run("person", "erase", "--tenant", bench.tenant, "--email", "-", "--reason", "data_subject_request", text=ADA)
    left = everywhere(bench, WORD, person, "0467311311", ADA)
    assert left == [], left
    assert bench.sql(f"select count(*) from reporters where request_id = {neighbour}") == "1"
    register = bench.run("erasures", "--tenant", bench.tenant, "--awaited", code=1)
    assert {one["service_request_id"] for one in register} >= set(numbers) and all(one["crm"] == "awaited" for one in register), register
    types = bench.sql(f"select count(*) from outbox where request_id in ({','.join(numbers)}) and type = 'service_request.erased.v1'")
    assert types == "3"

    # The CRM answers, or says why not; it may do so later again, and what is erased stays so.
    def acknowledge(number, body, expected):
        code, answer = bench.ingest("PUT", f"/v1/service-requests/{number}/personal-data/acknowledgement", body)
        assert code == expected, (body, answer)
        return answer
    for wrong, word in (({}, "outcome"), ({"outcome": "gone"}, "outcome"), ({"outcome": "kept"}, "reason"),
                        ({"outcome": "kept", "reason": "Mrs Martin"}, "reason"), ([], "JSON"), ({"outcome": "erased", "reason": 3}, "reason")):
        assert word in json.dumps(acknowledge(number, wrong, 400)), wrong
    acknowledge(neighbour, {"outcome": "erased"}, 404)
    acknowledge("abc", {"outcome": "erased"}, 404)
    assert acknowledge(number, {"outcome": "kept", "reason": "legal_obligation"}, 200)["acknowledgement"]["state"] == "kept"
    assert "has to keep some data" in bench.page(url)[1][0]
    for one in [*numbers, *(erased["service_request_id"] for erased in register)]:
        assert acknowledge(one, {"outcome": "erased"}, 200)["acknowledgement"]["state"] == "erased"
    assert acknowledge(number, {"outcome": "kept", "reason": "legal_obligation"}, 200)["acknowledgement"]["state"] == "erased"
    wait_until(lambda: f'o311_erasures_awaited{{tenant="{bench.tenant}"}} 0' in metrics(bench).decode(), 10, "the watch counts")
    assert bench.run("erasures", "--awaited") == [] and "confirmed the erasure" in bench.page(url)[1][0]
    assert bench.ingest("GET", f"/v1/service-requests/{number}/personal-data/acknowledgement")[1]["acknowledgement"]["state"] == "erased"

    # By the operator, for somebody without mail.
    given = bench.run("person", "link", neighbour, "--days", "1")
    assert bench.page(given["url"], "en")[0] == 200 and given["expires_datetime"] > time.strftime("%Y-%m-%d")
    assert "--days" in bench.run("person", "link", neighbour, "--days", "0", code=64)
    assert "No tenant" in bench.run("person", "link", "2601999999999", code=64)

    # What a legal hold keeps stays, the others go, and the person is told where to turn.
    def many(email):
        numbers = [bench.post(email) for _ in range(3)]
        bench.run("retention", "hold", "add", numbers[0], "--because", "case 26/0417")
        return numbers, bench.link(bench.mails(email, 3)[0])

    def left(numbers):
        return bench.sql(f"select string_agg(id::text, ',') from service_requests where id in ({','.join(numbers)}) and erased_at is null")
    for email, language, words in (("held@mail.example", "fr", ("Signalements effacés : 2.", "la loi l’exige : 1", "Adressez-vous à la ville")),
                                   ("held2@mail.example", "en", ("Reports erased: 2.", "Kept by law: 1", "Turn to the city"))):
        numbers, url = many(email)
        code, (text, _) = bench.page(url, language, action="erase_all", confirm="yes")
        assert code == 200 and all(word in html.unescape(text) for word in words), text
        assert left(numbers) == numbers[0]
        held = bench.run("person", "link", numbers[0])["url"]
        code, (text, _) = bench.page(held, "en", action="erase", confirm="yes")
        assert code == 200 and "Reports erased: 0. Kept by law: 1" in text, (code, text)
    bench.run("retention", "hold", "remove", numbers[0])
    assert "reports: 1" in bench.page(held, "en", action="erase_all", confirm="yes")[1][0]
    assert "erased already" in bench.page(held, "en", action="erase_all", confirm="yes")[1][0]
    numbers, _ = many("held3@mail.example")
    done = bench.run("person", "erase", "--request", numbers[2], "--reason", "data_subject_request", code=1)
    assert (done["erased"], done["held"], done["held_service_request_ids"]) == (2, 1, [numbers[0]]), done
    assert sorted(done["service_request_ids"]) == sorted(numbers[1:]) and left(numbers) == numbers[0]
    said = subprocess.run(
        [PROGRAM, "person", "erase", "--request", numbers[0], "--reason", "data_subject_request", "--config", os.path.join(bench.city.home, "settings.json")],
        text=True, capture_output=True, timeout=60)
    assert said.returncode == 1 and "0 requests are erased" in said.stdout and numbers[0] in said.stdout and "legal hold" in said.stdout, said
    bench.run("retention", "hold", "remove", numbers[0])
    done = bench.run("person", "erase", "--request", numbers[0], "--reason", "data_subject_request")
    assert (done["erased"], done["held"]) == (1, 0), done


def update(bench, number):
    """What FixMyStreet's citizens add, with their names."""
    fields = dict(
        jurisdiction_id=bench.settings["jurisdiction_id"], api_key=bench.settings["api_key"], service_request_id=number,
        update_id=f"{WORD}-7", updated_datetime="2026-01-02T10:00:00Z", status="OPEN", description=f"{WORD} attend", email="x@mail.example",
        first_name=WORD)
    return bench.answer(urllib.request.Request(
        bench.settings["gateway_url"] + "/servicerequestupdates.json", data=urllib.parse.urlencode(fields).encode()))


def example(bench):
    """A vendor's first consumer forgets what it has, and says so."""
    number = bench.post("last@mail.example", f"Encore {WORD}")
    bench.run("erase", number, "--reason", "sent_by_mistake")
    store = os.path.join(bench.city.folder.name, "crm.sqlite3")
    with subprocess.Popen(
            [sys.executable, os.path.join(REPOSITORY, "examples", "consumer.py"), bench.city.settings_path, "--store", store],
            stdout=subprocess.DEVNULL) as consumer:
        try:
            wait_until(lambda: bench.sql("select count(*) from erasures where crm_outcome is null") == "0", 30, "the CRM's answer")
        finally:
            consumer.terminate()
    with sqlite3.connect(store) as kept:
        (data,) = kept.execute("select data from requests where id = ?", (number,)).fetchone()
    assert data is None, "the snapshot is gone, its number stays"


def quiet(bench):
    """What was said on the way: nothing of anybody's."""
    for text in (bench.city.log(), bench.city.said(), metrics(bench).decode()):
        assert WORD.lower() not in text.lower() and "mail.example" not in text and "/report/" not in text, [
            line for line in text.splitlines() if WORD.lower() in line.lower() or "mail.example" in line][:5]
    found = metrics(bench)
    subprocess.run(["promtool", "check", "metrics"], input=found, check=True)
    assert b'o311_notices_total{' in found and b'o311_notices_oldest_age_seconds' in found


def main():
    only = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        pem = certificate(folder)
        server = MailServer(pem)
        os.environ.update(
            BUS311_MAIL_URL=f"smtp://127.0.0.1:{server.port}", BUS311_MAIL_USER=MailServer.USER, BUS311_MAIL_PASSWORD=MailServer.PASSWORD,
            BUS311_MAIL_FROM="bus@valmont.example", BUS311_MAIL_AUTHORITIES=pem + ".crt",
            BUS311_NOTICES_MINUTE_MILLISECONDS=str(int(MINUTE * 1000)))
        with City() as city:
            bench = Bench(city, server)
            bench.pem = pem
            connection(bench, folder, pem)
            for part in (words, reasons, merged, injection, outage, verdicts, crash, leaving, rights, example, quiet):
                if only and part.__name__ not in [*only, "words"]:
                    continue
                start = time.monotonic()
                part(bench)
                print(f"{part.__name__}: {time.monotonic() - start:.1f} s")
        bench.server.stop()
    print("notices: 1 passed, 0 failed")


if __name__ == "__main__":
    main()
