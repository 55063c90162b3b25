"""Where an upstream is: the origin that a pool, and the key that goes with it, are bound to.

Law: pure. An origin comes from the configuration's ``url`` and from nowhere else.
"""

from typing import Literal
from urllib.parse import urlsplit

import msgspec

DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(msgspec.Struct, frozen=True):
    """Scheme, host and port (RFC 6454). ``host`` is lower case, without the brackets of an IPv6 address."""

    scheme: Literal["http", "https"]
    host: str
    port: int

    @property
    def address(self) -> str:
        """``host:port``, for people."""
        return f"{self._bracketed}:{self.port}"

    @property
    def host_field(self) -> str:
        """The value of ``Host`` (RFC 9112 section 3.2): the port is left out where it is the scheme's own."""
        return self._bracketed if self.port == DEFAULT_PORTS[self.scheme] else self.address

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_origin(url: str) -> Origin:
    """``"https://api.openai.com/v1"`` → its origin.

    Raises ``ValueError`` with a sentence for a person. The url itself is not repeated in it where it holds a
    password.
    """
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("an upstream's url can't hold a user name or a password; use its key")
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError(f"an upstream's url starts with http:// or https://, not {url!r}")
    if parts.query or parts.fragment:
        raise ValueError(f"an upstream's url has no query and no fragment: {url!r}")
    if not parts.hostname:
        raise ValueError(f"an upstream's url names no host: {url!r}")
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    port = parts.port if parts.port is not None else DEFAULT_PORTS[scheme]
    return Origin(scheme, _ascii_host(parts.hostname), port)


def _ascii_host(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(f"not a host name: {host!r}") from None
