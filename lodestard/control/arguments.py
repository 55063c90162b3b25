"""Reads the arguments of a verb: what came as JSON, against what the verb says it takes.

Law: total and strict. A handler gets every declared argument and nothing else, each of its kind.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.near import did_you_mean
from lodestard.domain.verbs import Argument, Kind, Verb


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_CHECKS: dict[Kind, tuple[Callable[[object], bool], str]] = {
    "text": (lambda value: isinstance(value, str), "a text"),
    "integer": (_is_integer, "a whole number"),
    "flag": (lambda value: isinstance(value, bool), "true or false"),
    "list": (_is_texts, "a list of texts"),
    "caller": (lambda value: False, "left out"),  # noqa: ARG005
    "object": (lambda value: True, "anything"),  # noqa: ARG005
}


def read_arguments(verb: Verb, body: bytes, caller: str = "") -> dict[str, Any]:
    """The body of a call → every argument of ``verb``, with defaults filled in. ``caller`` is who asks.

    Raises ``CallerFault``: INVALID_JSON, or INVALID_REQUEST with the argument's name as ``param``.
    """
    given = _decode(body)
    declared = {argument.name: argument for argument in verb.arguments if argument.kind != "caller"}
    for name in given:
        if name not in declared:
            raise _unknown(verb, name)
    callers = {argument.name: caller for argument in verb.arguments if argument.kind == "caller"}
    return {name: _value(argument, given) for name, argument in declared.items()} | callers


def _decode(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.ValidationError:
        raise CallerFault(Code.INVALID_REQUEST, "The arguments must be a JSON object.") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise CallerFault(Code.INVALID_JSON, "The arguments are not JSON.") from None


def _unknown(verb: Verb, name: str) -> CallerFault:
    near = did_you_mean(name, [argument.name for argument in verb.arguments])
    hint = f" Did you mean {near}?" if near else ""
    return CallerFault(Code.INVALID_REQUEST, f"{verb.name} takes no argument {name!r}.{hint}", param=name)


def _value(argument: Argument, given: Mapping[str, Any]) -> object:
    value = given.get(argument.name)
    if value is None:
        if argument.required:
            raise CallerFault(Code.INVALID_REQUEST, f"{argument.name} is missing.", param=argument.name)
        return _default(argument)
    check, words = _CHECKS[argument.kind]
    if not check(value):
        raise CallerFault(Code.INVALID_REQUEST, f"{argument.name} must be {words}.", param=argument.name)
    if argument.choices and value not in argument.choices:
        choices = ", ".join(argument.choices)
        raise CallerFault(Code.INVALID_REQUEST, f"{argument.name} must be one of {choices}.", param=argument.name)
    return value


def _default(argument: Argument) -> object:
    if argument.default is None and argument.kind == "flag":
        return False
    return argument.default
