"""The three broker nodes of a city with `--cluster`: asked, killed, frozen, cut off and restarted."""
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request

from city import REPOSITORY, wait_until

CHECK = os.path.join(REPOSITORY, "broker-config", "policies", "check.sh")


class Node:
    def __init__(self, city, number):
        self.number = number
        self.folder = os.path.join(city.home, "rabbitmq", f"node-{number}")
        self.management = city.settings["management_urls"][number - 1]
        with open(os.path.join(city.home, "settings.json"), encoding="utf-8") as file:
            broker = json.load(file)["bus311"]["broker"]
        login = f"{broker['provisionerUser']}:{broker['provisionerPassword']}"
        self.authorization = "Basic " + base64.b64encode(login.encode()).decode()
        self.amqp_port = urllib.parse.urlsplit(city.settings["amqp_uris"][number - 1]).port
        # As ClusterMember gives them.
        self.address = f"127.0.0.{number + 1}"
        with open(os.path.join(self.folder, "rabbitmq-env.conf"), encoding="utf-8") as file:
            self.name = re.search(r"^NODENAME=(\S+)$", file.read(), re.MULTILINE)[1]

    def pid(self):
        """None while it is down."""
        try:
            with open(os.path.join(self.folder, "rabbitmq.pid"), encoding="utf-8") as file:
                return int(file.read().split()[0])
        except (OSError, IndexError):
            return None

    def ask(self, path, timeout=5):
        """None when the node does not answer, or answers that it is not well."""
        request = urllib.request.Request(self.management + path, headers={"Authorization": self.authorization})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def close_connection(self, name):
        request = urllib.request.Request(
            f"{self.management}/api/connections/{urllib.parse.quote(name, safe='')}", method="DELETE",
            headers={"Authorization": self.authorization, "X-Reason": "moved by a test"})
        with urllib.request.urlopen(request, timeout=5):
            pass

    def program(self, name, *arguments):
        return subprocess.run(
            [os.path.join(self.folder, "bin", name), *arguments], check=True, timeout=60, text=True, capture_output=True).stdout

    def signal(self, number):
        os.kill(self.pid(), number)

    def may_stop(self):
        """RabbitMQ's own word that no queue loses its majority with this node."""
        return self.ask("/api/health/checks/node-is-quorum-critical") is not None


class Brokers:
    def __init__(self, city):
        self.city = city
        self.nodes = [Node(city, number) for number in (1, 2, 3)]
        self.names = {node.name: node for node in self.nodes}

    def running(self):
        """Nodes that the cluster calls running, as each node that answers sees it; the fewest count."""
        seen = [answer for answer in (node.ask("/api/nodes", timeout=2) for node in self.nodes) if answer]
        return min((sum(node["running"] for node in answer) for answer in seen), default=0)

    def whole(self):
        """All three run, and every queue has all its members."""
        return self.running() == 3 and all(node.may_stop() for node in self.nodes)

    def wait_until_whole(self, seconds=120):
        """A node that hangs on its way back ends itself after half a minute and is started anew, more than once if need be."""
        wait_until(self.whole, seconds, "three nodes, and every member of every queue")

    def queue(self, name=None):
        path = "/api/queues/open311/" + (name or self.city.settings["request_queue"])
        answers = (node.ask(path) for node in self.nodes)
        return next((answer for answer in answers if answer and answer.get("leader") in self.names), None)

    def leader(self):
        """The node that leads the city's queue."""
        wait_until(self.queue, 30, "the queue has a leader")
        return self.names[self.queue()["leader"]]

    def transfer(self, queue, node):
        """Gives the node the lead of a queue: RabbitMQ 3.10 has no command for one queue alone."""
        if (self.queue(queue) or {}).get("leader") == node.name:
            return
        node.program("rabbitmqctl", "eval", f"""
            {{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"open311">>, queue, <<"{queue}">>)),
            rabbit_quorum_queue:transfer_leadership(Q, '{node.name}').""")
        wait_until(lambda: (self.queue(queue) or {}).get("leader") == node.name, 30, f"{node.name} leads {queue}")

    def connections(self, user):
        """Name and node of each."""
        answers = (node.ask("/api/connections?columns=name,node,user", timeout=2) for node in self.nodes)
        found = next((answer for answer in answers if answer is not None), [])
        return {(connection["name"], connection["node"]) for connection in found if connection.get("user") == user and "node" in connection}

    def nodes_of(self, user):
        return {node for _, node in self.connections(user)}

    def node_of_status_consumer_alone(self):
        """A node that the status consumer hangs on and no relay does: closed by the operator, it comes back somewhere else until it is so."""
        wait_until(lambda: self.connections("svc.relay"), 30, "the management knows of the relay's connection")
        for _ in range(20):
            wait_until(lambda: len(self.connections("svc.status-ingest")) == 1, 30, "the status consumer has one connection")
            (name, node), = self.connections("svc.status-ingest")
            if node not in self.nodes_of("svc.relay"):
                return self.names[node]
            self.nodes[0].close_connection(name)
            wait_until(lambda: self.connections("svc.status-ingest") and name not in dict(self.connections("svc.status-ingest")), 30, "another connection")
        raise AssertionError("in twenty tries the status consumer was never on a node of its own")

    def policies_differ(self, node):
        """What check.sh says of the live policies: nothing when they are those of the files."""
        done = subprocess.run(
            [CHECK], env=dict(os.environ, RABBITMQCTL=os.path.join(node.folder, "bin", "rabbitmqctl")), text=True,
            capture_output=True, timeout=60)
        return done.stdout + done.stderr

    def kill(self, node):
        pid = node.pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: node.pid() != pid, 10, f"node {node.number} is gone")

    def restart(self, node):
        """As an operator does: asks first, stops it politely, waits until it is back with all its members."""
        wait_until(node.may_stop, 60, f"node {node.number} may stop")
        pid = node.pid()
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: node.pid() not in (None, pid), 60, f"node {node.number} is started again")
        self.wait_until_whole()


class Cut:
    """One node cut off from the other two: nothing passes between their addresses, as when a switch fails.

    Takes nft and the right to use it; without, the node refuses the others and is refused by them in Erlang's own handshake, which
    the nodes notice at once.
    """

    def __init__(self, brokers, node):
        self.brokers, self.node = brokers, node
        self.others = [other for other in brokers.nodes if other is not node]
        self.table = f"bus311_test_{os.getpid()}"
        self.is_real = self.has_filter()

    def has_filter(self):
        if not shutil.which("nft") or os.geteuid() != 0:
            print("SKIPPED: packets are not dropped (needs root and nft); the node is cut off by its cookie instead", flush=True)
            return False
        done = subprocess.run(["nft", "add", "table", "inet", self.table], capture_output=True, text=True)
        if done.returncode != 0:
            print(f"SKIPPED: packets are not dropped ({done.stderr.strip()}); the node is cut off by its cookie instead", flush=True)
            return False
        return True

    def __enter__(self):
        if self.is_real:
            others = ", ".join(other.address for other in self.others)
            rules = f"""
                add chain inet {self.table} cut {{ type filter hook input priority 0; }}
                add rule inet {self.table} cut ip saddr {self.node.address} ip daddr {{ {others} }} drop
                add rule inet {self.table} cut ip daddr {self.node.address} ip saddr {{ {others} }} drop"""
            subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
        else:
            names = ", ".join(f"'{other.name}'" for other in self.others)
            self.node.program(
                "rabbitmqctl", "eval", f"[begin erlang:set_cookie(N, apart), erlang:disconnect_node(N) end || N <- [{names}]].")
        return self

    def __exit__(self, *_):
        if self.is_real:
            subprocess.run(["nft", "delete", "table", "inet", self.table], check=True)
        else:
            names = ", ".join(f"'{other.name}'" for other in self.others)
            self.node.program("rabbitmqctl", "eval", f"[erlang:set_cookie(N, erlang:get_cookie()) || N <- [{names}]].")

    def is_noticed(self):
        """By the majority, and by the node itself, which has stopped serving."""
        answer = self.others[0].ask("/api/nodes")
        return answer is not None and not next(node["running"] for node in answer if node["name"] == self.node.name) \
            and self.node.ask("/api/overview", timeout=2) is None


