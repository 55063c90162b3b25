"""What an upstream's address tells of its provider.

Law: a guess that may be wrong is never one that makes something cheaper.
"""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from lodestard.domain.settings import Upstream

_XAI = "x-ai"
_XAI_HOST = "api.x.ai"
_LEAST_OF_RESPONSES = 16
"""OpenAI's API reference, "Create a model response": its Responses API refuses a lower ``max_output_tokens``."""


def may_be_listed(upstream: Upstream) -> bool:
    """Whether a public price list can know what it costs: it is neither free nor in one's own network."""
    return not upstream.free and (bool(upstream.price_provider) or not is_own(upstream.url))


def is_own(url: str) -> bool:
    """Whether it is a machine in one's own network."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host


_OWN_NAMES = (".local", ".lan", ".home.arpa", ".internal", ".localhost")
_CLOUD = re.compile(r"[:-]cloud$")


def stays_in_lan(upstream: Upstream, model: str) -> bool:
    """Whether what is sent to a model stays in the local network. What nobody can tell leaves it.

    An Ollama server hands models whose names end in "-cloud" on to Ollama's own machines, whatever is configured.
    """
    if upstream.dialect == "ollama" and _CLOUD.search(model):
        return False
    if upstream.lan is not None:
        return upstream.lan
    host = (urlsplit(upstream.url).hostname or "").rstrip(".").lower()
    return is_own(upstream.url) or host.endswith(_OWN_NAMES)


def reasons_beside(upstream: Upstream) -> bool:
    """Whether its provider bills reasoning beside the limit that a request names: xAI does."""
    if upstream.price_provider:
        return upstream.price_provider == _XAI
    return urlsplit(upstream.url).hostname == _XAI_HOST


def least_output_tokens(upstream: Upstream) -> int:
    """The lowest output limit that it takes."""
    return _LEAST_OF_RESPONSES if upstream.api == "responses" else 1
