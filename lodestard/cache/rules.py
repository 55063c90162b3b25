"""May this request be answered from the cache, and may its answer be kept? Pure.

Law: a decision comes with its reason. Sources: RFC 9111 section 5.2.1 for ``Cache-Control`` in requests.
"""

import msgspec

from lodestard.domain.reply import Choice, Reply
from lodestard.domain.request import Request
from lodestard.domain.settings import Cache


class Ruling(msgspec.Struct, frozen=True):
    """``look``: a kept answer will do, if it is younger than ``max_age_s``. ``keep``: the answer may be kept.

    ``reason`` says why it may not look; empty where it may.
    """

    look: bool
    keep: bool
    reason: str = ""
    max_age_s: float | None = None


def rule(request: Request, settings: Cache, cache_control: str) -> Ruling:
    """What the configuration and the client allow."""
    temperature = request.conversation.sampling.temperature
    if not settings.enabled:
        return Ruling(look=False, keep=False, reason="the cache is off")
    if request.conversation.embedding is not None:
        temperature = 0.0  # the same text has the same vector
    if temperature is None:
        return Ruling(look=False, keep=False, reason="no temperature")
    if temperature > settings.max_temperature:
        return Ruling(look=False, keep=False, reason=f"temperature above {settings.max_temperature:g}")
    return _heed(cache_control) if cache_control else Ruling(look=True, keep=True)


def _heed(cache_control: str) -> Ruling:
    directives = _directives(cache_control)
    if "no-store" in directives:
        return Ruling(look=False, keep=False, reason="no-store")
    max_age_s = _seconds(directives.get("max-age"))
    if "no-cache" in directives or max_age_s == 0:
        return Ruling(look=False, keep=True, reason="no-cache")
    return Ruling(look=True, keep=True, max_age_s=max_age_s)


def _directives(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def _seconds(text: str | None) -> float | None:
    """Section 1.2.2: digits; larger ones than can be counted mean 2³¹. What is no number is not heeded."""
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    return float(text) if len(text) < 10 else 2.0**31


def worth_keeping(reply: Reply) -> bool:
    """Whole, and with something in every choice: an empty or filtered answer may turn out better next time."""
    return reply.complete and all(_has_content(choice) for choice in reply.choices)


def _has_content(choice: Choice) -> bool:
    said = choice.text or choice.tool_calls or choice.refusal
    return bool(said) and choice.finish != "content_filter"
