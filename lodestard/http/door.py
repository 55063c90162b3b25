"""Who may come in by name: the Host allow-list and the Origin rule. Pure.

Law: a page from elsewhere in the user's browser reaches nothing, whether by DNS rebinding (Host) or across sites
(Origin, Sec-Fetch-Site). Programs that are not browsers send neither and are let in.
"""

import ipaddress

from lodestard.domain.errors import CallerFault, Code
from lodestard.http.head import RequestHead

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Door:
    """``hosts`` None admits any Host; loopback names and addresses are always admitted."""

    __slots__ = ("_hosts", "_origins")

    def __init__(self, hosts: frozenset[str] | None, origins: frozenset[str]) -> None:
        self._hosts = None if hosts is None else frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)

    def check(self, head: RequestHead) -> CallerFault | None:
        """Why the request is refused, or None."""
        if self._hosts is not None and not self._knows(head.host):
            return CallerFault(
                Code.FORBIDDEN_HOST, "This Host is not served here; add it to [server] allowed_hosts if it is yours."
            )
        if not self._trusts(head):
            return CallerFault(
                Code.FORBIDDEN_ORIGIN,
                "Pages of other origins are not served here; add yours to [server] allowed_origins.",
            )
        return None

    def _knows(self, host: str) -> bool:
        name = _strip_port(host)
        if not name:  # HTTP/1.0 without Host: no browser sends that
            return True
        assert self._hosts is not None
        return name in _LOOPBACK_NAMES or name in self._hosts or _is_loopback(name)

    def _trusts(self, head: RequestHead) -> bool:
        origin = head.headers.get("origin")
        if origin is not None:
            origin = origin.lower()
            if origin in self._origins:
                return True
            if origin.partition("://")[2] != head.host or not head.host:
                return False
        return (head.headers.get("sec-fetch-site") or "").lower() != "cross-site"


def _strip_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    if not colon or not (port.isdigit() or not port):  # the colon of an IPv6 address is followed by its bracket
        name = host
    return name.removesuffix(".")


def _is_loopback(name: str) -> bool:
    if name.endswith(".localhost"):  # RFC 6761 section 6.3
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
