"""What a request may ask for that its price does not cover.

Law: an unknown price is never zero. A bill in other units (a search, a second of audio), at another rate (a better
tier), for tokens that nobody named a rate of, or for another model than the one that was priced is refused before it
can come. Pure. Sources: OpenAI's API reference, "Create chat completion"; Anthropic's "Fast mode"; docs.x.ai, "Live
search"; OpenRouter's "Model routing", "Provider routing" and "Plugins".
"""

from collections.abc import Callable, Mapping

import msgspec

from lodestard.domain.price import Price
from lodestard.domain.request import OtherPart, Request

_USUAL_TIERS = ("auto", "default", "standard", "on_demand", "flex")  # the dear ones: priority, scale, performance
_AUDIO = "input_audio"

_HARMLESS: Mapping[str, Callable[[object, Price], bool]] = {
    "service_tier": lambda value, price: (
        isinstance(value, str) and (value in _USUAL_TIERS or price.knows_tier(value))
    ),
    "speed": lambda value, price: isinstance(value, str) and (value == "standard" or price.knows_tier(value)),
    "web_search_options": lambda _value, _price: False,
    "search_parameters": lambda value, _price: isinstance(value, dict) and value.get("mode") == "off",
    "modalities": lambda value, price: value in ([], ["text"]) or _may_speak(value, price),
    "models": lambda value, _price: value == [],
    "plugins": lambda value, _price: value == [],
}
_TOKENS_ONLY = ("function", "custom")


_ABSENT = msgspec.Raw()


class _Spoken(msgspec.Struct, frozen=True):
    audio: msgspec.Raw = _ABSENT


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
    if not all(tool.kind in _TOKENS_ONLY for tool in request.conversation.tools):
        return "tools"
    return "messages" if _sounds(request, price) else ""


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
