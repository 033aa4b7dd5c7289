"""What stands at the other end of alerts: a mail server, and a tool that takes webhooks and heartbeats."""
import hashlib
import hmac
import http.server
import json
import socketserver
import threading
import time
from email import message_from_bytes, policy


class MailServer:
    """Takes every mail; those to `postponed` not the first time, those to `refused` never."""

    def __init__(self):
        self.mails, self.postponed, self.refused, self.seen = [], set(), set(), set()
        owner = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self.say("220 mail.valmont.example ready")
                recipient = None
                while line := self.rfile.readline():
                    word = line.split(b" ")[0].strip().upper()
                    if word == b"DATA":
                        self.say("354 go on")
                        lines = []
                        while (part := self.rfile.readline()) not in (b".\r\n", b""):
                            lines.append(part[1:] if part.startswith(b"..") else part)
                        owner.mails.append((recipient, message_from_bytes(b"".join(lines), policy=policy.default)))
                        self.say("250 2.0.0 taken")
                    elif word == b"RCPT":
                        recipient = line.decode().split("<")[1].split(">")[0]
                        if recipient in owner.postponed:
                            owner.postponed.discard(recipient)
                            self.say("451 4.7.1 later")
                        elif recipient in owner.refused:
                            self.say("550 5.1.1 nobody")
                        else:
                            self.say("250 2.1.5 well")
                    elif word == b"QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 well")

            def say(self, text):
                self.wfile.write(text.encode() + b"\r\n")

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def to(self, address, word=""):
        """(subject, text) of the mails to somebody, whose subject has the word."""
        return [(str(mail["Subject"]), mail.get_content()) for recipient, mail in list(self.mails)
                if recipient == address and word in str(mail["Subject"])]


class Hook:
    """Checks the signature of each alert; answers 503 the first time. Does not take heartbeats until told to."""

    def __init__(self, secret):
        self.alerts, self.beats, self.faults, self.refused = [], 0, [], 0
        self.hears_beats = False
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                if self.path == "/beat":
                    owner.beats += 1
                    return self.answer(200 if owner.hears_beats else 500)
                parts = dict(part.split("=", 1) for part in self.headers["X-Bus311-Signature"].split(","))
                wanted = hmac.new(secret.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
                if not hmac.compare_digest(wanted, parts["v1"]) or abs(int(parts["t"]) - time.time()) > 30:
                    owner.faults.append("a wrong signature")
                    return self.answer(401)
                if owner.refused == 0:
                    owner.refused = 1
                    return self.answer(503)
                owner.alerts.append(dict(json.loads(body), delivery=self.headers["X-Bus311-Delivery"], raw=body.decode()))
                self.answer(204)

            def answer(self, code):
                self.send_response(code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def told(self, code, kind, tenant=None, audience="administrator"):
        return [alert for alert in list(self.alerts)
                if (alert["code"], alert["kind"], alert["tenant"], alert["audience"]) == (code, kind, tenant, audience)]
