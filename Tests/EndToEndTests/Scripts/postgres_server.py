"""A PostgreSQL of a test's own, on a data directory that is there: started, killed, promoted."""
import glob
import os
import pwd
import signal
import socket
import subprocess

from city import kill9, wait_until

BIN = max(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))


def unprivileged(command):
    """PostgreSQL refuses to be root; under a closed home its account must pass the folders above its own."""
    if os.geteuid() != 0:
        return command
    user = pwd.getpwnam("postgres")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--inh-caps=+dac_override",
            "--ambient-caps=+dac_override", *command]


def give(folder):
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        subprocess.run(["chown", "-R", f"{user.pw_uid}:{user.pw_gid}", folder], check=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """Everybody on this machine's loopback may be anybody: for minutes, in a test."""

    def __init__(self, data, port=None, **settings):
        self.data, self.port, self.settings = data, port or free_port(), settings
        self.url = f"postgresql://bus311_owner@127.0.0.1:{self.port}/bus311"
        self.process = None
        self.hba = data + ".hba"
        with open(self.hba, "w", encoding="utf-8") as file:
            file.write("host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n")
        os.chmod(self.hba, 0o644)
        self.start()

    def start(self):
        give(self.data)
        values = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "hba_file": self.hba, **self.settings}
        self.log = open(self.data + ".log", "a", encoding="utf-8")
        self.process = subprocess.Popen(
            unprivileged([f"{BIN}/postgres", "-D", self.data, *(f"--{key}={value}" for key, value in values.items())]),
            stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)
        wait_until(self.answers, 30, "a PostgreSQL of the test's own")

    def answers(self):
        assert self.process.poll() is None, open(self.data + ".log", encoding="utf-8").read()[-2000:]
        return subprocess.run(["psql", "-XAtqd", self.url, "-c", "select 1"], capture_output=True, timeout=10).returncode == 0

    def sql(self, text):
        done = subprocess.run(["psql", "-XAtqd", self.url, "-c", text], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (text, done.stderr)
        return done.stdout.strip()

    def kill9(self):
        """The postmaster and its children, as when the machine dies."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="utf-8") as file:
            children = [int(child) for child in file.read().split()]
        kill9([self.process.pid, *children])
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
