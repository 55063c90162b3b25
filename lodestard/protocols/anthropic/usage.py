"""Usage as Anthropic reports it → the house's one meaning.

Law: figures that can't be right are no figures (the attempt is then charged at its hold), and no reading comes out
lower than what the provider counts. Of several reports, which are running totals, the larger figure of each kind
holds. Source: Anthropic's API reference, "Create a Message" (``usage``), "Prompt caching" and "Service tiers".
"""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from lodestard.domain.usage import Usage

_Count = Annotated[int, Meta(ge=0, le=10**10)]
_PLAIN = frozenset({"standard", "global", "not_available", ""})
_SEARCHED = "web_search"
_TIER = re.compile(r"[A-Za-z0-9_./:=+-]{1,64}")


class _Written(msgspec.Struct, frozen=True):
    ephemeral_5m_input_tokens: _Count | None = None
    ephemeral_1h_input_tokens: _Count | None = None


class _Details(msgspec.Struct, frozen=True):
    thinking_tokens: _Count | None = None


class _Server(msgspec.Struct, frozen=True):
    web_search_requests: _Count | None = None


class _Usage(msgspec.Struct, frozen=True):
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    cache_creation: _Written | None = None
    output_tokens_details: _Details | None = None
    server_tool_use: _Server | None = None
    service_tier: Any = None
    speed: Any = None
    inference_geo: Any = None


_decoder = msgspec.json.Decoder(_Usage)
_COUNTS = ("prompt", "output", "read", "written", "written_1h", "thought", "searched")


class Meter:
    """What the reports of one answer say together."""

    __slots__ = ("_counts", "_has_output", "_has_prompt", "_spoiled", "_tier")

    def __init__(self) -> None:
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._tier = ""
        self._has_output = self._has_prompt = self._spoiled = False

    def read(self, raw: msgspec.Raw, *, final: bool) -> None:
        """One report. ``final``: it comes with the end, so that it counts the whole output. Never raises."""
        text = bytes(raw)
        if text in (b"", b"null"):
            return
        try:
            said = _decoder.decode(text)
        except (ValueError, RecursionError):
            self._spoiled = True
            return
        self._has_prompt |= said.input_tokens is not None
        self._has_output |= final and said.output_tokens is not None
        for name, figure in _figures(said).items():
            self._counts[name] = max(self._counts[name], figure)
        self._tier = _read_tier(said) or self._tier

    @property
    def usage(self) -> Usage | None:
        """None where a part of it was not told, or made no sense."""
        if self._spoiled or not (self._has_prompt and self._has_output):
            return None
        counts = self._counts
        return Usage(
            prompt_tokens=counts["prompt"] + counts["written"] + counts["read"],
            completion_tokens=max(counts["output"], counts["thought"]),
            cached_tokens=counts["read"],
            cache_write_tokens=counts["written"],
            cache_write_1h_tokens=counts["written_1h"],
            reasoning_tokens=counts["thought"],
            service_tier=_SEARCHED if counts["searched"] else self._tier,  # billed by itself: a tier that none knows
        )


def _figures(said: _Usage) -> dict[str, int]:
    written = said.cache_creation or _Written()
    written_5m, written_1h = written.ephemeral_5m_input_tokens or 0, written.ephemeral_1h_input_tokens or 0
    return {
        "prompt": said.input_tokens or 0,
        "output": said.output_tokens or 0,
        "read": said.cache_read_input_tokens or 0,
        "written": max(said.cache_creation_input_tokens or 0, written_5m + written_1h),
        "written_1h": written_1h,
        "thought": (said.output_tokens_details or _Details()).thinking_tokens or 0,
        "searched": (said.server_tool_use or _Server()).web_search_requests or 0,
    }


def _read_tier(said: _Usage) -> str:
    """How it was served, empty for the usual way. What is fast, or of one country alone (``inference_geo=us``), is
    dearer: they are tiers as others are. Two at once are one that no price says.
    """
    told = [name for name in (said.speed, said.service_tier) if not _is_plain(name)]
    if not _is_plain(said.inference_geo):
        told.append(f"inference_geo={said.inference_geo}")
    tier = "+".join(map(str, told))
    return "unreadable" if tier and not _TIER.fullmatch(tier) else tier


def _is_plain(name: object) -> bool:
    return name is None or (isinstance(name, str) and name in _PLAIN)
