"""The examples for vendors, one language each, through one suite of behaviours on one city; and the first five minutes of a vendor.

What runs is what docs/vendors shows: each language's page names how the example is built and its command line, and the five minutes
are the blocks of docs/vendors/README.md, in an empty folder, timed. Languages run side by side, each with a tenant of its own.
"""
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

from city import PROGRAM, REPOSITORY, City, free_base
from documents import blocks, commands, links

sys.path.insert(0, os.path.join(REPOSITORY, "examples"))
from conformance.behaviours import BEHAVIOURS, Run, perform  # noqa: E402
from conformance.bus import Bus  # noqa: E402
from conformance.consumer import Consumer  # noqa: E402
from conformance_kit import table  # noqa: E402

VENDORS = os.path.join(REPOSITORY, "docs", "vendors")
# From nothing to a status that the citizen sees, without the build.
FIVE_MINUTES = 300
CATALOGUE = [{
    "service_code": "LAMP", "type": "realtime", "service_name": {"fr": "LAMP"}, "description": {"fr": "LAMP"},
    "group": {"fr": "Voirie"}, "keywords": [], "attributes": [],
}]
# What a vendor has: python3 is the one with the tests' clients, bus311 is installed.
ENVIRONMENT = dict(os.environ, PATH=os.pathsep.join((os.path.dirname(sys.executable), os.path.dirname(PROGRAM), os.environ["PATH"])))


class Page:
    """docs/vendors/first-consumer/LANGUAGE.md: how the example is built, and what the kit is given."""

    def __init__(self, language):
        self.language = language
        document = f"docs/vendors/first-consumer/{language}.md"
        with open(os.path.join(REPOSITORY, document), encoding="utf-8") as file:
            text = file.read()
        links(document, text)
        shown = blocks(text)
        typed = [command for block in shown if block.language == "sh" and not block.reason for _, command in commands(block)]
        kit = [command for command in typed if "conformance_kit.py" in command]
        assert len(kit) == 1, f"{document}: {len(kit)} calls of the kit"
        self.builds = [command for command in typed if command not in kit]
        options, self.command = (shlex.split(part) for part in kit[0].split(" -- "))
        assert options[:2] == ["python3", "examples/conformance_kit.py"] and options[2:3] in ([], ["--state"]), options
        self.state = options[3] if options[2:] else None
        run = [block.text for block in shown if block.reason and "starts this very command" in block.reason]
        assert len(run) == 1 and run[0].rstrip().endswith(" " + shlex.join(self.command)), f"{document} shows another command than the kit runs"

    def build(self):
        for command in self.builds:
            if command.startswith("swift build"):
                # The package's own product: the build of the tests has made it, and holds the folder's lock no longer.
                assert os.access(os.path.join(REPOSITORY, self.command[0]), os.X_OK), f"{self.command[0]} is not built"
                continue
            done = subprocess.run(["bash", "-c", command], cwd=REPOSITORY, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert done.returncode == 0, f"{command}\n{done.stdout.decode(errors='replace')}"


def tenant(city, language):
    """A tenant of its own for one language: what demo.json says of the demonstration's, as an operator makes it."""
    jurisdiction = f"{language}.example"

    def run(*arguments):
        answer = subprocess.run(
            [PROGRAM, *arguments, "--format", "json", "--config", os.path.join(city.home, "settings.json")],
            stdout=subprocess.PIPE, timeout=60, check=True)
        return json.loads(answer.stdout)

    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(CATALOGUE, file)
        file.flush()
        key = run("tenant", "create", language, "--name", language, "--jurisdiction", jurisdiction, "--catalogue", file.name)["tenant"]
    run("tenant", "apply", key)
    amqp = run("credential", "issue", key, "a")
    own = urllib.parse.urlsplit(city.settings["amqp_uri"])
    return dict(
        tenant=key, jurisdiction_id=jurisdiction, api_key=run("key", "create", key, "--label", "app")["api_key"],
        crm_token=run("credential", "issue", key, "crm")["crm_token"],
        amqp_uri=f"amqp://{amqp['user']}:{amqp['password']}@{own.hostname}:{own.port}/{amqp['vhost']}",
        amqps_uri=f"amqps://{amqp['user']}:{amqp['password']}@localhost:{urllib.parse.urlsplit(city.settings['amqps_uri']).port}/{amqp['vhost']}",
        request_queue=f"o311.{key}.requests", dead_queue=f"o311.{key}.dead", status_exchange=f"o311.{key}.status",
        receipts_queue=f"o311.{key}.receipts")


class Shared:
    """One broker for all: restarted once, when everybody who still runs is there."""

    def __init__(self, bus, count):
        self.bus, self.waited_for = bus, count
        self.changed, self.waiting, self.restarts = threading.Condition(), 0, 0

    def restart_broker(self):
        with self.changed:
            seen = self.restarts
            self.waiting += 1
            self.act()
            assert self.changed.wait_for(lambda: self.restarts > seen, 240), "the other languages did not come to the restart"

    def leave(self):
        """Whoever has ended before the restart is not waited for; after it nobody waits."""
        with self.changed:
            self.waited_for -= 1
            self.act()

    def act(self):
        if self.restarts == 0 and 0 < self.waiting == self.waited_for:
            self.bus.restart_broker()
            self.restarts += 1
            self.changed.notify_all()


def short_pauses(log):
    """The rule for vendors: pauses of 1 s to 60 s. Returns None, or which were others, or that there was none."""
    with open(log, encoding="utf-8", errors="replace") as file:
        pauses = re.findall(r"connection lost.*; again in ([0-9.]+) ?(ms|s)", file.read())
    seconds = [float(number) / (1_000 if unit == "ms" else 1) for number, unit in pauses]
    wrong = [pause for pause in seconds if not 1 <= pause <= 60]
    return (f"pauses of {wrong} s" if wrong else None) if seconds else "no pause was told"


def behave(city, page, shared, folder):
    """One language through the suite; returns behaviour -> None, or what was wrong."""
    try:
        page.build()
        bus = Bus(city.home, tenant(city, page.language))
        command = [os.path.join(REPOSITORY, part) if os.path.exists(os.path.join(REPOSITORY, part)) else part for part in page.command]
        command = [sys.executable if part == "python3" else part for part in command]
        state = page.state and os.path.join(REPOSITORY, page.state)
        consumer = Consumer(bus, command, os.path.join(folder, page.language), state)
        try:
            done = perform(Run(bus, consumer, shared.restart_broker))
            return dict(done, **{"connection cut": done["connection cut"] or short_pauses(consumer.log.name)})
        finally:
            consumer.close()
    except Exception as failure:
        return {"stored": f"it could not be tried: {failure!r}"}
    finally:
        shared.leave()


def five_minutes():
    """docs/vendors/README.md, typed from top to bottom into an empty folder. Returns the seconds it took."""
    with open(os.path.join(VENDORS, "README.md"), encoding="utf-8") as file:
        text = file.read()
    links("docs/vendors/README.md", text)
    shown = [block for block in blocks(text) if block.language == "sh"]
    assert all(block.reason is None for block in shown), "the five minutes leave something out"
    with tempfile.TemporaryDirectory(prefix="bus311-vendor-") as folder:
        # A checkout, as far as these commands look at it.
        for name in ("examples", "migrations", "broker-config"):
            os.symlink(os.path.join(REPOSITORY, name), os.path.join(folder, name))
        environment = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("BUS311_")}
        environment["BUS311_PORT_BASE"] = str(free_base())
        began = time.monotonic()
        with open(os.path.join(folder, "typed.log"), "w+") as log:
            script = "set -euo pipefail\n" + "".join(block.text for block in shown)
            typed = subprocess.Popen(["bash", "-c", script], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
            try:
                code = typed.wait(FIVE_MINUTES + 60)
            finally:
                if typed.poll() is None:
                    os.killpg(typed.pid, signal.SIGTERM)
            log.seek(0)
            said = log.read()
        seconds = time.monotonic() - began
        assert code == 0, f"the five minutes of docs/vendors/README.md end with {code}:\n{said}"
        assert '"status_notes": "Pris en charge"' in said, said
        assert seconds < FIVE_MINUTES, f"{seconds:.0f} s from nothing to a status"
        return seconds


def kit_itself(home):
    """The command that vendors type: what docs/vendors/conformance-kit.md shows, and its refusals."""
    with open(os.path.join(VENDORS, "conformance-kit.md"), encoding="utf-8") as file:
        text = file.read()
    links("docs/vendors/conformance-kit.md", text)
    for name in BEHAVIOURS:
        assert f"\n| {name} |" in text, f"docs/vendors/conformance-kit.md does not tell of {name}"

    def kit(command, code):
        done = subprocess.run(["bash", "-c", command], cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True, timeout=200)
        assert done.returncode == code, f"exit {done.returncode}, not {code}: {command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    typed = [command for block in blocks(text) if block.language == "sh" and not block.reason for _, command in commands(block)]
    whole, listed, partly = typed
    assert all(name in kit(listed, 0) for name in BEHAVIOURS)
    # The whole kit has just run in this process; one behaviour proves the command line.
    assert '"duplicate": "ok"' in kit(whole.replace("--home .bus311", f"--only duplicate --format json --home {home}"), 0)
    kit(partly.replace("--only", f"--home {home} --only"), 0)
    # It can fail: a store in which each request was changed once too often, and a consumer that ends.
    liar = """sqlite3 -cmd '.timeout 10000' -separator ' ' "$STATE/crm.sqlite3" 'select id, sequence, changes + 1 from requests'"""
    said = kit(f"python3 examples/conformance_kit.py --home {home} --only duplicate --state {shlex.quote(liar)} -- {whole.split(' -- ')[1]}", 1)
    assert "the store has (1, 2)" in said, said
    assert "ended by itself" in kit(f"python3 examples/conformance_kit.py --home {home} -- false", 1)
    kit("python3 examples/conformance_kit.py", 64)
    kit("python3 examples/conformance_kit.py --home /nowhere -- true", 69)


def main():
    languages = sorted(name.removesuffix(".md") for name in os.listdir(os.path.join(VENDORS, "first-consumer")))
    assert set(languages) == set(os.listdir(os.path.join(REPOSITORY, "examples", "consumers"))), "a page for each example, an example for each page"
    wanted = sys.argv[1:] or languages
    pages = [Page(language) for language in wanted]
    began = time.monotonic()
    with City() as city, tempfile.TemporaryDirectory(prefix="bus311-consumers-") as folder, ThreadPoolExecutor(len(pages) + 1) as pool:
        shared = Shared(Bus(city.home), len(pages))
        running = {page.language: pool.submit(behave, city, page, shared, folder) for page in pages}
        vendor = pool.submit(five_minutes)
        outcomes = {language: each.result() for language, each in running.items()}
        print("\n".join(table(outcomes)), flush=True)
        print(f"behaviours: {time.monotonic() - began:.0f} s", flush=True)
        seconds = vendor.result()
        kit_itself(city.home)
        print(f"kit: {time.monotonic() - began:.0f} s", flush=True)
    print(f"a vendor: {seconds:.1f} s from nothing to a status that the citizen sees, everything stopped again")
    failed = sum(any(outcome.values()) or outcome.keys() != BEHAVIOURS.keys() for outcome in outcomes.values())
    print(f"consumers: {len(outcomes) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
