"""Reads listen addresses. Pure.

Law: an address is an IP address and a port; names are not looked up, but for ``localhost``.
"""

import ipaddress

import msgspec

SECURE = "https://"


class ListenAddress(msgspec.Struct, frozen=True):
    """``host`` is an IP address without brackets; port 0 lets the system choose. ``secure``: under TLS."""

    host: str
    port: int
    secure: bool = False

    @property
    def loopback(self) -> bool:
        return ipaddress.ip_address(self.host).is_loopback


def parse_listen(text: str) -> ListenAddress:
    """``"127.0.0.1:4000"``, ``"[::1]:4000"``, ``"localhost:4000"``, ``"https://127.0.0.1:4443"``.

    Raises ``ValueError`` for anything else.
    """
    host, colon, port = text.removeprefix(SECURE).rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65_535:
        raise ValueError('expected ADDRESS:PORT such as "127.0.0.1:4000"')
    return ListenAddress(_ip_address(host), int(port), text.startswith(SECURE))


def _ip_address(host: str) -> str:
    if host == "localhost":
        return "127.0.0.1"
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise ValueError("expected an IP address before the port") from None
    if bracketed != (address.version == 6):
        raise ValueError("an IPv6 address is written in brackets, as in [::1]:4000")
    return str(address)
