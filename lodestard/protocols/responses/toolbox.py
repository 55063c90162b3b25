"""The tools of a Responses request: functions, custom tools, namespaces, and what only the provider can run.

Law: whatever the model is told about a tool is the client's own text. A custom tool (free text in, perhaps by a
grammar) is told to other models as a function with one string, and a namespace's functions by their own names; the
answer's writer turns the calls back. Tools that a provider runs by itself go to nobody: they are billed by the call,
which no price foresees, so they are left out and told, or refused where the model must call one.
Source: OpenAI's API reference, "Create a model response", and the types of its Python SDK.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Tool, ToolChoice
from lodestard.protocols.json_text import missing

ABSENT = msgspec.Raw()
INPUT = "input"
_INPUT_SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}')
_CUSTOM_BYTES = 256
"""What a custom tool's disguise adds to its text, at the most."""

SERVED = frozenset(
    {
        "web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11", "file_search",
        "code_interpreter", "image_generation", "tool_search", "programmatic_tool_calling",
    }
)  # fmt: skip
"""Tools that the provider runs by itself, and that a model can do without."""
_raws = msgspec.json.Decoder(list[msgspec.Raw])


class _Grammar(msgspec.Struct, frozen=True):
    type: str = "text"
    syntax: str | None = None
    definition: str | None = None


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool as the client names it."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: msgspec.Raw = ABSENT
    strict: bool | None = None
    format: _Grammar | None = None
    tools: "list[ToolSpec] | None" = None


class Choice(msgspec.Struct, frozen=True):
    """A ``tool_choice`` that is no word."""

    type: str
    name: str | None = None
    mode: str | None = None
    tools: "list[Choice] | None" = None


class Named(NamedTuple):
    """What the client calls a tool that the model knows by another name, or in another form."""

    name: str
    namespace: str = ""
    custom: bool = False


class Toolbox(msgspec.Struct, frozen=True, kw_only=True):
    """All tools of a request. ``named``: by the name that the model uses, where that is not all there is to say.

    ``unsaid`` are tools that are left out, ``added_bytes`` bounds what the model is told beyond the client's text.
    """

    tools: tuple[Tool, ...] = ()
    named: Mapping[str, Named] = {}
    unsaid: frozenset[str] = frozenset()
    added_bytes: int = 0

    def told_names(self) -> dict[tuple[str, str], str]:
        """(namespace, name) of each tool that is in a namespace → the name that the model knows it by."""
        return {(named.namespace, named.name): told for told, named in self.named.items() if named.namespace}


NO_TOOLS = Toolbox()


class _Found(NamedTuple):
    spec: ToolSpec
    namespace: str
    path: str
    inner: bool


def without_served(raw: msgspec.Raw, specs: Sequence[ToolSpec]) -> msgspec.Raw | None:
    """The ``tools`` of a body without those that a provider runs; None where all may stay."""
    if not any(spec.type in SERVED for spec in specs):
        return None
    tools = zip(_raws.decode(raw), specs, strict=True)
    return msgspec.Raw(msgspec.json.encode([tool for tool, spec in tools if spec.type not in SERVED]))


def open_toolbox(specs: Sequence[ToolSpec], more: Sequence[ToolSpec] = ()) -> Toolbox:
    """The tools as a model is told of them, and ``more`` of them. Raises ``CallerFault(INVALID_REQUEST)``."""
    found = [*_flatten(specs, "tools"), *_flatten(more, "input[].tools", inner=True)]
    counts = Counter(each.spec.name for each in found)
    tools: list[Tool] = []
    named: dict[str, Named] = {}
    unsaid = {"tools[].description" for spec in specs if spec.type == "namespace" and spec.description}
    added = 0
    for spec, namespace, where, inner in found:
        if spec.type in SERVED and not inner:  # ``without_served`` takes it out of the body
            unsaid.add(f"tools[].{spec.type}")
            continue
        if spec.type not in ("function", "custom"):
            tools.append(Tool(name=spec.name or "", kind=spec.type))
            continue
        if not spec.name:
            raise missing(f"{where}.name")
        told = f"{namespace}__{spec.name}" if namespace and counts[spec.name] > 1 else spec.name
        added += len(told) - len(spec.name)
        if spec.type == "custom":
            added += _CUSTOM_BYTES
        if namespace or spec.type == "custom":
            named[told] = Named(spec.name, namespace, custom=spec.type == "custom")
        tools.append(_tool(spec, told, where))
    return Toolbox(tools=tuple(tools), named=named, unsaid=frozenset(unsaid), added_bytes=added)


def _flatten(specs: Sequence[ToolSpec], path: str, *, inner: bool = False) -> Iterator[_Found]:
    """``inner``: of tools that stand elsewhere than in the list itself."""
    for index, spec in enumerate(specs):
        where = f"{path}[{index}]"
        if spec.type != "namespace":
            yield _Found(spec, "", where, inner)
            continue
        for place, tool in enumerate(spec.tools or ()):
            yield _Found(tool, spec.name or "", f"{where}.tools[{place}]", inner=True)


def _tool(spec: ToolSpec, name: str, path: str) -> Tool:
    if spec.type == "custom":
        return Tool(name=name, description=_describe(spec), parameters=_INPUT_SCHEMA)
    parameters = bytes(spec.parameters)
    if parameters in (b"", b"null"):
        schema = None
    elif parameters.startswith(b"{"):
        schema = spec.parameters
    else:
        where = f"{path}.parameters"
        raise CallerFault(Code.INVALID_REQUEST, f"Invalid type for '{where}': expected an object.", param=where)
    return Tool(name=name, description=spec.description or "", parameters=schema, strict=spec.strict)


def _describe(spec: ToolSpec) -> str:
    """A custom tool's description with its grammar, which no other provider enforces."""
    description = spec.description or ""
    grammar = spec.format
    if grammar is None or not grammar.definition:
        return description
    return f"{description}\n\n`input` must follow this grammar ({grammar.syntax or 'lark'}):\n{grammar.definition}"


def choose_tools(choice: str | Choice, box: Toolbox) -> tuple[ToolChoice, Toolbox]:
    """The choice, and the tools that it leaves."""
    if isinstance(choice, str):
        match choice:
            case "auto" | "none" | "required":
                return ToolChoice(choice), box
        raise CallerFault(
            Code.INVALID_REQUEST,
            "Invalid value for 'tool_choice': expected auto, none, required or a tool.",
            param="tool_choice",
        )
    match choice.type:
        case "function" | "custom":
            if not choice.name:
                raise missing("tool_choice.name")
            return ToolChoice("function", choice.name), box
        case "allowed_tools":
            return _allow(choice, box)
    only = Tool(name="", kind=choice.type)  # of a tool that only its own provider has: no other one can do it
    return ToolChoice("required"), msgspec.structs.replace(box, tools=(*box.tools, only))


def _allow(choice: Choice, box: Toolbox) -> tuple[ToolChoice, Toolbox]:
    """Some functions only: the others are not told. What only its provider has stays: it is sent on, and billed."""
    allowed = {each.name for each in choice.tools or () if each.name}
    kept = tuple([tool for tool in box.tools if tool.kind != "function" or _client_name(tool, box) in allowed])
    mode = ToolChoice("required") if choice.mode == "required" and kept else ToolChoice("auto")
    return mode, msgspec.structs.replace(box, tools=kept)


def _client_name(tool: Tool, box: Toolbox) -> str:
    named = box.named.get(tool.name)
    return tool.name if named is None else named.name


class _Input(msgspec.Struct, frozen=True):
    input: str


_input = msgspec.json.Decoder(_Input)


def wrap_input(text: str) -> str:
    """A custom tool's text → the arguments of the function that stands for it."""
    return msgspec.json.encode(_Input(text)).decode()


def unwrap_input(arguments: str) -> str:
    """The reverse; a model that did not keep to the form is taken at its word."""
    try:
        return _input.decode(arguments).input
    except (ValueError, RecursionError):
        return arguments
