"""Every command that a document shows is run here, in the order in which the document shows them, on one city for all documents.

In a document:
    ```sh                            each command is run by bash and must end with 0
    command  # exit 2                ... or with the code that its comment names
    ```sh (not run: reason)          counted and listed below, never silent; say why it cannot be run here
    ```sql                           each statement is run by psql as the database's owner
    ```text, ```json ...             what is shown, not typed

A command that stands in any other kind of block fails the test. Variables that a command sets are there for the next ones of its
document. The city's own settings file lies in the scratch folder as bus311.json, which BUS311_CONFIG names; bus311, rabbitmqctl,
rabbitmq-queues and rabbitmq-diagnostics of the city are in PATH; API_KEY, CRM_TOKEN, AMQP_URI and DATABASE_URL are set.

To add a document: write its path into DOCUMENTS, and what its commands find there into documents_scene.py.
"""
import os
import re
import subprocess
import sys
import time

from city import PROGRAM, REPOSITORY, City
from documents_scene import Scene

DOCUMENTS = (
    "docs/operators/README.md",
    "docs/operators/replay.md",
    "docs/operators/runbooks/README.md",
    "docs/operators/runbooks/dead-letters.md",
    "docs/operators/runbooks/purge-suspected.md",
    "docs/operators/runbooks/parked.md",
    "docs/operators/runbooks/postgresql-away.md",
    "docs/operators/runbooks/relay-down.md",
    "docs/contract/evolution.md",
    "docs/contract/erasure.md",
    "docs/operators/media-storage.md",
    "docs/operators/photos.md",
    "docs/vendors/firewall.md",
    "docs/vendors/reference-data.md",
    "docs/vendors/status.md",
    "docs/vendors/errors.md",
    "docs/vendors/places.md",
    # What the page before published is there to be asked for.
    "docs/app-developers.md",
    "docs/operators/tenants.md",
    "docs/operators/rabbitmqctl.md",
    "docs/operators/runbooks/broker-down.md",
    "docs/operators/runbooks/queue-full.md",
    "docs/operators/runbooks/exchange-missing.md",
    "docs/operators/runbooks/returned.md",
    "docs/operators/runbooks/permissions.md",
    "docs/operators/runbooks/drift.md",
    "docs/operators/runbooks/disk-full.md",
    "docs/operators/runbooks/crm-silent.md",
    "docs/operators/alerts.md",
    "docs/operators/statistics.md",
    "docs/operators/runbooks/no-consumer.md",
    "docs/operators/runbooks/consumer-stuck.md",
    "docs/operators/runbooks/backlog-age.md",
    "docs/operators/runbooks/queue-fill.md",
    "docs/operators/runbooks/repeated-failures.md",
    "docs/operators/runbooks/response-delay-ack.md",
    "docs/operators/runbooks/response-delay-progress.md",
    "docs/operators/runbooks/status-silent.md",
    "docs/operators/runbooks/feed-empty.md",
    "docs/operators/runbooks/config-drift.md",
    "docs/operators/runbooks/outbox-age.md",
    "docs/operators/runbooks/broker-alarm.md",
    "docs/operators/runbooks/node-down.md",
    "docs/operators/runbooks/quorum-critical.md",
    "docs/operators/runbooks/cert-expiry.md",
    "docs/operators/runbooks/disk.md",
    "docs/operators/runbooks/deadman.md",
    "docs/operators/audit.md",
    "docs/operators/monitoring.md",
    "docs/operators/retention.md",
    "docs/operators/backup.md",
    "docs/operators/soak.md",
    "docs/operators/capacity.md",
    "docs/operators/tls.md",
    "docs/operators/notices.md",
    "docs/operators/citizen-rights.md",
    # It ends the credential that the others work with.
    "docs/operators/credentials.md",
)

FENCE = re.compile(r"^( *)```(.*)$")
TYPED = re.compile(r"^\s*(\$ )?(sudo |\.bus311/|\./)*(bus311|rabbitmqctl|rabbitmq-\w+|curl|psql|amqp-\w+|make|python3?|docker|openssl) ")
EXPECTED = re.compile(r"#\s*exit (\d+)\b")


class Block:
    def __init__(self, line, info, text):
        self.line, self.info, self.text = line, info.strip(), text
        self.language = self.info.split(" ")[0] if self.info else ""
        self.reason = None
        if self.language == "sh" and self.info != "sh":
            match = re.fullmatch(r"sh \(not run: (.+)\)", self.info)
            assert match, f"line {line}: write ```sh or ```sh (not run: reason), not ```{self.info}"
            self.reason = match.group(1)


def blocks(text):
    """Fenced blocks; a command in an indented block or in a fence that does not say sh is a fault."""
    found, opened = [], None
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if fence and opened is None:
            opened = (number, fence.group(2), len(fence.group(1)), [])
        elif fence:
            found.append(Block(opened[0], opened[1], "\n".join(opened[3]) + "\n"))
            opened = None
        elif opened is not None:
            opened[3].append(line[opened[2]:])
        else:
            assert not (line.startswith("    ") and TYPED.match(line)), f"line {number}: a command outside of a ```sh block: {line.strip()}"
    assert opened is None, f"line {opened and opened[0]}: a block that does not end"
    for block in found:
        if block.language not in ("sh", "sql"):
            typed = [line for line in block.text.splitlines() if TYPED.match(line)]
            assert not typed, f"line {block.line}: a command in a block that is not ```sh: {typed[0].strip()}"
    return found


def commands(block):
    """(line, command): a command ends where bash says that it is whole."""
    held, began = [], 0
    for offset, line in enumerate(block.text.splitlines(), 1):
        if not held and (not line.strip() or line.lstrip().startswith("#")):
            continue
        if not held:
            began = block.line + offset
        held.append(line)
        text = "\n".join(held)
        if line.endswith("\\"):
            continue
        check = subprocess.run(["bash", "-n"], input=text + "\n", capture_output=True, text=True)
        if check.returncode == 0 and not check.stderr:
            yield began, text
            held = []
    assert not held, f"line {began}: no whole command: {held[0]}"


def links(document, text):
    """A link to a file that is not there is a fault too."""
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", re.sub(r"<!--.*?-->", "", text, flags=re.S)):
        path = os.path.join(REPOSITORY, os.path.dirname(document), target)
        assert os.path.exists(path), f"a link to {target}, which is not there"


class Reader:
    """Does what one document says."""

    def __init__(self, document, scene):
        self.document, self.scene = document, scene
        self.folder = scene.folder(document)
        self.ran, self.left_out = 0, []

    def read(self):
        with open(os.path.join(REPOSITORY, self.document), encoding="utf-8") as file:
            text = file.read()
        links(self.document, text)
        found = blocks(text)
        self.scene.prepare(self.document)
        for block in found:
            if block.reason:
                count = len(list(commands(block)))
                self.left_out.append(f"{self.document}:{block.line}: {count} not run: {block.reason}")
            elif block.language == "sh":
                for line, command in commands(block):
                    self.run(line, command)
            elif block.language == "sql":
                self.sql(block)

    def run(self, line, command):
        expected = EXPECTED.search(command)
        expected = int(expected.group(1)) if expected else 0
        real = self.scene.real(command)
        # What it sets is exported for the next command.
        script = f"set -a; [ -f .variables ] && . ./.variables; set +a\nset -a\n{real}\ncode=$?; export -p > .variables; exit $code\n"
        started = time.monotonic()
        try:
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", script], cwd=self.folder, env=self.scene.environment, timeout=120, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"{self.document}:{line}: not within 120 s: {command}\n{(late.stdout or b'').decode()}") from None
        assert done.returncode == expected, (
            f"{self.document}:{line}: exit {done.returncode}, not {expected}:\n{command}\nas run:\n{real}\n{done.stdout.decode(errors='replace')}")
        self.ran += 1
        if os.environ.get("BUS311_DOCUMENTS_VERBOSE"):
            print(f"{self.document}:{line} ({time.monotonic() - started:.1f} s) {real}\n{done.stdout.decode(errors='replace')}", flush=True)

    def sql(self, block):
        real = self.scene.real(block.text)
        done = subprocess.run(
            ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", self.scene.environment["DATABASE_URL"]], input=real.encode(), timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, f"{self.document}:{block.line}:\n{real}\n{done.stdout.decode(errors='replace')}"
        self.ran += block.text.count(";")


def main():
    chosen = sys.argv[1:]
    with City() as city:
        scene = Scene(city, PROGRAM)
        # One after the other: some stop the broker, or close what another has open.
        readers = [Reader(document, scene) for document in DOCUMENTS if not chosen or document in chosen]
        faults = []
        for reader in readers:
            try:
                reader.read()
                print(f"{reader.document}: {reader.ran} commands", flush=True)
            except Exception as fault:
                # Said at once, counted at the end: one broken document does not hide another.
                faults.append(fault)
                print(f"FAULT {reader.document}: {fault}", flush=True)
        for reader in readers:
            for line in reader.left_out:
                print(line)
    known = set(DOCUMENTS)
    # Some pages need more than one city and are read by a script of their own.
    here = os.path.dirname(os.path.abspath(__file__))
    elsewhere = ""
    for name in sorted(os.listdir(here)):
        if name.endswith(".py") and name != os.path.basename(__file__):
            with open(os.path.join(here, name), encoding="utf-8") as file:
                elsewhere += file.read()
    for folder, _, files in os.walk(os.path.join(REPOSITORY, "docs", "operators")):
        for name in files:
            document = os.path.relpath(os.path.join(folder, name), REPOSITORY)
            if name.endswith(".md") and document not in known and document not in elsewhere:
                faults.append(document)
                print(f"FAULT {document}: no test runs its commands; write it into DOCUMENTS")
    left = sum(len(reader.left_out) for reader in readers)
    print(f"documents: {sum(reader.ran for reader in readers)} commands run, {left} blocks not run, {len(faults)} documents failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
