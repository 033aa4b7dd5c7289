"""An S3 service of the tests' own: moto, behind a gate that verifies every signature with botocore and breaks down as asked."""
import contextlib
import hashlib
import io
import logging
import threading
import time

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from moto.server import create_backend_app
from werkzeug.serving import make_server

ACCESS_KEY, SECRET_KEY, REGION, BUCKET = "AKBUS311TESTS", "canary/Secret+Key7391", "eu-west-3", "city-photos"
logging.getLogger("werkzeug").setLevel(logging.ERROR)


def error(status, code):
    return status, [("Content-Type", "application/xml")], f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()


class Gate:
    """WSGI: what is wrongly signed goes no further; `fault` decides what breaks.

    fault: called with method and path; None, or "500" (before anything happened), "500 after" (it happened), "cut" (half the
    answer), "hang" (until told otherwise), or a number of seconds to wait.
    """

    def __init__(self, application):
        self.application = application
        self.fault = lambda method, path: None
        self.seen = []
        self.wrong = []
        self.awake = threading.Event()

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        method, path = environ["REQUEST_METHOD"], environ["RAW_URI"] if "RAW_URI" in environ else environ["REQUEST_URI"]
        self.seen.append((method, path, environ.get("HTTP_RANGE"), len(body)))
        problem = self.problem(environ, method, path, body)
        fault = self.fault(method, path)
        if isinstance(fault, (int, float)):
            time.sleep(fault)
        if fault == "hang":
            self.awake.wait(60)
        if problem:
            self.wrong.append((method, path, problem))
            status, headers, answer = error(403, problem)
        elif fault == "500":
            status, headers, answer = error(500, "InternalError")
        else:
            status, headers, answer = self.ask(environ, body)
            if fault == "500 after":
                status, headers, answer = error(500, "InternalError")
        headers = [(name, value) for name, value in headers if name.lower() not in ("content-length", "connection", "transfer-encoding")]
        length = next((value for name, value in self.last if name.lower() == "content-length"), "0") if method == "HEAD" and status == 200 else len(answer)
        start_response(f"{status} X", headers + [("Content-Length", str(length))])
        return [answer[: len(answer) // 2]] if fault == "cut" else [answer]

    def ask(self, environ, body):
        caught = {}
        inner = dict(environ, **{"wsgi.input": io.BytesIO(body)})
        answer = b"".join(self.application(inner, lambda status, headers, *_: caught.update(status=status, headers=headers)))
        self.last = caught["headers"]
        return int(caught["status"].split()[0]), caught["headers"], answer

    @staticmethod
    def problem(environ, method, path, body):
        """What S3 would say of the signature; None when it is right. Computed by Amazon's own client library."""
        given = environ.get("HTTP_AUTHORIZATION", "")
        if not given.startswith("AWS4-HMAC-SHA256 Credential=" + ACCESS_KEY + "/"):
            return "InvalidAccessKeyId" if given else "AccessDenied"
        if environ.get("HTTP_X_AMZ_CONTENT_SHA256") != hashlib.sha256(body).hexdigest():
            return "XAmzContentSHA256Mismatch"
        signed = given.split("SignedHeaders=")[1].split(",")[0].split(";")
        request = AWSRequest(method=method, url=f"http://{environ['HTTP_HOST']}{path}", data=body)
        for name in signed:
            plain = name.upper().replace("-", "_")
            value = environ.get(plain if name in ("content-type", "content-length") else "HTTP_" + plain)
            if value is None:
                return "SignatureDoesNotMatch"
            request.headers[name] = value
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed) or (environ.get("HTTP_RANGE") and "range" not in signed):
            return "AccessDenied"
        request.context["timestamp"] = environ["HTTP_X_AMZ_DATE"]
        signer = S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION)
        expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        return None if given.endswith("Signature=" + expected) else "SignatureDoesNotMatch"


class S3Server:
    def __init__(self):
        self.gate = Gate(create_backend_app("s3"))
        self.port = 0
        self.start()
        self.make_bucket()

    def start(self):
        self.server = make_server("127.0.0.1", self.port, self.gate, threaded=True)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        """Nobody listens any more; what is stored stays."""
        self.gate.awake.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @contextlib.contextmanager
    def secure(self, certificate, key):
        """The same service over TLS, at the address that this gives."""
        server = make_server("127.0.0.1", 0, self.gate, threaded=True, ssl_context=(certificate, key))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self):
        self.client = boto3.client(
            "s3", endpoint_url=self.url, region_name=REGION, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path", "payload_signing_enabled": True}, request_checksum_calculation="when_required",
                          response_checksum_validation="when_required"))
        self.client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})

    def objects(self):
        """Bytes of every key."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", [])}

    def environment(self, **more):
        values = {
            "ENDPOINT": self.url, "REGION": REGION, "BUCKET": BUCKET, "PREFIX": "bus/photos", "ACCESS_KEY": ACCESS_KEY,
            "SECRET_KEY": SECRET_KEY, **more}
        return {"BUS311_MEDIA_S3_" + name: value for name, value in values.items()}
