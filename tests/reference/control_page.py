"""The control API for people, from the OpenAPI document and the verbs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lodestard.control.server import STATUSES
from lodestard.domain.errors import Code
from lodestard.domain.verbs import Argument
from tests.reference.openapi import KINDS, REF
from tests.reference.verbs import ANYTHING, Documented

TOP = """\
# The control API

*Written by `make docs-reference` from the daemon's verbs and messages; a test fails when it is out of date. For
programs the same is in [control-api.json](control-api.json) (OpenAPI 3.1).*

`lodestarctl` asks `lodestard` over a Unix socket (`/run/lodestard.sock`, or `lodestard.sock` below
`$XDG_RUNTIME_DIR`) in HTTP/1.1. So can you:

```
curl --unix-socket /run/lodestard.sock http://localhost/v1/verbs
curl --unix-socket /run/lodestard.sock http://localhost/v1/verbs/costs --data '{"by": "project", "since": "7d"}'
```

- **Who asks** is known by the socket. Members of `control.read_groups` may call verbs that need *read*, those of
  `control.admin_groups`, root and the daemon's own user all of them.
- **Arguments** are a JSON object; one that the verb does not know is refused. Nothing at all is `{}`.
- **An answer** is `{"version": 1, "verb": …, "data": …}`, a refusal `{"version": 1, "error": {"code": …, "message":
  …}}`. A verb that streams (→) sends one envelope a line (`application/x-ndjson`); a fault in its midst is its last
  line.
- **Version 1 only grows**: pass over members that you do not know. `null` stands for what is not known.
- **Units** are in the names: `_nano_usd` billionths of a US dollar (integers), `_ms`, `_us`, `_s`, `_bytes`. Times of
  day (`at_ms`, `started_ms` …) are milliseconds since 1970.
- A program that closes the connection cancels what it has asked for.
"""


def write_page(verbs: Sequence[Documented], schemas: Mapping[str, Any]) -> str:
    parts = [TOP, "## Verbs\n", _verbs(verbs), "## Refusals\n", _refusals(), "## Messages\n"]
    return "\n".join([*parts, *_messages(schemas)])


def _verbs(verbs: Sequence[Documented]) -> str:
    rows = ["| Verb | What | Needs | Arguments | Answers |", "|---|---|---|---|---|"]
    for each in verbs:
        taken = ", ".join(_argument(argument) for argument in each.verb.arguments if argument.kind != "caller")
        answers = "any JSON" if each.answers is ANYTHING else _link(each.answers.__name__)
        arrow = "→ " if each.verb.stream is not None else ""
        module = f" (`[modules.{each.module}]`)" if each.module else ""
        cells = [f"`{each.verb.name}`", each.verb.summary + module, each.verb.needs, taken, arrow + answers]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n\nArguments in **bold** must be given; `=` is what holds otherwise.\n"


def _argument(argument: Argument) -> str:
    name = f"**`{argument.name}`**" if argument.required else f"`{argument.name}`"
    kind = "one of " + " ".join(argument.choices) if argument.choices else _kind(KINDS[argument.kind])
    default = "" if argument.default in (None, "") else f" = {argument.default}"
    return f"{name} {kind}{default}"


def _refusals() -> str:
    known = ", ".join(f"`{code.value}` {STATUSES[code]}" for code in Code if code in STATUSES)
    return (
        f"By code: {known}; an upstream's (`upstream_…`) 502, every other one 500. `param` names the argument that "
        "is wrong; `retry_after_s` (and the header `retry-after`) is how long to wait, where that is known.\n"
    )


def _messages(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield f"### {name}\n"
        told = schema.get("description", "")
        members = ", ".join(_member(key, each, schema) for key, each in schema.get("properties", {}).items())
        yield "\n\n".join(filter(None, [told, members])) + "\n"


def _member(name: str, schema: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    must = name in whole.get("required", ())
    return f"{f'**`{name}`**' if must else f'`{name}`'} {_kind(schema)}"


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema in words."""
    if "$ref" in schema:
        return _link(schema["$ref"].removeprefix(REF))
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return f"one of {' '.join(map(_choice, schema['enum']))}"
    kind = schema.get("type", "any JSON")
    if isinstance(kind, list):
        return " or ".join(_kind({**schema, "type": each}) for each in kind)
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"object of {_kind(inner)}" if isinstance(inner, dict) and inner else "object"
    return {"string": "text", "boolean": "flag"}.get(kind) or str(kind)


def _choice(value: str | None) -> str:
    return "null" if value is None else f"`{value}`" if value else '`""`'


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"
