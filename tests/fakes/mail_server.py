"""A mail server on a thread of its own, as much of RFC 5321 as a client needs, with STARTTLS and AUTH PLAIN.

What it was told is in ``lines`` (commands, as they came), ``mails`` (what came after DATA) and ``secure`` (whether
each mail came over TLS). ``refuse`` maps the beginning of a command to the answer that it gets instead.
"""

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

USER, PASSWORD = "alerts@example.com", "mail-canary-77"


@dataclass
class MailServer:
    certificate: tuple[Path, Path] | None = None
    implicit: bool = False
    port: int = 0
    lines: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    secure: list[bool] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)

    @property
    def context(self) -> ssl.SSLContext:
        assert self.certificate is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        return context


class _Talk(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        mail_server: MailServer = self.server.mail_server  # type: ignore[attr-defined]
        with ExitStack() as opened:
            try:
                self._talk(mail_server, opened)
            except OSError:  # the client hung up, or did not trust us
                return

    def _talk(self, mail: MailServer, opened: ExitStack) -> None:
        connection = self.request
        secure = mail.implicit
        if secure:
            connection = opened.enter_context(mail.context.wrap_socket(connection, server_side=True))
        reader = opened.enter_context(connection.makefile("rb"))
        connection.sendall(b"220 mail.example ESMTP\r\n")
        while line := reader.readline().decode().strip():
            mail.lines.append(line)
            word = line.split()[0].upper()
            refusal = next((answer for start, answer in mail.refuse.items() if line.upper().startswith(start)), "")
            if refusal:
                connection.sendall(refusal.encode() + b"\r\n")
            elif word == "EHLO":
                offers = ["mail.example", "AUTH PLAIN"]
                if mail.certificate is not None and not secure:
                    offers.append("STARTTLS")
                marks = ["-"] * (len(offers) - 1) + [" "]
                text = "".join(f"250{mark}{offer}\r\n" for mark, offer in zip(marks, offers, strict=True))
                connection.sendall(text.encode())
            elif word == "STARTTLS":
                connection.sendall(b"220 go on\r\n")
                connection = opened.enter_context(mail.context.wrap_socket(connection, server_side=True))
                reader = opened.enter_context(connection.makefile("rb"))
                secure = True
            elif word == "AUTH":
                said = base64.b64decode(line.split()[2])
                good = said == f"\0{USER}\0{PASSWORD}".encode()
                connection.sendall(
                    b"235 welcome\r\n" if good else b"535 no such " + said.replace(b"\0", b" ") + b"\r\n"
                )
            elif word == "DATA":
                connection.sendall(b"354 go on\r\n")
                mail.mails.append(_read_mail(reader))
                mail.secure.append(secure)
                connection.sendall(b"250 taken\r\n")
            else:
                connection.sendall(b"221 bye\r\n" if word == "QUIT" else b"250 fine\r\n")


def _read_mail(reader: Iterator[bytes]) -> bytes:
    data = b""
    for line in reader:
        if line == b".\r\n":
            break
        data += line
    return data


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextmanager
def mail_server(certificate: tuple[Path, Path] | None = None, *, implicit: bool = False) -> Iterator[MailServer]:
    """A server on a free port of this machine."""
    mail = MailServer(certificate, implicit)
    with _Server(("127.0.0.1", 0), _Talk) as server:
        server.mail_server = mail  # type: ignore[attr-defined]
        mail.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield mail
        finally:
            server.shutdown()
            thread.join()
