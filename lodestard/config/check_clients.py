"""What is wrong with clients and their keys, and with addresses that others can reach without one. Pure."""

import re
from collections.abc import Iterator

from lodestard.config.clients import end_of_day_ms
from lodestard.config.convert import Finding
from lodestard.config.fault import KeyPath, or_nearest
from lodestard.config.listen import parse_listen
from lodestard.domain.settings import Client, Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LABEL = re.compile(r"[^\x00-\x1f\x7f]{0,64}")
TAKEN = frozenset({"local", "lodestarctl"})
"""Principals of the house's own."""

KEYLESS = (
    "not a loopback address, and no client has a key: anybody in the network could spend your money. Make a key with "
    "lodestarctl keys add NAME while it listens on 127.0.0.1, or reach it from elsewhere through an SSH tunnel"
)


def check_clients(settings: Settings) -> Iterator[Finding]:
    """All findings about ``[clients]``."""
    owners: dict[str, str] = {}
    for name, client in settings.clients.items():
        path = ("clients", name)
        if not _NAME.fullmatch(name):
            yield Finding(path, "a name has up to 64 letters, digits, '.', '_' and '-'")
        elif name in TAKEN:
            yield Finding(path, "this name is the house's own")
        if not _DIGEST.fullmatch(client.key_sha256):
            yield Finding((*path, "key_sha256"), "expected 64 hexadecimal digits in lower case: a key's SHA-256")
        elif (owner := owners.setdefault(client.key_sha256, name)) != name:
            yield Finding((*path, "key_sha256"), f"{owner!r} has the same key")
        yield from _check_client(path, client, settings)


def _check_client(path: KeyPath, client: Client, settings: Settings) -> Iterator[Finding]:
    for member in ("project", "user"):
        label = getattr(client, member)
        if not _LABEL.fullmatch(label) or not label.isprintable():
            yield Finding((*path, member), "a label has up to 64 printable characters")
    if client.expires and not _is_day(client.expires):
        yield Finding((*path, "expires"), 'expected a day such as "2026-12-31", in quotes')
    for index, alias in enumerate(client.models):
        if alias not in settings.models:
            message = f"there is no alias of this name{or_nearest(alias, settings.models)}"
            yield Finding((*path, "models", index), message, fatal=False)


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text) and end_of_day_ms(text, "UTC"))
    except (ValueError, OverflowError):
        return False


def check_listen(path: KeyPath, text: str, settings: Settings) -> Iterator[Finding]:
    """What is wrong with an address to listen on, wherever it was given."""
    try:
        address = parse_listen(text)
    except ValueError as error:
        yield Finding(path, str(error))
        return
    if not address.loopback and not settings.clients:
        yield Finding(path, KEYLESS)
    if address.secure and not settings.server.tls.cert_file:
        yield Finding(path, "https:// needs a certificate: set [server.tls] cert_file and key_file")
