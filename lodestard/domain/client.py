"""Clients with keys of their own: what a key looks like, and whom the house knows by one.

Law: a key itself is kept nowhere, only its SHA-256. It has 160 random bits, so nobody can try them out, and a slow
hash would protect nothing that a fast one does not.
"""

import base64
from collections.abc import Mapping
from hashlib import sha256
from typing import Literal

import msgspec

from lodestard.domain.errors import CallerFault, Code

KEY_MARK = "lodestar-"
RANDOM_BYTES = 20
LABEL_MARK = ":"

KeyState = Literal["active", "revoked", "expired"]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, as far as that was verified. ``project`` and ``user`` are bound: nothing that is said changes them.

    ``models`` are the aliases that it may use, empty for all. ``priority`` holds where a request says nothing.
    """

    name: str = "local"
    project: str = ""
    user: str = ""
    models: frozenset[str] = frozenset()
    priority: str = ""

    def may_use(self, alias: str) -> bool:
        return not self.models or alias in self.models

    def require_use(self, alias: str) -> None:
        """Raise ``CallerFault`` where it may not use ``alias``, whether there is such a model or not."""
        if not self.may_use(alias):
            others = ", ".join(sorted(self.models))
            raise CallerFault(
                Code.MODEL_NOT_FOUND,
                f"There is no model {alias!r} for the key of {self.name!r}; it may use: {others}.",
                param="model",
            )


LOCAL = Principal()
"""Whoever is on this machine, where no keys are demanded of it."""


class KnownClient(msgspec.Struct, frozen=True, kw_only=True):
    """Whose key it is. It opens nothing once it was revoked, nor from ``until_ms`` on."""

    principal: Principal
    enabled: bool = True
    until_ms: int | None = None

    def state(self, now_ms: int) -> KeyState:
        if not self.enabled:
            return "revoked"
        return "expired" if self.until_ms is not None and now_ms >= self.until_ms else "active"


class Clients(msgspec.Struct, frozen=True, kw_only=True):
    """Every client by its key's SHA-256. Where there is none, no keys are asked for.

    ``limited`` are those that may not use every alias. ``keyless_loopback``: this machine's own need no key.
    """

    by_digest: Mapping[bytes, KnownClient] = {}
    limited: Mapping[str, Principal] = {}
    keyless_loopback: bool = False

    def require_use(self, principal: str, alias: str) -> None:
        """Raise ``CallerFault`` where the principal of that name may not use ``alias``."""
        if self.limited and (held := self.limited.get(principal)) is not None:
            held.require_use(alias)


NO_CLIENTS = Clients()


def write_key(random: bytes) -> str:
    """A key from ``RANDOM_BYTES`` random ones: ``lodestar-`` and 32 letters and digits."""
    return KEY_MARK + base64.b32encode(random).decode().lower()


def split_key(credential: str) -> tuple[str, str]:
    """What a client sent → the key and the labels behind it (``KEY:PROJECT:SESSION:USER``)."""
    key, _, labels = credential.partition(LABEL_MARK)
    return key, labels


def digest_of(key: str) -> bytes:
    """By what a key is known."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
