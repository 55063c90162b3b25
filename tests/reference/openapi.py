"""The control API as an OpenAPI 3.1 document.

(Source: OpenAPI Specification 3.1.1, sections 4.8.1 to 4.8.24; JSON Schema 2020-12.)
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from lodestard.control.messages import MEDIA_JSON, MEDIA_NDJSON, VERBS_PATH, VERSION, Refusal, VerbList
from lodestard.control.server import STATUSES
from lodestard.domain.errors import Code
from lodestard.domain.verbs import Argument, Kind
from tests.reference.verbs import ANYTHING, Documented

REF = "#/components/schemas/"
KINDS: dict[Kind, dict[str, Any]] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "flag": {"type": "boolean"},
    "list": {"type": "array", "items": {"type": "string"}},
    "object": {},
}
ABOUT = (
    "HTTP/1.1 over a Unix socket (/run/lodestard.sock). Who asks is known by the socket: members of "
    "control.read_groups may look, those of control.admin_groups may do everything. Version 1 only grows: pass over "
    "members that you do not know. Amounts are integers of nano-USD, times are milliseconds since 1970."
)
ENVELOPE = {
    "description": "What is around every answer.",
    "type": "object",
    "properties": {"version": {"const": VERSION}, "verb": {"type": "string"}, "data": {}},
    "required": ["version", "verb", "data"],
}
REFUSED = {"$ref": "#/components/responses/Refused"}
STREAM = "One envelope a line as they come. A stream that does not end with the last chunk was cut."


def write_document(verbs: Sequence[Documented]) -> dict[str, Any]:
    """The whole document."""
    paths = {VERBS_PATH: {"get": _listing()}}
    paths |= {f"{VERBS_PATH}/{each.verb.name}": {"post": _operation(each)} for each in verbs}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lodestar's control API", "version": str(VERSION), "description": ABOUT},
        "servers": [{"url": "http://localhost", "description": "the control socket; the name is not looked at"}],
        "paths": paths,
        "components": {"schemas": {"Answer": ENVELOPE, **schemas(verbs)}, "responses": {"Refused": _refused()}},
    }


def schemas(verbs: Sequence[Documented]) -> dict[str, Any]:
    """Every kind of message, by name."""
    kinds = dict.fromkeys([Refusal, VerbList, *(each.answers for each in verbs if each.answers is not ANYTHING)])
    _, found = msgspec.json.schema_components(list(kinds), ref_template=REF + "{name}")
    return {name: compact(schema) for name, schema in sorted(found.items())}


def compact(schema: Any) -> Any:
    """The same schema in fewer words: no titles, nothing empty, no null as a default, one type where null may be."""
    if not isinstance(schema, dict):
        return [compact(each) for each in schema] if isinstance(schema, list | tuple) else schema
    kept = {name: _compact(name, each) for name, each in schema.items() if name != "title" and each not in (None, [])}
    match kept.get("anyOf"):
        case [{"type": str() as kind, **rest}, {"type": "null"}]:
            return {"type": [kind, "null"], **rest, **{name: each for name, each in kept.items() if name != "anyOf"}}
    return kept


def _compact(name: str, value: Any) -> Any:
    """A keyword's value. What stands under ``properties`` are names of members, whatever they are called."""
    if name == "properties":
        return {member: compact(each) for member, each in value.items()}
    return re.sub(r"\s+", " ", value).replace("``", "`") if name == "description" else compact(value)


def _listing() -> dict[str, Any]:
    return {
        "operationId": "verbs",
        "summary": "what the daemon can be asked to do",
        "responses": {"200": _answered({"$ref": f"{REF}VerbList"}), "default": REFUSED},
    }


def _operation(each: Documented) -> dict[str, Any]:
    verb = each.verb
    answers = {} if each.answers is ANYTHING else {"$ref": f"{REF}{each.answers.__name__}"}
    operation: dict[str, Any] = {
        "operationId": verb.name,
        "summary": verb.summary,
        "tags": [each.module or verb.name.partition(".")[0]],
        "x-lodestar-needs": verb.needs,
    }
    if each.module:
        operation["description"] = f"Only with [modules.{each.module}]."
    taken = [argument for argument in verb.arguments if argument.kind != "caller"]
    if taken:
        operation["requestBody"] = _body(taken)
    answered = _streamed(answers) if verb.stream is not None else _answered(answers)
    return {**operation, "responses": {"200": answered, "default": REFUSED}}


def _body(taken: Sequence[Argument]) -> dict[str, Any]:
    required = [argument.name for argument in taken if argument.required]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {argument.name: argument_schema(argument) for argument in taken},
        "additionalProperties": False,
    }
    if required:
        schema["required"] = required
    return {"required": bool(required), "content": {MEDIA_JSON: {"schema": schema}}}


def argument_schema(argument: Argument) -> dict[str, Any]:
    """What an argument may be; where it need not be given, null is as good as nothing."""
    schema = dict(KINDS[argument.kind])
    if "type" in schema and not argument.required:
        schema["type"] = [schema["type"], "null"]
    if argument.choices:
        schema["enum"] = [*argument.choices, *([] if argument.required else [None])]
    if argument.help:
        schema["description"] = argument.help
    if argument.default is not None:
        schema["default"] = argument.default
    return schema


def _envelope(data: dict[str, Any]) -> dict[str, Any]:
    return {"allOf": [{"$ref": f"{REF}Answer"}, {"properties": {"data": data}}]}


def _answered(data: dict[str, Any]) -> dict[str, Any]:
    return {"description": "The answer.", "content": {MEDIA_JSON: {"schema": _envelope(data)}}}


def _streamed(data: dict[str, Any]) -> dict[str, Any]:
    return {"description": STREAM, "content": {MEDIA_NDJSON: {"schema": _envelope(data)}}}


def _refused() -> dict[str, Any]:
    told = ", ".join(f"{code.value} {STATUSES[code]}" for code in Code if code in STATUSES)
    error = {
        "type": "object",
        "properties": {"version": {"const": VERSION}, "error": {"$ref": f"{REF}Refusal"}},
        "required": ["version", "error"],
    }
    description = f"Why there is no answer. By code: {told}; an upstream's (upstream_…) 502, all others 500."
    return {
        "description": description,
        "headers": {"retry-after": {"schema": {"type": "integer"}, "description": "seconds, where that is known"}},
        "content": {MEDIA_JSON: {"schema": error}},
    }
