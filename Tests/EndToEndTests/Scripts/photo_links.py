"""Servers of strangers, for the links that citizens give."""
import http.server
import os
import ssl
import subprocess
import threading


class Stranger:
    """Answers on a loopback port of its own as `pages` say: path to (status, headers, body), or a function of the number of the visit
    that gives them."""

    def __init__(self, certificate=None):
        self.visits = []
        self.pages = {}
        stranger = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                stranger.visits.append((self.path, dict(self.headers)))
                page = stranger.pages.get(self.path, (404, {}, b""))
                if callable(page):
                    page = page(sum(1 for path, _ in stranger.visits if path == self.path))
                status, headers, body = page
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def paths(self):
        return [path for path, _ in self.visits]


def certificate(folder):
    """One file of key and certificate for 127.0.0.1, which signs itself."""
    path = os.path.join(folder, "stranger.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path + ".key", "-out", path + ".crt"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(path, "w") as whole:
        for part in (".key", ".crt"):
            with open(path + part) as file:
                whole.write(file.read())
    return path
