"""Everything that the cards have taught, as one document: bytes that survive the daemon.

Law: reading never fails. What can be saved of a broken or foreign document is saved, the rest counts as not learned;
nothing is believed that could not have been written. Bounded: where it would get longer than ``MOST_BYTES``, what can
be learned again soonest is left out first, and what a person has told last. What a host's ``habits``, ``rates`` and
``hindsight`` mean, their owners know. Pure.
"""

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any, Literal, get_args

import msgspec

VERSION = 1
MOST_BYTES = 256 * 1024
MOST_HOSTS = 64
MOST_PINS = 64
MOST_NAME_CHARS = 256
MOST_DIGITS = 40
MOST_NUMBER = 1e18
LATEST_MS = 253_402_300_800_000
"""The year 10000: no card is lent for longer."""
Strength = Literal["kept", "exclusive"]
Document = Mapping[str, Any]


class HostMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What one host has taught, and what a person has told of it.

    ``pins``: models that a person has pinned, and how strongly. ``paused_until_ms``: 0 where the card is lent until
    told otherwise, None where it is not lent.
    """

    rates: Document = {}
    habits: Document = {}
    hindsight: Document = {}
    pins: Mapping[str, Strength] = {}
    paused_until_ms: int | None = None


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """Of all hosts, by the upstream's name."""

    hosts: Mapping[str, HostMemory] = {}


_LEARNED = ("habits", "rates", "hindsight")
"""Left out in this order, while the document is too long."""


def encode(learned: Learned) -> bytes:
    """At most ``MOST_BYTES`` of JSON."""
    named = ((name, host) for name, host in learned.hosts.items() if _is_name(name))
    hosts = {name: _bound(host) for name, host in islice(named, MOST_HOSTS)}
    data = _encode(hosts)
    if len(data) > MOST_BYTES:
        _leave_out(hosts, len(data) - MOST_BYTES)
        data = _encode(hosts)
    while len(data) > MOST_BYTES:
        hosts.popitem()
        data = _encode(hosts)
    return data


def _leave_out(hosts: dict[str, HostMemory], too_many_bytes: int) -> None:
    """Leave out the longest parts, one kind after the other, until it is short enough."""
    for part in _LEARNED:
        sizes = {name: len(msgspec.json.encode(getattr(host, part))) for name, host in hosts.items()}
        for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
            if too_many_bytes <= 0:
                return
            hosts[name] = msgspec.structs.replace(hosts[name], **{part: {}})
            too_many_bytes -= sizes[name] - len("{}")


def _encode(hosts: Mapping[str, HostMemory]) -> bytes:
    return msgspec.json.encode({"version": VERSION, "hosts": hosts})


def _bound(host: HostMemory) -> HostMemory:
    return msgspec.structs.replace(
        host, pins=_read_pins(host.pins), paused_until_ms=_read_pause(host.paused_until_ms)
    )


def decode(data: bytes) -> Learned:
    """What ``encode`` gave, as far as ``data`` is that. Of another version's, only what a person has told is read."""
    try:
        document = json.loads(
            data[: MOST_BYTES + 1], parse_float=_read_number, parse_int=_read_number, parse_constant=_read_number
        )
    except (ValueError, RecursionError):
        return Learned()
    if not isinstance(document, dict):
        return Learned()
    hosts = document.get("hosts")
    entries = list(hosts.items())[:MOST_HOSTS] if isinstance(hosts, dict) else []
    whole = document.get("version") == VERSION
    return Learned(hosts={name: _read_host(entry, whole) for name, entry in entries if _is_name(name)})


def _read_number(text: str) -> int | float | None:
    """A number of JSON; None for one that is none, or that nothing here could mean."""
    if len(text) > MOST_DIGITS:
        return None
    number = float(text)
    if not -MOST_NUMBER < number < MOST_NUMBER:
        return None
    return int(text) if text.lstrip("-").isdigit() else number


def _read_host(entry: object, whole: bool) -> HostMemory:
    if not isinstance(entry, dict):
        return HostMemory()
    told = HostMemory(
        pins=_read_pins(entry.get("pins")),
        paused_until_ms=_read_pause(entry.get("paused_until_ms")),
    )
    if not whole:
        return told
    return msgspec.structs.replace(told, **{part: _read_document(entry.get(part)) for part in _LEARNED})


def _read_document(value: object) -> Document:
    """A part that its owner will look into; nothing where it could not be written again."""
    if not isinstance(value, dict) or not _is_writable(value):
        return {}
    return value


def _is_writable(value: object) -> bool:
    """JSON can spell half a character, which no text has."""
    try:
        msgspec.json.encode(value)
    except (UnicodeEncodeError, RecursionError):
        return False
    return True


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_NAME_CHARS and _is_writable(value)


def _read_pins(value: object) -> Mapping[str, Strength]:
    if not isinstance(value, Mapping):
        return {}
    known = {
        model: strength for model, strength in value.items() if _is_name(model) and strength in get_args(Strength)
    }
    return dict(list(known.items())[:MOST_PINS])


def _read_pause(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < LATEST_MS else None
