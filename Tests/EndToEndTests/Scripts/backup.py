"""The restore drill: a city under load is copied and its log streamed to two archives, one of which the database waits for. Everything is
killed, the data are deleted, the city is restored and replayed, and compared with a model that remembers every answer.

lost = answered 200 and not in the restored database. With the archive that the database waits for it must be 0; with the other, no
more than was answered in the last second.
"""
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.parse
import urllib.request
import uuid

import pictures
from city import PROGRAM, City, kill9, wait_until
from load import Load
from postgres_server import Postgres

SLACK = 1.0


def bus311(city, *words, code=0, fmt=True):
    done = subprocess.run(
        [PROGRAM, *words] + (["--format", "json"] if fmt else []), timeout=120, capture_output=True, text=True,
        env=dict(os.environ, BUS311_CONFIG=os.path.join(city.home, "settings.json")))
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if fmt and done.stdout.startswith("{") else done.stdout + done.stderr


# Seconds by which the archive's photos may be behind: its pause, and the copying.
PHOTOS_BEHIND = 2.5


def psql(url, text):
    done = subprocess.run(["psql", "-XAtqd", url, "-c", text], timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, (text, done.stderr)
    return done.stdout.strip()


class Stream:
    """`bus311 backup stream`, and everything that it started."""

    def __init__(self, city, folder, *words):
        self.folder, self.log = folder, open(folder + ".log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [PROGRAM, "backup", "stream", "--to", folder, "--photos-every", "1", *words], stdout=self.log, stderr=subprocess.STDOUT,
            env=dict(os.environ, BUS311_CONFIG=os.path.join(city.home, "settings.json")))
        wait_until(lambda: "Ctrl-C stops" in self.said() or self.process.poll() is not None, 30, "a stream")
        assert self.process.poll() is None, self.said()

    def said(self):
        with open(self.log.name, encoding="utf-8") as file:
            return file.read()

    def members(self):
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    command = file.read().decode(errors="replace")
                here = os.readlink(f"/proc/{entry}/cwd")
            except OSError:
                continue
            if int(entry) not in (os.getpid(), self.process.pid) and (f"--directory={self.folder}/" in command or here.startswith(self.folder + "/")):
                yield int(entry)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()

    def kill(self):
        kill9([*self.members(), self.process.pid])
        self.process.wait()


class Drill(Load):
    """The load, with the numbers that citizens were given, and photos."""

    def __init__(self, city):
        super().__init__(city, sends_updates=True)
        self.numbers, self.photographed, self.shown = {}, {}, {}
        self.photographer = self.thread(self.photograph)

    def answered(self, marker, number):
        self.numbers[marker] = number
        super().answered(marker, number)

    def photograph(self):
        """One after the other; what each shows is kept when it is shown."""
        while not self.writing.is_set():
            marker, boundary = str(uuid.uuid4()), uuid.uuid4().hex
            settings = self.city.settings
            fields = dict(jurisdiction_id=settings["jurisdiction_id"], api_key=settings["api_key"], service_code="LAMP", lat="43.6",
                          long="3.2", description=marker)
            body = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
                           for key, value in fields.items()).encode()
            body += (f'--{boundary}\r\nContent-Disposition: form-data; name="media"; filename="a.jpg"\r\n'
                     "Content-Type: image/jpeg\r\n\r\n").encode() + pictures.photo(320, 240) + f"\r\n--{boundary}--\r\n".encode()
            with self.model.lock:
                self.model.asked[marker] = time.monotonic()
            try:
                with urllib.request.urlopen(urllib.request.Request(
                        settings["gateway_url"] + "/requests.json", data=body,
                        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}), timeout=20) as answer:
                    number = json.load(answer)[0]["service_request_id"]
                self.answered(marker, number)
                self.photographed[number] = time.monotonic()
                self.look()
            except OSError:
                pass
            time.sleep(0.2)

    def look(self):
        for number in [number for number in self.photographed if number not in self.shown]:
            body = fetched(self.city, number)
            if body:
                self.shown[number] = (hashlib.sha256(body).hexdigest(), time.monotonic())


def fetched(city, number):
    path = f"/requests/{number}.json?jurisdiction_id={city.settings['jurisdiction_id']}"
    url = json.loads(city.get(path))[0].get("media_url")
    try:
        return url and urllib.request.urlopen(url, timeout=10).read()
    except OSError:
        return None


def refusals(city, folder, name):
    """What must not go wrong quietly."""
    listed = bus311(city, "backup", "list", "--in", folder)
    assert [backup["name"] for backup in listed["backups"]] == [name] and listed["backups"][0]["finished"], listed
    assert bus311(city, "backup", "verify", "--in", folder).get("log_gap") is None
    full = os.path.join(city.folder.name, "full")
    os.makedirs(full)
    open(os.path.join(full, "somebody's"), "w", encoding="utf-8").close()
    assert "not empty" in bus311(city, "restore", "--from", folder, "--data", full, code=1)
    assert os.listdir(full) == ["somebody's"]
    # Nobody's secret lies in what the operator looks at, nor in a file that others can read.
    with open(os.path.join(city.home, "settings.json"), encoding="utf-8") as file:
        settings = json.load(file)["bus311"]
    secrets = [urllib.parse.urlsplit(url).password for url in settings["database"].values()] + [settings["broker"]["provisionerPassword"]]
    for file in ("settings.json", "manifest.json", "broker.json"):
        path = os.path.join(folder, name, file)
        assert os.stat(path).st_mode & 0o077 == 0, path
        with open(path, encoding="utf-8") as content:
            text = content.read()
        assert not any(secret in text for secret in secrets if secret), file
    assert os.stat(folder).st_mode & 0o777 == 0o700
    # A byte that a disk has lost.
    manifest = os.path.join(folder, name, "database", "PG_VERSION")
    os.rename(manifest, manifest + ".kept")
    with open(manifest, "w", encoding="utf-8") as file:
        file.write("14\n")
    assert "PG_VERSION" in bus311(city, "backup", "verify", "--in", folder, code=1)
    os.rename(manifest + ".kept", manifest)


def restored_rows(url, numbers):
    """Which of the numbers the database has."""
    found = psql(url, "select id from service_requests")
    return set(found.split()) & set(numbers)


def damaged_log(city, folder):
    """A byte of the log that a disk has lost: verify says where, and a restore does not pass over it in silence."""
    segment = sorted(name for name in os.listdir(os.path.join(folder, "wal")) if len(name) == 24)[-1]
    path = os.path.join(folder, "wal", segment)
    assert bus311(city, "backup", "verify", "--in", folder).get("log_damage") is None
    with open(path, "rb") as file:
        kept = file.read()
    with open(path, "wb") as file:
        # Not at its end: behind a switch to the next file nothing is read.
        file.write(kept[:8192] + bytes(range(256)) * 32 + kept[16384:])
    told = bus311(city, "backup", "verify", "--in", folder, code=1)
    assert "/" in told["log_damage"] and told.get("log_gap") is None, told
    damaged = bus311(city, "restore", "--from", folder, "--data", os.path.join(city.folder.name, "damaged"))
    assert told["log_damage"] in damaged["obstacle"], damaged
    with open(path, "wb") as file:
        file.write(kept)


def to_a_moment(city, folder, load, killed):
    """To undo a mistake: what was answered before is there, what came after is not."""
    moment = round(time.time() - (time.monotonic() - killed)) - 2
    at = moment - time.time() + time.monotonic()
    data = os.path.join(city.folder.name, "moment")
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    bus311(city, "restore", "--from", folder, "--data", data, "--to-time", text, "--skip-verify")
    with Postgres(data) as server:
        there = restored_rows(server.url, load.numbers.values())
    answered = {load.numbers[marker]: when for marker, when in load.model.answered.items() if marker in load.numbers}
    before = {number for number, when in answered.items() if when < at - 0.5}
    after = {number for number, when in answered.items() if when > at + 1}
    assert len(before) > 20 and before <= there, len(before - there)
    assert after and not after & there, (len(after), len(after & there))
    future = os.path.join(city.folder.name, "future")
    told = bus311(city, "restore", "--from", folder, "--data", future, "--to-time", "2099-01-01T00:00:00Z", "--skip-verify", code=1)
    assert "2099-01-01" in told and "FATAL" not in told, told
    # What it had made is gone again: the next try needs no other folder.
    assert os.listdir(future) == [], os.listdir(future)


def main():
    with City() as city, contextlib.ExitStack() as keep:
        one, two = (os.path.join(city.folder.name, name) for name in ("archive", "archive-2"))
        first = bus311(city, "backup", "run", "--to", one)
        # Before it waits, the receiver must be there: else nobody is answered.
        streams = [keep.enter_context(Stream(city, one)), keep.enter_context(Stream(city, two, "--slot", "bus311_backup_2"))]
        bus311(city, "backup", "run", "--to", two)
        psql(city.settings["database_url"], "alter system set synchronous_standby_names = 'bus311_backup'")
        psql(city.settings["database_url"], "select pg_reload_conf()")
        refusals(city, one, first["name"])

        with Drill(city) as load:
            model = load.model
            load.photographer.start()
            wait_until(lambda: len(model.noted) > 20, 30, "statuses")
            wait_until(lambda: sum(at < time.monotonic() - PHOTOS_BEHIND for _, at in list(load.shown.values())) >= 3, 30, "photos that must be there")
            # So that a whole file of the log has statuses and requests in it.
            psql(city.settings["database_url"], "select pg_switch_wal()")
            # The CRM stands still: what it has not fetched is in the broker only, and goes with it.
            load.reading.set()
            for reader in load.readers:
                reader.join()
            taken = len(model.first_delivery)
            wait_until(lambda: int(psql(city.settings["database_url"], "select count(*) from outbox where state = 'confirmed' "
                                        "and type like 'service_request.created.%'")) > taken + 100, 30, "messages that nobody fetches")
            killed = time.monotonic()
            city.kill_everything()
            for stream in streams:
                stream.kill()
            load.stop_writing()
            load.photographer.join()
            for thread in load.readers + load.hands:
                thread.join()
        for folder in ("postgresql/data", "media", "rabbitmq/mnesia"):
            shutil.rmtree(os.path.join(city.home, folder))

        started = time.monotonic()
        data = os.path.join(city.home, "postgresql", "data")
        restored = bus311(city, "restore", "--from", one, "--data", data, "--media", os.path.join(city.home, "media"))
        took = time.monotonic() - started
        # Without the log too, a new history begins: the old archive must not go on with it.
        alone = os.path.join(city.folder.name, "alone")
        bus311(city, "restore", "--from", one, "--data", alone, "--without-log", "--skip-verify")
        with Postgres(alone) as server:
            assert server.sql("select left(pg_walfile_name(pg_current_wal_lsn()), 8)") == "00000002"
        other = os.path.join(city.folder.name, "second")
        bus311(city, "restore", "--from", two, "--data", other)
        with Postgres(other) as server:
            late = set(load.numbers.values()) - restored_rows(server.url, load.numbers.values())

        to_a_moment(city, one, load, killed)
        damaged_log(city, one)

        city.start()
        bus311(city, "restore", "broker", "--from", one)
        with open(city.settings_path, encoding="utf-8") as file:
            city.settings = json.load(file)
        url = city.settings["database_url"]
        lost = set(load.numbers.values()) - restored_rows(url, load.numbers.values())
        before = len(model.missing())
        known = os.path.join(city.folder.name, "known.txt")
        with open(known, "w", encoding="utf-8") as file:
            file.write("\n".join(load.numbers.values()) + "\n")

        load.reading.clear()
        consumer = load.thread(load.consume)
        consumer.start()
        bus311(city, "replay", "--tenant", city.settings["tenant"], "--from", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600)),
               "--rate", "5000")
        wait_until(lambda: not model.missing(), 60, "everything delivered after the replay")
        shown = load.shown_notes()
        forgotten = [number for number, note in model.noted.items() if shown.get(number) != note]
        # A photo that was shown for longer than the archive's pause is there, byte for byte.
        safe = {number: digest for number, (digest, at) in load.shown.items() if at < killed - PHOTOS_BEHIND}
        changed = [number for number, digest in safe.items() if hashlib.sha256(fetched(city, number) or b"").hexdigest() != digest]
        check = subprocess.run(
            [PROGRAM, "restore", "check", "--known", known, "--format", "json"], capture_output=True, text=True, timeout=60,
            env=dict(os.environ, BUS311_CONFIG=os.path.join(city.home, "settings.json")))
        told = json.loads(check.stdout)

        # Numbers of the lost time are not given out again, and the CRM can tell the two countings apart.
        code, answer = city.post("after")
        assert code == 200 and int(answer[0]["service_request_id"]) % 10**9 >= restored["first_number"], (answer, restored)
        assert int(answer[0]["service_request_id"]) > max(map(int, load.numbers.values()))
        body = psql(url, f"select convert_from(body, 'UTF8') from outbox where request_id = {answer[0]['service_request_id']}")
        assert json.loads(body)["source"] == f"/open311/{city.settings['tenant']}-e2", body
        wait_until(lambda: "after" in model.first_delivery, 20, "the first request of the new counting")
        load.reading.set()
        consumer.join()
        # The archive of the history that ended takes no other.
        refused = subprocess.run([PROGRAM, "backup", "stream", "--to", one], capture_output=True, text=True, timeout=60,
                                 env=dict(os.environ, BUS311_CONFIG=os.path.join(city.home, "settings.json")))
        assert refused.returncode == 1 and "another history" in refused.stderr, refused
        mixed = subprocess.run([PROGRAM, "backup", "run", "--to", one], capture_output=True, text=True, timeout=60,
                               env=dict(os.environ, BUS311_CONFIG=os.path.join(city.home, "settings.json")))
        assert mixed.returncode == 1 and "another history" in mixed.stderr, mixed

        recent = sum(at > killed - SLACK for at in model.answered.values())
        result = dict(
            answered=len(model.answered), statuses=len(model.noted), photos=len(load.shown), photos_compared=len(safe), lost=len(lost),
            lost_without_waiting=len(late), answered_in_last_second=recent, forgotten=len(forgotten), photos_changed=len(changed),
            delivered_only_by_replay=before, photos_missing=told["photos_missing"], restore_s=round(took, 1))
        print(json.dumps(result), flush=True)
        told["unknown"] = told["unknown"][:5]
        assert not lost and not forgotten and not changed and not told["unknown"], (result, lost, forgotten[:5], changed, told)
        assert len(late) <= recent, result
        assert before > 0 and len(safe) >= 2 and result["statuses"] > 20, result
        assert not load.failures, load.failures
    print("backup: restored, nothing lost")


main()
