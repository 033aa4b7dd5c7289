"""The way to the broker through bad and good networks: TLS, client certificates, haproxy, idle-cutting middleboxes, netcheck."""
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pika
from city import PROGRAM, REPOSITORY, City, wait_until

SITE = os.path.join(REPOSITORY, "broker-config", "haproxy", "haproxy.cfg")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


class Authority:
    """Certificates that are wrong in one way each, for servers that stand in the bus's place."""

    def __init__(self, folder, own):
        self.folder, self.own = folder, own
        os.makedirs(os.path.join(folder, "issued"))
        self.write("index", "")
        self.write("serial", "1000\n")
        self.write("ca.cnf", f"[ca]\ndefault_ca=a\n[a]\ndatabase={folder}/index\nserial={folder}/serial\nnew_certs_dir={folder}/issued\n"
                             "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        run("openssl", "req", "-x509", *self.key("proxy-ca"), "-days", "2", "-subj", "/O=Ville/CN=Proxy de la ville",
            "-out", self.path("proxy-ca.pem"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def key(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-keyout", self.path(name + ".key"))

    def server(self, name, authority=None, expired=False, until="20991231000000Z"):
        """A certificate for localhost and 127.0.0.1, by the demonstration's authority or another; key and certificate in one file."""
        ca, key = (self.own + "/ca.pem", self.own + "/ca.key") if authority is None else (
            self.path(authority + ".pem"), self.path(authority + ".key"))
        run("openssl", "req", "-new", *self.key(name), "-subj", "/CN=localhost", "-out", self.path(name + ".csr"))
        self.write("names", "subjectAltName=DNS:localhost,DNS:www.example,DNS:status.example,IP:127.0.0.1")
        dates = ("20200101000000Z", "20200201000000Z") if expired else ("20200101000000Z", until)
        run("openssl", "ca", "-batch", "-config", self.path("ca.cnf"), "-cert", ca, "-keyfile", key, "-in", self.path(name + ".csr"),
            "-out", self.path(name + ".crt"), "-notext", "-startdate", dates[0], "-enddate", dates[1], "-extfile", self.path("names"),
            "-rand_serial")
        self.write("index", "")
        with open(self.path(name + ".crt"), encoding="utf-8") as first, open(self.path(name + ".key"), encoding="utf-8") as second:
            self.write(name + ".pem", first.read() + second.read())
        return self.path(name + ".pem")


@contextlib.contextmanager
def process(*command, port, **options):
    """A program that listens on a port of 127.0.0.1."""
    said = tempfile.TemporaryFile("w+")
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said, **options)
    try:
        def listens():
            assert child.poll() is None, f"{command[0]} ended with {child.returncode}: {said.seek(0) or said.read()}"
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        wait_until(listens, 10, f"{command[0]} on port {port}")
        yield child
    finally:
        child.terminate()
        child.wait(10)
        said.close()


def tls_server(pem, *options):
    port = free_port()
    return port, process("openssl", "s_server", "-quiet", "-accept", f"127.0.0.1:{port}", "-cert", pem, "-key", pem, *options, port=port)


class Scene:
    def __init__(self, city):
        self.city = city
        self.settings = city.settings
        self.uri = urllib.parse.urlsplit(city.settings["amqps_uri"])
        self.ca = city.settings["ca_file"]
        assert os.stat(self.ca).st_mode & 0o777 == 0o600
        self.authority = Authority(os.path.join(city.folder.name, "authority"), os.path.dirname(self.ca))
        self.lock = threading.Lock()

    # The CRM's connection, by pika

    def context(self, ca=None, certificate=None):
        context = ssl.create_default_context(cafile=ca or self.ca)
        if certificate:
            context.load_cert_chain(certificate["certificate"], certificate["key"])
        return context

    def connect(self, port=None, context=None, name="localhost", heartbeat=15, credentials=None):
        parameters = pika.ConnectionParameters(
            "127.0.0.1", port or self.uri.port, self.settings["vhost"],
            credentials or pika.PlainCredentials(self.uri.username, self.uri.password), heartbeat=heartbeat, socket_timeout=10,
            blocked_connection_timeout=10, ssl_options=pika.SSLOptions(context or self.context(), name))
        for _ in range(50):
            try:
                return pika.BlockingConnection(parameters)
            except pika.exceptions.ProbableAccessDeniedError as error:
                # Five at a time, and the broker counts a connection until it has noticed that its other side is gone.
                if "connection limit" not in str(error):
                    raise
                time.sleep(0.2)
        raise AssertionError("five connections of this tenant stay open for 10 s")

    def post(self, text):
        status, answer = self.city.post(text)
        assert status == 200, answer
        return answer[0]["service_request_id"]

    def refused(self, words, **how):
        """The connection fails, in the words of TLS, not by a wait."""
        start = time.monotonic()
        try:
            self.connect(**how).close()
        except Exception as error:  # pika wraps it in one of several of its own
            told = f"{error!r} {error.__cause__!r} {[repr(a) for a in getattr(error, 'args', ())]}"
            assert any(word in told for word in words), f"{words} not in {told}"
            assert time.monotonic() - start < 8, told
            return
        raise AssertionError(f"connected with {how}")

    def netcheck(self, *arguments, uri=None, expect=0):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BUS311_")}
        if uri:
            environment["BUS311_NETCHECK_URI"] = uri
        done = subprocess.run([PROGRAM, "netcheck", "--timeout", "2", *arguments], env=environment, capture_output=True, text=True)
        assert done.returncode == expect, (arguments, done.returncode, done.stdout, done.stderr)
        assert self.uri.password not in done.stdout + done.stderr
        return done.stdout

    def codes(self, *arguments, **how):
        report = json.loads(self.netcheck(*arguments, "--format", "json", **how))
        assert report["ok"] == (how.get("expect", 0) == 0), report
        assert all(line["ok"] or line["remedy"] for line in report["findings"]), report
        return [line["code"] for line in report["findings"]], report


def tls(scene):
    """Right authority and name: in. Wrong name, authority, date or version: out, at once."""
    connection = scene.connect()
    connection.channel().basic_get(scene.settings["request_queue"])
    connection.close()
    scene.refused(["Hostname mismatch", "doesn't match"], name="bus.example")
    scene.refused(["unable to get local issuer", "self-signed", "self signed"], context=scene.context(scene.authority.path("proxy-ca.pem")))
    port, server = tls_server(scene.authority.server("late", expired=True))
    with server:
        scene.refused(["certificate has expired"], port=port)
    port, server = tls_server(scene.authority.server("old"), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    with server:
        scene.refused(["PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "unsupported protocol"], port=port)
    # A client that offers TLS 1.1 at most is refused by the broker.
    asked = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{scene.uri.port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], input="",
        capture_output=True, text=True)
    assert asked.returncode != 0 and "protocol version" in asked.stderr, asked.stderr
    # Debian's amqp-tools, over librabbitmq as our own services.
    tools = ["amqp-get", f"--url={scene.settings['amqps_uri']}", "--ssl", "-q", scene.settings["request_queue"]]
    right = subprocess.run([*tools, f"--cacert={scene.ca}"], capture_output=True, text=True)
    assert right.returncode in (0, 2), (right, "2: the queue is empty")
    wrong = subprocess.run([*tools, f"--cacert={scene.authority.path('proxy-ca.pem')}"], capture_output=True, text=True)
    assert wrong.returncode == 1, wrong


def mutual(scene):
    """Slot b without a password: its certificate logs in, no other name does, and slot a keeps its password on the same port."""
    environment = dict(os.environ, BUS311_CONFIG=os.path.join(scene.city.home, "settings.json"), BUS311_HOME=scene.city.home,
                       BUS311_PORT_BASE=str(urllib.parse.urlsplit(scene.settings["gateway_url"]).port))

    def bus311(*arguments):
        return json.loads(run(PROGRAM, *arguments, "--format", "json", env=environment))

    tenant = scene.settings["tenant"]
    issued = bus311("credential", "issue", tenant, "b", "--client-certificate")
    assert issued["mechanism"] == "EXTERNAL" and "password" not in issued, issued
    listed = {slot["slot"]: slot for slot in bus311("credential", "list", tenant)["amqp"]}
    assert listed["b"]["by_certificate"] and not listed["a"]["by_certificate"], listed
    own = bus311("demo-certificate", issued["user"], "--repository", REPOSITORY)
    assert os.stat(own["key"]).st_mode & 0o777 == 0o600
    external = pika.credentials.ExternalCredentials()
    connection = scene.connect(context=scene.context(certificate=own), credentials=external)
    request = scene.post("Reçu par certificat")
    channel = connection.channel()

    def received():
        method, _, body = channel.basic_get(scene.settings["request_queue"])
        if method:
            channel.basic_ack(method.delivery_tag)
        return bool(method) and json.loads(body)["data"]["service_request_id"] == request

    wait_until(received, 20, "the event over a connection by certificate")
    connection.close()
    # Our own AMQP module, over librabbitmq.
    uri = f"amqps://localhost:{scene.uri.port}/{scene.settings['vhost']}?auth_mechanism=external&" + urllib.parse.urlencode(
        {"certfile": own["certificate"], "keyfile": own["key"], "cacertfile": scene.ca})
    codes, _ = scene.codes("--idle", "0", uri=uri)
    assert codes[-1] == "loggedIn", codes

    stranger = bus311("demo-certificate", "t.nobody-000000.a", "--repository", REPOSITORY)
    scene.refused(["ACCESS_REFUSED", "ProbableAuthenticationError", "AuthenticationError"],
                  context=scene.context(certificate=stranger), credentials=external)
    # No certificate at all, and no password for that user.
    scene.refused(["Authentication", "ACCESS_REFUSED", "mechanism"], credentials=external)
    scene.refused(["ACCESS_REFUSED", "Authentication"], credentials=pika.PlainCredentials(issued["user"], ""))
    scene.connect(context=scene.context(certificate=stranger)).close()  # A password stays a password, whatever the certificate.
    bus311("credential", "revoke", tenant, "b")
    scene.refused(["ACCESS_REFUSED", "Authentication"], context=scene.context(certificate=own), credentials=external)


class Consumer(threading.Thread):
    """A CRM that reconnects."""

    def __init__(self, scene, port):
        super().__init__(daemon=True)
        self.scene, self.port = scene, port
        self.connections, self.seen, self.stopping = 0, set(), False

    def run(self):
        while not self.stopping:
            try:
                connection = self.scene.connect(port=self.port, heartbeat=5)
                channel = connection.channel()
                channel.basic_qos(prefetch_count=10)
                self.connections += 1
                for method, _, body in channel.consume(self.scene.settings["request_queue"], inactivity_timeout=0.2):
                    if self.stopping:
                        break
                    if method:
                        self.seen.add(json.loads(body)["data"].get("service_request_id"))
                        channel.basic_ack(method.delivery_tag)
                connection.close()
            except (pika.exceptions.AMQPError, OSError):
                time.sleep(0.2)

    def finish(self):
        self.stopping = True
        self.join(10)


class Site:
    """broker-config/haproxy/haproxy.cfg as it is, with ports of its own."""

    def __init__(self, scene):
        self.port_443, self.port_5671, inside = free_port(), free_port(), free_port()
        gateway, ingest = (urllib.parse.urlsplit(scene.settings[name]).netloc for name in ("gateway_url", "status_ingest_url"))
        self.environment = dict(
            os.environ, BUS311_BIND_443=f"127.0.0.1:{self.port_443}", BUS311_BIND_5671=f"127.0.0.1:{self.port_5671}",
            BUS311_BIND_HTTPS=f"127.0.0.1:{inside}", BUS311_BROKER_NAME="localhost", BUS311_NODE_1=f"127.0.0.1:{scene.uri.port}",
            BUS311_HTTPS_PEM=scene.authority.server("site"), BUS311_GATEWAY=gateway, BUS311_STATUS_INGEST=ingest, BUS311_HARD_STOP="1s",
            BUS311_MAXCONN="200")

    def check(self):
        run("haproxy", "-c", "-f", SITE, env=self.environment)

    def start(self):
        return process("haproxy", "-W", "-f", SITE, port=self.port_443, env=self.environment)


def https(scene, port, name, host):
    """One request, as a browser makes it, to the name."""
    context = scene.context()
    context.set_alpn_protocols(["http/1.1"])
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain, server_hostname=name) as secure:
        secure.sendall(f"GET /open311/v2/discovery.json HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while chunk := secure.recv(65536):
            answer += chunk
    return answer


def haproxy(scene):
    """443 shared by name; a consumer lives through reload and restart."""
    site = Site(scene)
    site.check()
    consumer = Consumer(scene, site.port_443)
    with site.start() as first:
        answer = https(scene, site.port_443, "www.example", "www.example")
        assert answer.startswith(b"HTTP/1.1 200") and b"endpoints" in answer, answer[:300]
        assert https(scene, site.port_443, "status.example", "status.example").split()[1] in (b"404", b"401"), "status-ingest answers"
        for port, name in ((site.port_443, "localhost"), (site.port_5671, "localhost")):
            scene.connect(port=port, name=name).close()
        silent = scene.context()
        silent.check_hostname = False
        scene.connect(port=site.port_443, context=silent, name=None).close()  # an old client that does not say whom it calls
        with socket.create_connection(("127.0.0.1", site.port_443), 10) as plain:
            plain.sendall(b"AMQP\0\0\x09\x01")
            assert plain.recv(100) == b"", "something in clear was let in"

        codes, _ = scene.codes("--broker", f"localhost:{site.port_443},localhost:{site.port_5671}", "--status-url",
                               f"https://127.0.0.1:{site.port_443}", "--ca-file", scene.ca)
        assert codes.count("speaksAMQP") == 2 and codes[-1] == "speaksHTTP", codes
        codes, _ = scene.codes("--broker", f"127.0.0.1:{site.port_443}", "--status-url", f"https://localhost:{site.port_443}",
                               "--ca-file", scene.ca, expect=1)
        assert codes[-1] == "notHTTP", codes

        consumer.start()
        request = scene.post("Par le port 443")
        wait_until(lambda: request in consumer.seen, 20, "an event through haproxy")
        before = consumer.connections
        first.send_signal(signal.SIGUSR2)
        wait_until(lambda: consumer.connections > before, 20, "the consumer is back after a reload")
        request = scene.post("Après un rechargement")
        wait_until(lambda: request in consumer.seen, 20, "an event after a reload")
        before = consumer.connections
    with site.start():
        wait_until(lambda: consumer.connections > before, 20, "the consumer is back after a restart")
        request = scene.post("Après un redémarrage")
        wait_until(lambda: request in consumer.seen, 20, "an event after a restart")
        consumer.finish()


def middlebox(scene):
    """A haproxy that cuts what is quiet for three seconds: heartbeats keep a connection, without them it is cut."""
    port, impatient = free_port(), free_port()
    file = os.path.join(scene.city.folder.name, "middlebox.cfg")
    with open(file, "w", encoding="utf-8") as config:
        config.write(f"defaults\n mode tcp\n timeout connect 2s\n timeout client 3s\n timeout server 3s\n"
                     f"listen middlebox\n bind 127.0.0.1:{port}\n server bus 127.0.0.1:{scene.uri.port}\n"
                     f"listen impatient\n timeout client 600ms\n timeout server 600ms\n bind 127.0.0.1:{impatient}\n"
                     f" server bus 127.0.0.1:{scene.uri.port}\n")
    with process("haproxy", "-f", file, port=port), ThreadPoolExecutor(2) as pool:
        def kept():
            connection = scene.connect(port=port, heartbeat=2)
            connection.process_data_events(time_limit=8)
            connection.channel().basic_qos(prefetch_count=1)  # still there, and answers
            connection.close()

        def cut():
            connection = scene.connect(port=port, heartbeat=0)
            start = time.monotonic()
            try:
                connection.process_data_events(time_limit=8)
                connection.channel()
            except pika.exceptions.AMQPError:
                assert 2 < time.monotonic() - start < 8
                return
            raise AssertionError("a quiet connection without heartbeats was not cut")

        def checked():
            uri = scene.settings["amqps_uri"].replace(f":{scene.uri.port}/", f":{port}/")
            codes, report = scene.codes("--ca-file", scene.ca, "--idle", "6", uri=uri)
            assert codes[-1] == "keptOpen", report

        def told():
            uri = scene.settings["amqps_uri"].replace(f":{scene.uri.port}/", f":{impatient}/")
            codes, report = scene.codes("--ca-file", scene.ca, "--idle", "9", uri=uri, expect=1)
            assert codes[-1] == "cut" and "30 s" in report["findings"][-1]["remedy"], report

        for task in [pool.submit(kept), pool.submit(cut), pool.submit(checked), pool.submit(told)]:
            task.result()


def netcheck(scene):
    """What the network team reads, of each thing that can be wrong."""
    here = ["--ca-file", scene.ca]
    bus = f"localhost:{scene.uri.port}"
    codes, report = scene.codes(*here, "--idle", "3", uri=scene.settings["amqps_uri"])
    assert codes == ["resolved", "connected", "encrypted", "trusted", "speaksAMQP", "loggedIn", "keptOpen"], codes
    assert all(line.get("milliseconds", 0) < 5_000 for line in report["findings"])
    said = scene.netcheck("--broker", f"{bus},127.0.0.1:1", *here)
    assert "connexion refusée" in said and "une voie suffit" in said and "Service réseau" in said, said
    assert "Network team" in scene.netcheck("--broker", "127.0.0.1:1", "--language", "en", expect=1)

    def only(broker, *more, **how):
        return scene.codes("--broker", broker, *(more or here), expect=1, **how)

    assert only("no-such-host.invalid:443")[0] == ["unknownHost"]
    assert only("127.0.0.1:1")[0][-1] == "refused"
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        assert only(f"127.0.0.1:{hole.getsockname()[1]}")[0][-1] == "handshakeTimeout"
    # Who intercepts TLS is named, and the login is not given away.
    port, server = tls_server(scene.authority.server("spy", "proxy-ca"))
    with server:
        uri = scene.settings["amqps_uri"].replace(f":{scene.uri.port}/", f":{port}/")
        codes, report = scene.codes(*here, uri=uri, expect=1)
        assert codes[-1] == "unknownAuthority" and "Proxy de la ville" in report["findings"][-1]["detail"], report
        assert "loggedIn" not in codes and "loginRefused" not in codes
    port, server = tls_server(scene.authority.path("late.pem"))
    with server:
        assert only(f"localhost:{port}")[0][-1] == "expired"
    port, server = tls_server(scene.authority.path("old.pem"), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    with server:
        assert only(f"localhost:{port}")[0][-1] == "handshakeRefused"
    # A proxy that decrypts with a certificate that this machine trusts, and speaks HTTP.
    port, server = tls_server(scene.authority.server("decrypting"), "-www")
    with server:
        assert only(f"localhost:{port}")[0][-1] in ("httpInsteadOfAMQP", "notAMQP", "silent", "hangsUp")
    assert only(urllib.parse.urlsplit(scene.settings["gateway_url"]).netloc)[0][-1] == "handshakeRefused", "no TLS there"
    # The name is not the certificate's: the loopback's second address by number.
    codes, report = only(f"127.0.0.2:{scene.uri.port}")
    assert codes[-1] in ("wrongHost", "refused"), codes

    wrong = scene.settings["amqps_uri"].replace(scene.uri.password, "wrong")
    codes, _ = scene.codes(*here, "--idle", "0", uri=wrong, expect=1)
    assert codes[-1] == "loginRefused", codes
    scene.netcheck(expect=64)
    scene.netcheck("--broker", "bus/x", expect=64)
    scene.netcheck("--broker", "h", "--idle", "-1", expect=64)
    scene.netcheck(uri="amqps://u:secret@", expect=64)
    sheet = scene.netcheck("--broker", "bus.example", "--status-url", "https://status.example", "--sheet")
    assert sheet.startswith("# Ouverture de flux") and "| bus.example | TCP 443 |" in sheet


def renewal(scene):
    """The broker's certificate is replaced while it works: doctor warns of the end, an open connection stays, new ones see the new one."""
    home = os.path.join(scene.city.home, "rabbitmq")
    doctor = [PROGRAM, "doctor", "--format", "json", "--config", os.path.join(scene.city.home, "settings.json")]

    def serial():
        shown = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{scene.uri.port}", "-CAfile", scene.ca,
                                "-verify_return_error"], input="", capture_output=True, text=True, check=True).stdout
        return run("openssl", "x509", "-noout", "-serial", input=shown)

    def replace(name, **how):
        scene.authority.server(name, **how)
        # The certificate alone: RabbitMQ 3.10's check of expirations fails on a file that holds a key too.
        for target, source in (("server.key", name + ".key"), ("server.pem", name + ".crt")):
            with open(scene.authority.path(source), encoding="utf-8") as new:
                with open(os.path.join(home, "tls", target), "w", encoding="utf-8") as file:
                    file.write(new.read())
        run(os.path.join(home, "bin", "rabbitmqctl"), "eval", "ssl:clear_pem_cache().")

    def warned():
        findings = json.loads(subprocess.run(doctor, capture_output=True, text=True).stdout)
        return any(finding["code"] == "certificate_expires" for finding in findings)

    before, connection = serial(), scene.connect()
    assert not warned()
    replace("ending", until=time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 10 * 86_400)))
    assert serial() != before, "the old certificate is still shown"
    codes, _ = scene.codes("--broker", f"localhost:{scene.uri.port}", "--ca-file", scene.ca)
    assert "expiresSoon" in codes, codes
    assert warned(), "doctor says nothing of a certificate that ends in ten days"
    replace("renewed")
    assert not warned()
    connection.channel().basic_get(scene.settings["request_queue"])
    connection.close()


def main():
    with City() as city:
        scene = Scene(city)
        # What makes certificates by one register goes one after the other; the rest side by side.
        with ThreadPoolExecutor(2) as pool:
            idle = pool.submit(middlebox, scene)
            for case in (tls, mutual, haproxy, netcheck):
                start = time.monotonic()
                case(scene)
                print(f"{case.__name__}: {time.monotonic() - start:.1f} s", flush=True)
            idle.result()
        renewal(scene)
    print("network: 6 passed, 0 failed")


if __name__ == "__main__":
    sys.exit(main())
