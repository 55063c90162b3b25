"""Strict reading of a client's JSON object: what was checked is exactly what is read and sent on.

Law: the top level is decoded once into raw members. Refused are what two parsers might read differently, or
what may exhaust one: invalid UTF-8, lone surrogates, NaN and infinities, trailing data, duplicate keys at the
top level, and nesting beyond the limit. Time is linear in the body's size, and nothing recurses.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.protocols.json_depth import nests_deeper, opens_more

Members = dict[str, msgspec.Raw]
T = TypeVar("T")

_members = msgspec.json.Decoder(Members)
_KEY = re.compile(rb'\s*[{,]\s*"[^"\\]*(?:\\.[^"\\]*)*"\s*:\s*', re.DOTALL)
_END = re.compile(rb"(?:\s*\{)?\s*\}\s*\Z")
_WHERE = re.compile(r" - at `(?:key in )?\$(.*)`$", re.DOTALL)
_EXPECTED = re.compile(r"^Expected `(.*)`, got `(.*)`$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(.*)`$", re.DOTALL)
_WORDS = {"str": "a string", "null": "null", "bool": "a boolean", "int": "an integer", "float": "a number"}


def read_members(body: bytes, *, depth: int) -> Members:
    """The top-level members of a JSON object, raw.

    Raises ``CallerFault(INVALID_JSON)`` for what is not strict JSON, ``INVALID_REQUEST`` where it is no object
    or deeper than ``depth``.
    """
    try:
        members = _members.decode(body)
        if not body.isascii():
            body.decode()  # raw members are not checked by the decoder
        too_deep = opens_more(body, depth) and any(nests_deeper(bytes(raw), depth - 1) for raw in members.values())
    except RecursionError:
        raise _too_deep(depth) from None
    except UnicodeDecodeError as error:
        raise CallerFault(Code.INVALID_JSON, f"The body is not UTF-8 (byte {error.start}).") from None
    except msgspec.ValidationError:
        raise CallerFault(Code.INVALID_REQUEST, "The body must be a JSON object.") from None
    except msgspec.DecodeError as error:
        raise CallerFault(Code.INVALID_JSON, f"The body is not valid JSON: {_plain(error)}.") from None
    if too_deep:
        raise _too_deep(depth)
    _refuse_duplicates(body, members)
    return members


def read_object(text: str, *, depth: int) -> msgspec.Raw | None:
    """JSON text inside a string (arguments of a call) → raw, where it is a valid object; otherwise None."""
    data = text.encode("utf-8", "surrogatepass")
    try:
        msgspec.json.decode(data, type=dict[str, object])
        too_deep = nests_deeper(data, depth)
    except (ValueError, RecursionError):
        return None
    return None if too_deep else msgspec.Raw(data)


def write_object(members: Mapping[str, object]) -> bytes:
    """Members, raw or not, as one JSON object."""
    return msgspec.json.encode(members)


def decode_typed(decode: Callable[[bytes], T], body: bytes) -> T:
    """The typed members of a body that was found to be sound JSON. Raises ``CallerFault(INVALID_REQUEST)``."""
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise shape_fault(error) from None


def shape_fault(error: msgspec.ValidationError, prefix: str = "") -> CallerFault:
    """What a typed decoder says, in words for the caller, with the path of the value that is wrong."""
    text = str(error)
    where = _WHERE.search(text)
    path = (prefix + (where[1] if where else "")).removeprefix(".")
    text = text[: where.start()] if where else text
    if absent := _MISSING.match(text):
        return missing(f"{path}.{absent[1]}" if path else absent[1])
    if expected := _EXPECTED.match(text):
        wanted, got = _words(expected[1]), _words(expected[2])
        text = f"expected {wanted}, but got {got} instead."
        return CallerFault(Code.INVALID_REQUEST, f"Invalid type for '{path}': {text}", param=path or None)
    text = text.replace("`", "").rstrip(".")
    return CallerFault(Code.INVALID_REQUEST, f"Invalid value for '{path}': {text}.", param=path or None)


def missing(path: str) -> CallerFault:
    """The fault of a body that lacks a member."""
    return CallerFault(Code.INVALID_REQUEST, f"Missing required parameter: '{path}'.", param=path)


def _words(kinds: str) -> str:
    return " or ".join(_WORDS.get(kind, f"an {kind}") for kind in kinds.split(" | "))


def _refuse_duplicates(body: bytes, members: Members) -> None:
    """Walk the text member by member: where it holds more of them than the decoder kept, one key came twice.

    Most clients write as we do, without white space: then what was kept, written again, is the text.
    """
    if write_object(members) == body:
        return
    end = 0
    for raw in members.values():
        key = _KEY.match(body, end)
        value = bytes(raw)
        if key is None or not body.startswith(value, key.end()):
            break
        end = key.end() + len(value)
    if _END.match(body, end):
        return
    key_text = _first_duplicate(body)
    shown = key_text if len(key_text) <= 64 else key_text[:64] + "…"
    raise CallerFault(Code.INVALID_JSON, f"The body has the member {shown!r} twice.", param=shown)


def _first_duplicate(body: bytes) -> str:
    """The slow way, for the message alone."""
    levels: list[list[tuple[str, object]]] = [[]]

    def note(pairs: list[tuple[str, object]]) -> None:
        levels[0] = pairs  # called from the inside out: the outermost object comes last

    json.loads(body, object_pairs_hook=note, parse_int=str, parse_float=str)
    seen: set[str] = set()
    for key, _ in levels[0]:
        if key in seen:
            return key
        seen.add(key)
    return ""


def _too_deep(depth: int) -> CallerFault:
    return CallerFault(Code.INVALID_REQUEST, f"The body nests more than {depth} levels deep.")


def _plain(error: msgspec.DecodeError) -> str:
    return str(error).removeprefix("JSON is malformed: ").rstrip(".")
