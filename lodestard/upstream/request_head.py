"""A request's head as bytes, with what its pool adds: host, key, the headers of the configuration.

Law: pure. Nothing that could end a field early gets in (RFC 9112 section 5), and what frames the request or
names its host can't be said by a caller. ``Fields`` may hold a key: it never shows itself.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from lodestard.upstream.origin import Origin

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(r"/[!-~]*")
_METHOD = re.compile(r"[A-Z]+")
OURS = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect", "te", "upgrade")
)
"""Fields that only the pool writes."""
_KEPT_HEADS = 8
_BODY_METHODS = frozenset(("POST", "PUT", "PATCH"))


Headers = tuple[tuple[str, str], ...]


class Lines(NamedTuple):
    """A head in two: the length, which is another one each time, goes between them."""

    start: bytes
    rest: bytes


class Fields:
    """The header fields that every request of one pool carries, bound to its origin."""

    __slots__ = ("_written", "block", "names")

    def __init__(self, origin: Origin, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Raises ``ValueError`` naming the header, never its value."""
        pairs = tuple(headers)
        self.names = frozenset(name.lower() for name, _ in pairs)
        own = f"host: {origin.host_field}\r\naccept-encoding: identity\r\n".encode("ascii")
        self.block = own + encode_fields(pairs)
        self._written: dict[tuple[str, str, Headers], Lines] = {}

    def write(self, method: str, path: str, headers: Headers) -> "Lines":
        """The lines of a head but for its length; a header that is said here already is left out.

        Raises ``ValueError`` for a method or a path that can't stand in a request line, and as ``encode_fields``
        does. A codec says the same few again and again: they are written once.
        """
        asked = (method, path, headers)
        known = self._written.get(asked)
        if known is not None:
            return known
        if not _METHOD.fullmatch(method) or not _TARGET.fullmatch(path):
            raise ValueError("not a method and a path that can be sent")
        extra = encode_fields((name, value) for name, value in headers if name.lower() not in self.names)
        lines = Lines(f"{method} {path} HTTP/1.1\r\n".encode("ascii"), self.block + extra + b"\r\n")
        if len(self._written) < _KEPT_HEADS:
            self._written[asked] = lines
        return lines

    def __repr__(self) -> str:
        return f"Fields({', '.join(sorted(self.names))})"


def encode_fields(headers: Iterable[tuple[str, str]]) -> bytes:
    """Header fields as they go on the wire. Raises ``ValueError`` naming the header, never its value."""
    lines = []
    for name, value in headers:
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a header's name: {name!r}")
        if name.lower() in OURS:
            raise ValueError(f"the header {name} can't be set: the connection's own")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the value of the header {name} holds a character that no header may")
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines).encode("latin-1")


def encode_head(method: str, path: str, fields: Fields, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """The head of a request with ``body``. A header that the pool's own fields already say is left out.

    Raises ``ValueError`` for a method or a path that can't stand in a request line.
    """
    start, rest = fields.write(method, path, tuple(headers))
    if not body and method not in _BODY_METHODS:
        return start + rest
    return b"%bcontent-length: %d\r\n%b" % (start, len(body), rest)
