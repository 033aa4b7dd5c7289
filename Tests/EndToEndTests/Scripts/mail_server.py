"""A real mail server (aiosmtpd) for the tests: STARTTLS or TLS from the first byte, logins, and whatever a test wants it to answer."""
import email
import email.policy
import logging
import socket
import ssl
import threading
import time
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

# Its log has every address, and a traceback for each certificate that a client does not trust.
logging.getLogger("mail").setLevel(logging.CRITICAL + 1)
logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module="aiosmtpd")


class MailServer:
    """Keeps what it takes. `answer` (of recipient and parsed mail) and `recipient_answer` may say another word than 250, or hang up;
    `delay` is before it is said."""

    USER, PASSWORD = "bus311", "geheim-é"

    def __init__(self, certificate=None, implicit=False, login=True, port=0):
        self.mails = []
        self.envelopes = []
        self.answer = None
        self.recipient_answer = None
        self.delay = 0
        self.logins = []
        self.port = port or self.free_port()
        context = None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        server = self

        class Handler:
            async def handle_RCPT(self, smtp, session, envelope, address, options):
                said = server.recipient_answer(address) if server.recipient_answer else None
                if said == "hang up":
                    smtp.transport.close()
                if said:
                    return said
                envelope.rcpt_tos.append(address)
                return "250 2.1.5 ok"

            async def handle_DATA(self, smtp, session, envelope):
                mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
                said = server.answer(envelope.rcpt_tos[0], mail) if server.answer else None
                if said in (None, "hang up") or said.startswith("250"):
                    server.mails.append(mail)
                    server.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
                if server.delay:
                    time.sleep(server.delay)
                if said == "hang up":
                    smtp.transport.close()
                return said or "250 2.0.0 taken"

        def authenticate(smtp, session, envelope, mechanism, data):
            fine = isinstance(data, LoginPassword) and (data.login, data.password) == (self.USER.encode(), self.PASSWORD.encode())
            self.logins.append((mechanism, fine))
            return AuthResult(success=fine, handled=False)

        options = dict(hostname="127.0.0.1", port=self.port, ident="test")
        if login:
            options.update(authenticator=authenticate, auth_required=True, auth_require_tls=bool(context))
        if context and implicit:
            # Inside TLS already: the library cannot know.
            options.update(ssl_context=context, auth_require_tls=False)
        elif context:
            options.update(tls_context=context, require_starttls=True)
        self.controller = Controller(Handler(), **options)
        self.controller.start()

    @staticmethod
    def free_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def stop(self):
        self.controller.stop(no_assert=True)

    def to(self, address):
        """Mails to this address, in the order in which they came."""
        return [mail for mail, (_, recipients, _) in zip(self.mails, self.envelopes) if address in recipients]
