"""The providers that setup knows by name, and what a key of theirs looks like. Pure.

Law: a form can only warn, for providers change it; what no header can carry is refused. No message repeats a key.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

_USABLE = re.compile(r"[!-~]+")
MOST_CHARACTERS = 4_096
FEW_CHARACTERS = 16
QUOTES = "\"'`"


class Offered(NamedTuple):
    """A model by the name that clients know it by. What it writes at the most bounds what is held for a request."""

    alias: str
    model: str
    max_output_tokens: int


class Provider(NamedTuple):
    """``models`` are offered where the configuration has none of this provider yet; ``auto`` weighs the first one.

    ``probe`` is the path that answers to a good key alone, and costs nothing.
    """

    name: str
    dialect: str
    url: str
    prefix: str
    keys_at: str
    models: tuple[Offered, ...] = ()
    probe: str = "/models"


PROVIDERS = (
    Provider(
        "anthropic",
        "anthropic",
        "https://api.anthropic.com/v1",
        "sk-ant-",
        "console.anthropic.com, API keys",
        (
            Offered("claude-sonnet", "claude-sonnet-4-5-20250929", 64_000),
            Offered("claude-opus", "claude-opus-4-5-20251101", 64_000),
        ),
    ),
    Provider(
        "openai",
        "openai",
        "https://api.openai.com/v1",
        "sk-",
        "platform.openai.com, API keys",
        (Offered("gpt-4o-mini", "gpt-4o-mini", 16_384), Offered("gpt-4o", "gpt-4o", 16_384)),
    ),
    Provider("xai", "openai", "https://api.x.ai/v1", "xai-", "console.x.ai, API keys"),
    Provider(
        "gemini",
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta",
        "AIza",
        "aistudio.google.com, API keys",
        (Offered("gemini-pro", "gemini-1.5-flash", 8_192),),
    ),
    Provider("openrouter", "openai", "https://openrouter.ai/api/v1", "sk-or-", "openrouter.ai, Keys", probe="/key"),
)
BY_NAME = {provider.name: provider for provider in PROVIDERS}
ONLY_IF_CONFIGURED = frozenset({"openrouter"})


def upstream_of(provider: Provider, upstreams: Mapping[str, Any]) -> str:
    """The configured upstream that is this provider's, by its name or by its host; empty where there is none."""
    if provider.name in upstreams:
        return provider.name
    host = urlsplit(provider.url).hostname
    tables = {name: table for name, table in upstreams.items() if isinstance(table, Mapping)}
    return next((name for name, table in tables.items() if _host(str(table.get("url", ""))) == host), "")


def known_to(upstreams: Mapping[str, Any]) -> tuple[Provider, ...]:
    """The providers that are offered with this configuration."""
    return tuple(
        provider
        for provider in PROVIDERS
        if provider.name not in ONLY_IF_CONFIGURED or upstream_of(provider, upstreams)
    )


def read_key(text: str) -> str:
    """What was typed or pasted, without white space and quotes around it. Raises ``ValueError`` with a sentence."""
    key = text.strip()
    if len(key) > 1 and key[0] == key[-1] and key[0] in QUOTES:
        key = key[1:-1].strip()
    if not key:
        raise ValueError("it is empty")
    if any(char.isspace() for char in key):
        raise ValueError("it has spaces or line breaks in it, so more than the key was pasted")
    if not _USABLE.fullmatch(key):
        raise ValueError("it has characters that no key has")
    if len(key) > MOST_CHARACTERS:
        raise ValueError("it is longer than a key can be")
    return key


def doubts_about(provider: Provider, key: str) -> str:
    """Why this may be another's key; empty where it looks right."""
    others = (other for other in PROVIDERS if other is not provider and key.startswith(other.prefix))
    longer = next((other for other in others if len(other.prefix) > len(provider.prefix)), None)
    if longer is not None:
        return f"It begins like a key of {longer.name}."
    if not key.startswith(provider.prefix):
        return f"Keys of {provider.name} usually begin with {provider.prefix}; this one does not."
    return "It is shorter than keys usually are." if len(key) < FEW_CHARACTERS else ""


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
