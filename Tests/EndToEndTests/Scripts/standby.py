"""A PostgreSQL and its synchronous standby, which a city's services know both. The first dies under load, the second is promoted, the first
comes back: every request that was answered is there and delivered, every status is shown, and nobody writes to the first any more.
"""
import json
import os
import re
import signal
import subprocess
import time
import urllib.request

from city import PROGRAM, City, wait_until
from load import accident
from postgres_server import BIN, Postgres, give

STANDBY = "bus311_standby"


def copy(url, folder, *words):
    """A base backup; with -R one that follows the server."""
    subprocess.run([f"{BIN}/pg_basebackup", "-d", url, "-D", folder, "-X", "stream", "-c", "fast", *words], check=True, timeout=60)
    give(folder)


class Services:
    """`bus311 all`, whose settings name both servers."""

    def __init__(self, city, ports):
        with open(os.path.join(city.home, "settings.json"), encoding="utf-8") as file:
            settings = json.load(file)
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        database = settings["bus311"]["database"]
        for role, url in database.items():
            database[role] = re.sub(r"@127\.0\.0\.1:\d+/(\w+)", rf"@{hosts}/\1?target_session_attrs=read-write", url)
        self.path = os.path.join(city.home, "both.json")
        with open(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            json.dump(settings, file)
        self.log = open(os.path.join(city.home, "bus311.log"), "a", encoding="utf-8")
        self.process = subprocess.Popen([PROGRAM, "all"], env=dict(os.environ, BUS311_CONFIG=self.path), cwd=city.home, stdout=self.log,
                                        stderr=subprocess.STDOUT)
        health = city.settings["health_url"] + "/health/ready"

        def ready():
            assert self.process.poll() is None, "the services ended"
            try:
                return urllib.request.urlopen(health, timeout=5).status == 200
            except OSError:
                return False

        wait_until(ready, 60, "services that are ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0


def main():
    with City(servers_only=True) as city:
        folder = city.folder.name
        first, second = os.path.join(folder, "first"), os.path.join(folder, "second")
        copy(city.settings["database_url"], first)
        with Postgres(first, fsync="on") as primary:
            copy(primary.url, second, "-R", "-C", "-S", STANDBY)
            with open(os.path.join(second, "postgresql.auto.conf"), "a", encoding="utf-8") as file:
                file.write(f"primary_conninfo = 'host=127.0.0.1 port={primary.port} user=bus311_owner application_name={STANDBY}'\n")
            with Postgres(second) as standby:
                # On the command line: a standby that is promoted must not wait for itself.
                primary.stop()
                primary.settings["synchronous_standby_names"] = STANDBY
                primary.start()
                wait_until(lambda: primary.sql("select sync_state from pg_stat_replication") == "sync", 20, "a synchronous standby")
                with Services(city, (primary.port, standby.port)) as services:
                    city.settings["database_url"] = standby.url
                    moments = {}

                    def disaster(_):
                        primary.kill9()
                        moments["killed"] = time.monotonic()
                        standby.sql("select pg_promote()")
                        moments["promoted"] = time.monotonic() - moments["killed"]

                    result = accident(city, "kill -9 of the primary, promotion of the standby", disaster, sends_updates=True)

                    # The first comes back, as a machine that somebody switches on again: whoever is connected stays where it is.
                    primary.start()
                    before = primary.sql("select pg_current_wal_insert_lsn(), (select count(*) from service_requests)").split("|")
                    again = accident(city, "the former primary is switched on", lambda _: time.sleep(2), sends_updates=True)
                    count = primary.sql("select count(*) from service_requests")
                    assert count == before[1], (count, before)
                    users = primary.sql("select count(*) from pg_stat_activity where usename like 'bus311\\_%' and usename <> 'bus311_owner'")
                    assert users == "0", "a service is connected to the former primary"
                    # A process that is started now finds both, and both write: it takes the one that was promoted.
                    audited = "select count(*) from audit"
                    first_has, second_has = primary.sql(audited), int(standby.sql(audited))
                    done = subprocess.run([PROGRAM, "tenant", "list"], capture_output=True, text=True, timeout=30,
                                          env=dict(os.environ, BUS311_CONFIG=services.path))
                    assert done.returncode == 0 and city.settings["tenant"] in done.stdout, done
                    assert primary.sql(audited) == first_has and int(standby.sql(audited)) > second_has
                    # And whoever writes to it in spite of all is not told that it is done: the standby that it waits for is gone.
                    writer = subprocess.Popen(["psql", "-XAtqd", primary.url, "-c", "create table nobody (id integer)"])
                    try:
                        writer.wait(2)
                        raise AssertionError("the former primary says that it is done")
                    except subprocess.TimeoutExpired:
                        writer.kill()
                        writer.wait()
                    rows = standby.sql("select count(*) from service_requests")
                    assert int(rows) >= result["acknowledged"] + again["acknowledged"], (rows, result, again)
                    print(json.dumps(dict(
                        promoted_s=round(moments["promoted"], 2), silent_s=result["answers_silent_s"], lost=result["lost"], rows=int(rows),
                        on_the_former=int(count))), flush=True)
    print("standby: promoted under load, lost 0")


main()
