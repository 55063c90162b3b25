"""What a request may ask for that the price of a token does not cover.

Law: an unknown price is never zero. A bill in other units (a search, a second of audio), at another rate (a better
tier) or for another model than the one that was priced is refused before it can come. Pure. Sources: OpenAI's API
reference, "Create chat completion"; docs.x.ai, "Live search"; OpenRouter's "Model routing" and "Plugins".
"""

from collections.abc import Callable, Mapping

import msgspec

from lodestard.domain.request import Request

_USUAL_TIERS = ("auto", "default", "standard", "on_demand", "flex")  # the dear ones: priority, scale, performance

_HARMLESS: Mapping[str, Callable[[object], bool]] = {
    "service_tier": lambda value: value in _USUAL_TIERS,
    "web_search_options": lambda _value: False,
    "search_parameters": lambda value: isinstance(value, dict) and value.get("mode") == "off",
    "modalities": lambda value: value in ([], ["text"]),
    "models": lambda value: value == [],
    "plugins": lambda value: value == [],
}
_TOKENS_ONLY = ("function", "custom")


def find_unpriced(request: Request) -> str:
    """The first member whose bill can't be known from prices per token, or an empty string."""
    for name, is_harmless in _HARMLESS.items():
        raw = request.members.get(name)
        if raw is None:
            continue
        value = msgspec.json.decode(raw)
        if value is not None and not is_harmless(value):
            return name
    return "" if all(tool.kind in _TOKENS_ONLY for tool in request.conversation.tools) else "tools"
