"""A real Prometheus on a city, with the rules and the dashboard of docs/monitoring."""
import json
import os
import re
import socket
import subprocess
import urllib.parse
import urllib.request

from city import REPOSITORY, wait_until

FOLDER = os.path.join(REPOSITORY, "docs", "monitoring")
PAGE = os.path.join(REPOSITORY, "docs", "operators", "monitoring.md")


def read(*path):
    with open(os.path.join(REPOSITORY, *path), encoding="utf-8") as file:
        return file.read()


def alert_names(text):
    return re.findall(r"^\s*- alert: (\w+)$", text, re.M)


def fired_for_real():
    """The rules that the head of alerts.yml says are fired by real faults; the others are those that it says are not."""
    head = read("docs", "monitoring", "alerts.yml").split("groups:")[0]
    real, series = (set(re.findall(r"Bus311\w+", part)) for part in head.split("by series only"))
    names = set(alert_names(read("docs", "monitoring", "alerts.yml")))
    assert not real & series and real | series == names, (real & series, names ^ (real | series))
    return real


def files_agree():
    """Rules, their tests, their page, the list of metrics, the dashboard: the same names everywhere; promtool has no complaint."""
    rules, tests, page = read("docs", "monitoring", "alerts.yml"), read("docs", "monitoring", "alerts-tests.yml"), read(
        "docs", "operators", "monitoring.md")
    names = alert_names(rules)
    assert len(names) > 20 and len(set(names)) == len(names)
    # One that is in no test fires for nobody: each is tried by name, with what it says.
    for name in names:
        assert re.search(rf"alertname: {name}\n\s+exp_alerts:\n", tests), f"{name} is fired by no test"
        assert f"| `{name}` |" in page, f"{name} is not in docs/operators/monitoring.md"
    for link in re.findall(r"runbook: (\S+)", rules):
        path, _, anchor = link.partition("#")
        text = read(*path.split("/"))
        assert not anchor or re.search(rf"^##+ {anchor.replace('-', '[ -]')}$", text, re.M | re.I), link
    for command in (["check", "rules", "alerts.yml"], ["check", "config", "prometheus.yml"], ["test", "rules", "alerts-tests.yml"]):
        done = subprocess.run(["promtool", *command], cwd=FOLDER, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (command, done.stdout[-3000:], done.stderr[-3000:])
    documented = set(re.findall(r"^\| `(o311_\w+)` \|", page, re.M))
    known = set(re.findall(r'^        "(o311_\w+)":', read("Sources", "bus311", "Metrics", "MetricFamily.swift"), re.M))
    assert documented == known, documented ^ known
    used = set(re.findall(r"\b(o311_\w+?)(?:_bucket)?\b[^_]", rules + read("docs", "monitoring", "dashboard.json")))
    assert {name.removesuffix("_bucket") for name in used} <= known, used - known


def check(text):
    """What a city shows now: promtool's rules, every name documented, no label that could name a person or a request."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and not done.stdout and not done.stderr, (done.stdout, done.stderr)
    known = set(re.findall(r"^\| `(o311_\w+)` \|", read("docs", "operators", "monitoring.md"), re.M))
    shown = set(re.findall(r"^# TYPE (o311_\w+) ", text, re.M))
    assert shown <= known, shown - known
    for name in ("process_max_fds", "process_open_fds", "process_cpu_seconds_total", "process_start_time_seconds",
                 "process_resident_memory_bytes"):
        assert re.search(rf"^{name} ", text, re.M), name
    labels = set(re.findall(r'(\w+)="', text))
    assert labels <= {"route", "method", "status_class", "tenant", "channel", "shard", "reason", "door", "result", "dependency", "kind",
                      "outcome", "direction", "service", "version", "commit", "le", "code", "audience", "relation", "action"}, labels
    return shown


class Prometheus:
    """On a port of its own, asking the city every second; rules wait for nothing, so that a fault is an alert.

    `limits` are other numbers for rules whose limit is minutes or dozens: (rule, what stands in its expression, what shall).
    """

    def __init__(self, city, limits=()):
        self.city = city
        self.folder = os.path.join(city.folder.name, "prometheus")
        os.makedirs(self.folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        health = urllib.parse.urlsplit(city.settings["health_url"]).netloc
        rules = re.sub(r"^(\s+for:) \w+$", r"\1 0s", read("docs", "monitoring", "alerts.yml"), flags=re.M)
        for name, old, new in limits:
            rules, changed = re.subn(rf"(- alert: {name}\n\s+expr: '.*?){re.escape(old)}(?=.*'\n)", lambda found: found.group(1) + new, rules)
            assert changed == 1, (name, old)
        self.write("alerts.yml", rules)
        # The second one is a process that is gone.
        targets = json.dumps([health, f"127.0.0.1:{city.spare_ports[0]}"])
        self.write("prometheus.yml", "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [alerts.yml]\n"
                   f"scrape_configs: [{{job_name: bus311, static_configs: [{{targets: {targets}}}]}}]\n")
        self.log = open(os.path.join(self.folder, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{self.port}"],
            cwd=self.folder, stdout=self.log, stderr=subprocess.STDOUT)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        assert self.process.wait(20) == 0
        self.log.close()

    def ask(self, path, **fields):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}" + ("?" + urllib.parse.urlencode(fields) if fields else "")
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError((path, fields, error.read())) from None
        except OSError:
            assert self.process.poll() is None, "Prometheus ended"
            return None

    def firing(self):
        data = self.ask("alerts")
        return {alert["labels"]["alertname"]: alert for alert in data["alerts"] if alert["state"] == "firing"} if data else {}

    def fires(self, *names):
        try:
            wait_until(lambda: set(names) <= set(self.firing()), 40, f"{names} fire")
        except AssertionError as error:
            raise AssertionError(f"{error}: {sorted(self.firing())} do") from None

    def fired(self):
        """Of each rule that ever fired: when it began to, each time, as Prometheus itself remembers it."""
        found = {}
        for series in (self.ask("query", query='ALERTS{alertstate="firing"}[30m]') or {"result": []})["result"]:
            moments = [float(moment) for moment, _ in series["values"]]
            begins = [now for before, now in zip([0.0, *moments], moments) if now - before > 5]
            found.setdefault(series["metric"]["alertname"], []).extend(begins)
        return found

    def clears(self, name):
        # Whoever lost the broker tries again after up to a minute.
        try:
            wait_until(lambda: name not in self.firing(), 120, f"{name} clears")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.firing().get(name)}") from None

    def has_our_rules(self):
        groups = (self.ask("rules") or {}).get("groups", [])
        loaded = {rule["name"]: rule for group in groups for rule in group["rules"]}
        assert set(loaded) == set(alert_names(read("docs", "monitoring", "alerts.yml"))), loaded.keys()
        assert all(rule["health"] in ("ok", "unknown") for rule in loaded.values()), loaded

    def draws_our_dashboard(self):
        """Each expression of each panel is taken; those of what happens in any city have data."""
        board = json.loads(read("docs", "monitoring", "dashboard.json"))
        empty = []
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                expression = target["expr"].replace("$tenant", ".*")
                assert "$" not in expression, expression
                # An alert's window, shortened: the city is a minute old.
                if not self.ask("query", query=re.sub(r"\[\w+\]", "[1m]", expression))["result"]:
                    empty.append(expression)
        # No photo was refused; whether an alert of ours fires is not this test's matter.
        assert all("o311_media" in expression or "o311_alerts_firing" in expression for expression in empty), empty
