"""Verbs: what the control socket can be asked to do. The core registers its own, modules register theirs.

Law: a verb says what it takes and who may ask, so that a command line that has never heard of it can still list
it, call it and print what it answers.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, TypeVar

import msgspec

Item = TypeVar("Item")

Need = Literal["read", "admin"]
Kind = Literal["text", "integer", "flag", "list", "object", "caller"]
Arguments = Mapping[str, Any]
Emits = Callable[[Item], Awaitable[None]]
"""How a stream tells an item. Its kind is what the reference of the control API says of the verb."""
Emit = Emits[object]


class Argument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One argument of a verb. ``kind`` list is of texts; object is any JSON; caller is who asks, filled in by the
    socket and never taken from what was sent. ``choices`` empty means any value.
    """

    name: str
    kind: Kind = "text"
    help: str = ""
    required: bool = False
    default: str | int | bool | None = None
    choices: tuple[str, ...] = ()


class Verb(msgspec.Struct, frozen=True, kw_only=True):
    """A named action. Exactly one of ``answer`` and ``stream`` is set.

    ``answer(arguments)`` returns what ``msgspec`` can write as a JSON object. ``stream(arguments, emit)`` awaits
    ``emit(item)`` for each item. Both get every declared argument, checked and with defaults filled in; both
    raise a ``Fault`` for what the caller can be told, and are cancelled when the caller leaves. ``needs`` is
    ``read`` for a look and ``admin`` for anything that changes the house or costs money.
    """

    name: str
    summary: str
    needs: Need
    arguments: tuple[Argument, ...] = ()
    answer: Callable[[Arguments], Awaitable[object]] | None = None
    stream: Callable[[Arguments, Emit], Awaitable[None]] | None = None
