"""The administration commands as an operator types them, on a city that runs: their output for people and for scripts, their exit
codes; and what health page and log say while PostgreSQL is away."""
import json
import os
import subprocess
import time
import urllib.error
import urllib.request

from city import PROGRAM, City, wait_until


class Operator:
    def __init__(self, city):
        self.settings = os.path.join(city.home, "settings.json")

    def run(self, *words, settings=None):
        return subprocess.run(
            [PROGRAM, *words, "--config", settings or self.settings], capture_output=True, text=True, timeout=60
        )

    def text(self, *words, code=0):
        done = self.run(*words)
        assert done.returncode == code, (words, done)
        return done.stdout

    def json(self, *words, code=0):
        return json.loads(self.text(*words, "--format", "json", code=code))

    def refused(self, *words, code, says, settings=None):
        done = self.run(*words, settings=settings)
        assert done.returncode == code and says in done.stderr, (words, done)


def tenants(city, operator):
    operator.text("tenant", "create", "sainte-foy", "--name", "Sainte-Foy", "--jurisdiction", "sainte-foy.example")
    listed = operator.json("tenant", "list")
    key = next(tenant["tenant"] for tenant in listed if tenant["tenant"].startswith("sainte-foy-"))
    assert city.settings["tenant"] in operator.text("tenant", "list")
    assert operator.json("tenant", "show", key)["jurisdictions"] == ["sainte-foy.example"]
    plan = operator.text("tenant", "plan", key, code=2)
    assert f"o311.{key}.requests" in plan, plan
    operator.text("tenant", "apply", key)
    operator.text("tenant", "plan", key)
    operator.text("tenant", "apply", key)
    operator.refused("tenant", "show", "nowhere-000000", code=64, says="bus311 tenant list")
    return key


def keys(operator, tenant):
    made = operator.json("key", "create", tenant, "--label", "app", "--scope", "read", "--scope", "write")
    listed = operator.json("key", "list", tenant)
    assert len(listed) == 1 and made["api_key"] not in json.dumps(listed), "a list must not show the key"
    identifier = listed[0]["id"]
    operator.text("key", "rotate", tenant, identifier, "--overlap", "1d")
    assert len(operator.json("key", "list", tenant)) == 2
    operator.text("key", "revoke", tenant, identifier)
    operator.refused("key", "revoke", tenant, "AAAAAAAA", code=64, says="bus311 key list")


def credentials(operator, tenant):
    operator.text("credential", "issue", tenant, "b")
    operator.text("credential", "issue", tenant, "crm")
    assert operator.text("credential", "list", tenant)
    operator.text("credential", "revoke", tenant, "b")
    assert "has no credential in slot b" in operator.text("credential", "revoke", tenant, "b")
    assert operator.json("credential", "revoke", tenant, "b") == {"revoked": None}
    assert operator.run("doctor").returncode in (0, 1)
    assert isinstance(json.loads(operator.run("doctor", "--format", "json").stdout), (list, dict))


def refusals(city, operator):
    assert operator.json("migrate")["applied"] == []
    path = os.path.join(city.home, "mistyped.json")
    with open(operator.settings, encoding="utf-8") as file:
        settings = json.load(file)
    settings["bus311"]["gateway"]["prot"] = 1
    with open(path, "w", encoding="utf-8") as file:
        json.dump(settings, file)
    operator.refused("tenant", "list", code=64, says="gateway.prot", settings=path)
    operator.refused("tenant", "list", "--set", "gateway.port=many", code=64, says="whole number")
    operator.refused("tenant", "list", "--set", "nothing=1", code=64, says="no setting nothing")
    operator.refused("tenant", "list", "--set", "database.admin=postgresql://x@127.0.0.1:1/x", code=69, says="address in the settings")
    passwords = os.path.join(city.home, "passwords.json")
    with open(passwords, "w", encoding="utf-8") as file:
        json.dump({"bus311_nobody": "x"}, file)
    os.chmod(passwords, 0o644)
    operator.refused("migrate", "--role-passwords", passwords, code=64, says="chmod 600")
    os.chmod(passwords, 0o600)
    operator.refused("migrate", "--role-passwords", passwords, code=64, says="bus311_nobody")


def readiness(city):
    """Status and dependencies of the health page."""
    try:
        with urllib.request.urlopen(city.settings["health_url"] + "/health/ready", timeout=5) as answer:
            return answer.status, {entry["name"]: entry["ok"] for entry in json.load(answer)["dependencies"]}
    except urllib.error.HTTPError as error:
        return error.code, {entry["name"]: entry["ok"] for entry in json.loads(error.read())["dependencies"]}


def health(city):
    status, before = readiness(city)
    assert status == 200 and all(before.values()), before
    assert "status-ingest.broker" in before and '"dependency":"status-ingest.broker"' not in city.log(), "a tenant that goes disturbs no other"
    city.kill("postgresql")
    wait_until(lambda: readiness(city)[0] == 503 and not readiness(city)[1]["gateway.postgresql"], 15, "the health page tells")
    wait_until(lambda: readiness(city)[0] == 200, 60, "it heals by itself")
    lines = [json.loads(line) for line in city.log().splitlines() if line.startswith("{")]
    lost = [line for line in lines if line.get("dependency") == "gateway.postgresql" and line["message"] == "dependency lost"]
    assert len(lost) == 1, "one line at a change, not one for each attempt"
    with urllib.request.urlopen(city.settings["health_url"] + "/metrics", timeout=5) as answer:
        metrics = answer.read().decode()
    for name in ('o311_dependency_up{dependency="gateway.postgresql"} 1', "process_resident_memory_bytes", "o311_outbox_parked{"):
        assert name in metrics, name


def main():
    with City() as city:
        operator = Operator(city)
        tenant = tenants(city, operator)
        keys(operator, tenant)
        credentials(operator, tenant)
        refusals(city, operator)
        operator.text("tenant", "delete", tenant)
        assert tenant not in operator.text("tenant", "list")
        health(city)
    print("commands: passed")


main()
