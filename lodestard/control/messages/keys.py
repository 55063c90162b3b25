"""Clients with keys: who they are and what they may; a key itself only in the answer that made it."""

from typing import Literal

from lodestard.control.envelope import Message
from lodestard.control.messages.configuration import ReloadReport

KeyState = Literal["active", "revoked", "expired"]


class KeyRow(Message, frozen=True):
    """One client. What is empty or None does not restrict it. ``last_seen_ms``: its latest request that is kept."""

    name: str
    state: KeyState = "active"
    expires: str = ""
    project: str = ""
    user: str = ""
    models: tuple[str, ...] = ()
    priority: str = ""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    last_seen_ms: int | None = None


class KeyList(Message, frozen=True):
    """``keyless_loopback``: this machine's own programs need no key."""

    keys: tuple[KeyRow, ...]
    keyless_loopback: bool = False


class KeyAdded(Message, frozen=True):
    """``key`` is told this once; empty where ``report`` says why there is none.

    ``first``: no key was asked for so far. ``keyless_loopback`` as in the list.
    """

    name: str
    report: ReloadReport
    key: str = ""
    first: bool = False
    keyless_loopback: bool = False


class KeyRevoked(Message, frozen=True):
    """``report`` says whether it was taken in; then the key opens nothing any more."""

    name: str
    report: ReloadReport
