"""The reload guard's notes: what a client said of a model's runner that is not done, for the trace.

Law: pure; a few look-ups where a client says nothing of the kind. A value is shown only where it is a number or a
boolean: what else a client writes never reaches a trace.
"""

import math
from collections.abc import Mapping

import msgspec

from lodestard.domain.pins import RUNNER_OPTIONS
from lodestard.domain.request import Request

CALL_MEMBERS = frozenset({"keep_alive", "shift", "truncate"})
"""What is said beside the options."""

_NAMES = RUNNER_OPTIONS | CALL_MEMBERS | {"options", "extra_body"}
_OURS = {"truncate": False}  # what every request says, whatever is configured
_MOST_NOTES = 8
_MOST_SHOWN = 10**12

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def find_overridden(request: Request, pinned: Mapping[str, object]) -> tuple[str, ...]:
    """A line for each thing of the runner that the client asked for otherwise than it is done.

    ``pinned`` are the members that every request for the model carries (``options``, ``keep_alive``); what is not
    among them is left to the server. Both members of the body and those of an ``extra_body`` in it are looked at,
    and the options in either. At most 8 lines, and one that counts the rest.
    """
    if _NAMES.isdisjoint(request.members):
        return ()
    kept: dict[str, object] = {**_OURS, **pinned}
    options = kept.pop("options", None)
    if isinstance(options, Mapping):
        kept |= options
    notes = [note for name, raw in _asked(request).items() if (note := _note(name, raw, kept))]
    more = len(notes) - _MOST_NOTES
    return tuple(notes) if more <= 0 else (*notes[:_MOST_NOTES], f"and {more} more of the client's options ignored")


def _asked(request: Request) -> dict[str, msgspec.Raw]:
    """What the client says of the runner, wherever it says it; what stands further out comes first."""
    body = request.members
    extra = _object(body.get("extra_body"))
    asked: dict[str, msgspec.Raw] = {}
    for members in (body, _object(body.get("options")), extra, _object(extra.get("options"))):
        for name in (RUNNER_OPTIONS | CALL_MEMBERS) & members.keys():
            asked.setdefault(name, members[name])
    if request.conversation.embedding is not None:
        asked.pop("truncate", None)  # a text that is embedded may be cut
    return dict(sorted(asked.items()))


def _object(raw: msgspec.Raw | None) -> dict[str, msgspec.Raw]:
    if raw is None:
        return {}
    try:
        return _members.decode(raw)
    except (ValueError, RecursionError):
        return {}


def _note(name: str, raw: msgspec.Raw, kept: Mapping[str, object]) -> str:
    value = _plain(raw)
    if value is None or (name in kept and _same(value, kept[name])):
        return ""
    shown = f" {_written(value)}" if isinstance(value, bool | int | float) else ""
    if name == "truncate":
        return f"truncate{shown} of the client ignored: prompts are never cut"
    if name in kept:
        return f"{name}{shown} of the client ignored: {kept[name]} is pinned"
    return f"{name}{shown} of the client ignored: the server's own holds"


def _plain(raw: msgspec.Raw) -> object:
    """The value; ``...`` for one that can't be read, None for null."""
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return ...


def _same(value: object, pinned: object) -> bool:
    return value == pinned and isinstance(value, bool) == isinstance(pinned, bool)  # True is 1, but not meant so


def _written(value: float) -> str:
    """A number of a sensible length; ``1e6`` and ``1000000.0`` are the whole number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not math.isfinite(value) or abs(value) >= _MOST_SHOWN:
        return "(a large number)"
    return str(int(value)) if value == int(value) else f"{value:.6g}"
