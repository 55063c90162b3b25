"""Who asks, by the key that came with the request: the one place where a client's key is looked at. Pure.

Law: ``Authorization``, ``x-api-key`` and ``api-key`` are read alike; two different keys are refused, never one of
them chosen. Without clients in the configuration everybody is ``local`` and nothing that was sent is looked at.
"""

import ipaddress
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

from lodestard.classify.key_label import KEY_HEADERS, HeaderView, bare_key, is_label
from lodestard.domain.client import (
    KEY_MARK,
    LOCAL,
    Clients,
    KnownClient,
    Principal,
    digest_of,
    split_key,
)

Reason = Literal["none", "unknown", "revoked", "expired", "conflict"]


class Refusal(NamedTuple):
    """Why nobody was recognised, in one word and for people."""

    reason: Reason
    message: str


_NONE = Refusal(
    "none",
    "This Lodestar asks for a key: send yours as `Authorization: Bearer KEY` or as `x-api-key`. "
    "On its machine, lodestarctl keys add NAME makes one.",
)
_UNKNOWN = Refusal("unknown", "Incorrect API key: this Lodestar does not know it.")
_CONFLICT = Refusal("conflict", "Authorization, x-api-key and api-key carry different keys; send one of them.")


def find_principal(headers: HeaderView, clients: Clients, *, local: bool, now_ms: int) -> Principal | Refusal:
    """Who asks. ``local``: the request comes from this machine."""
    if not clients.by_digest:
        return LOCAL
    keys = {split_key(credential)[0] for credential in _credentials(headers)}
    excused = local and clients.keyless_loopback
    if excused and not any(key.startswith(KEY_MARK) for key in keys):
        return LOCAL
    if len(keys) != 1:
        return _CONFLICT if keys else _NONE
    known = clients.by_digest.get(digest_of(keys.pop()))
    return _UNKNOWN if known is None else _judge(known, now_ms)


def _credentials(headers: HeaderView) -> Iterator[str]:
    """What may be a key: labels (``lodestar:web``) are none, whoever sends them."""
    for name in KEY_HEADERS:
        value = headers.get(name)
        if value is not None and (key := bare_key(value)) and not is_label(key):
            yield key


def _judge(known: KnownClient, now_ms: int) -> Principal | Refusal:
    name = known.principal.name
    match known.state(now_ms):
        case "active":
            return known.principal
        case "revoked":
            return Refusal("revoked", f"The key of {name!r} has been revoked.")
        case "expired":
            return Refusal("expired", f"The key of {name!r} has expired.")


@lru_cache(maxsize=1024)
def is_local(address: str) -> bool:
    """Whether a peer is on this machine: an empty address is a Unix socket's."""
    if not address:
        return True
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
    return (mapped or known).is_loopback
