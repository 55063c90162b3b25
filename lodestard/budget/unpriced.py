"""What a request may ask for that its price does not cover.

Law: an unknown price is never zero. A bill in other units (a search, a second of audio), at another rate (a better
tier), for tokens that nobody named a rate of, or for another model than the one that was priced is refused before it
can come. Pure. Sources: OpenAI's API reference, "Create chat completion"; Anthropic's "Fast mode" and "Data
residency"; docs.x.ai, "Live search"; OpenRouter's "Model routing", "Provider routing" and "Plugins".
"""

from collections.abc import Callable, Mapping

import msgspec

from lodestard.domain.price import Price
from lodestard.domain.request import OtherPart, Request

_USUAL_TIERS = (
    "auto",
    "default",
    "standard",
    "standard_only",
    "on_demand",
    "flex",
)  # the dear ones: priority, scale, performance
_AUDIO = "input_audio"

_HARMLESS: Mapping[str, Callable[[object, Price], bool]] = {
    "service_tier": lambda value, price: (
        isinstance(value, str) and (value in _USUAL_TIERS or price.knows_tier(value))
    ),
    "speed": lambda value, price: isinstance(value, str) and (value == "standard" or price.knows_tier(value)),
    "inference_geo": lambda value, price: value == "global" or price.knows_tier(f"inference_geo={value}"),
    "fallbacks": lambda value, _price: value == [],
    "web_search_options": lambda _value, _price: False,
    "search_parameters": lambda value, _price: isinstance(value, dict) and value.get("mode") == "off",
    "modalities": lambda value, price: value in ([], ["text"]) or _may_speak(value, price),
    "models": lambda value, _price: value == [],
    "plugins": lambda value, _price: value == [],
    "mcp_servers": lambda value, _price: value == [],
    "container": lambda _value, _price: False,
    "compaction": lambda _value, _price: False,
    "context_management": lambda value, _price: _only_clears(value),
    "billing_policy": lambda value, _price: value == {"type": "billing_policy", "bill_to": "self"},
}
_TOKENS_ONLY = ("function", "custom")
_CLIENT_SIDE = ("bash_", "text_editor_", "computer_", "memory_", "browser_toolset_")
"""How the names of Anthropic's tools begin that the client itself runs: they cost the tokens of their description."""

_ELSEWHERE = frozenset({"url", "file"})
"""Where a document may lie whose length nobody knows before it is billed."""


_ABSENT = msgspec.Raw()


class _Spoken(msgspec.Struct, frozen=True):
    audio: msgspec.Raw = _ABSENT


class _File(msgspec.Struct, frozen=True):
    file_url: object = None
    file_id: object = None


_file = msgspec.json.Decoder(_File)
_messages = msgspec.json.Decoder(list[_Spoken])


def find_unpriced(request: Request, price: Price) -> str:
    """The first member whose bill can't be known from ``price``, or an empty string."""
    for name, is_harmless in _HARMLESS.items():
        raw = request.members.get(name)
        if raw is None:
            continue
        value = msgspec.json.decode(raw)
        if value is not None and not is_harmless(value, price):
            return name
    client_side = _CLIENT_SIDE if request.dialect == "anthropic" else ()
    if not all(tool.kind in _TOKENS_ONLY or tool.kind.startswith(client_side) for tool in request.conversation.tools):
        return "tools"
    if _sounds(request, price) or _brings_unseen(request):
        return "input" if request.dialect == "responses" else "messages"
    return ""


def _only_clears(value: object) -> bool:
    """Anthropic's edits of the context: those that clear cost nothing, one that makes a summary is billed for it."""
    edits = value.get("edits", []) if isinstance(value, dict) else None
    return isinstance(edits, list) and all(
        isinstance(edit, dict) and str(edit.get("type", "")).startswith("clear_") for edit in edits
    )


def _brings_unseen(request: Request) -> bool:
    """Whether it names a document of its dialect that is not in the body."""
    is_elsewhere = _DOCUMENTS.get(request.dialect)
    if is_elsewhere is None:
        return False
    parts = (part for message in request.conversation.messages for part in message.parts)
    return any(isinstance(part, OtherPart) and is_elsewhere(part) for part in parts)


def _is_elsewhere(part: OtherPart) -> bool:
    if part.kind == "container_upload":
        return True
    source = msgspec.json.decode(part.raw).get("source")
    return part.kind == "document" and isinstance(source, dict) and source.get("type") in _ELSEWHERE


def _is_file_elsewhere(part: OtherPart) -> bool:
    if part.kind != "input_file":
        return False
    said = _file.decode(part.raw)
    return said.file_url is not None or said.file_id is not None


_DOCUMENTS: Mapping[str, Callable[[OtherPart], bool]] = {
    "anthropic": _is_elsewhere,
    "responses": _is_file_elsewhere,
}


def _may_speak(value: object, price: Price) -> bool:
    return price.audio_output_pico_usd is not None and value in (["text", "audio"], ["audio", "text"], ["audio"])


def _sounds(request: Request, price: Price) -> bool:
    """Whether it brings audio that has no rate, or names an earlier answer's audio, whose length nobody knows."""
    if price.audio_input_pico_usd is None:
        parts = (part for message in request.conversation.messages for part in message.parts)
        if any(isinstance(part, OtherPart) and part.kind == _AUDIO for part in parts):
            return True
    raw = bytes(request.members.get("messages", b""))
    if b'"audio"' not in raw:
        return False
    return any(bytes(said.audio) not in (b"", b"null") for said in _messages.decode(raw))
