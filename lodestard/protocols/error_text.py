"""What an upstream says about its failures, made fit for a person's eyes.

Law: nothing that looks like a key passes, control characters neither, and a page of HTML is not quoted.
"""

import math
import re
from collections.abc import Mapping

from lodestard.domain.errors import CallerFault, Code

_CONTEXT = re.compile(
    r"\bexceed\w*\b.*\bcontext\b|\bcontext\b(?! deadline\b).*\bexceed|\bmaximum (?:context|prompt) length is\b"
    r"|\b(?:larger|longer) than the (?:max\w* |model's )?context\b"
    r"|\binput token count\b.*\bexceeds\b|\bprompt is too long\b",
    re.IGNORECASE | re.DOTALL,
)

MAX_SHOWN_CHARS = 600
MAX_WAIT_S = 86_400.0
CONTEXT_SENTENCE = "This model's maximum context length is"
"""How OpenAI begins this refusal; Aider and others know it by these words."""

_KEY = re.compile(
    r"\b(?:(?:sk|xai|gsk|pk|rk|hf|r8|nvapi|pplx|fw|csk|tgp)[-_]|AIza|ya29\.)[A-Za-z0-9_\-*.•…]{6,}"
    r"|\bBearer\s+\S+"
    r"|(?<=key=)[^\s&\"']+"
    r"|(?<=key provided: )\S+"
    r"|\b(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{32,}\b",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_DELAY = re.compile(r"(\d{1,5}(?:\.\d{1,9})?)s")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


def shown(text: str) -> str:
    """One short line: keys masked, control characters gone. Never empty."""
    text = text[: 16 * MAX_SHOWN_CHARS].strip()
    if text[:1] == "<":
        title = _TITLE.search(text)
        text = f"(a web page: {title[1].strip()})" if title else "(a web page)"
    text = " ".join(_CONTROL.sub(" ", mask_keys(text)).split())
    if len(text) > MAX_SHOWN_CHARS:
        text = text[: MAX_SHOWN_CHARS - 1] + "…"
    return text or "(it gave no reason)"


def mask_keys(text: str) -> str:
    """``text`` with all that looks like a key replaced by ``[key]``."""
    return _KEY.sub("[key]", text)


def says_too_long(text: str) -> bool:
    """Whether these are the words of a server whose context is too small for the prompt."""
    return _CONTEXT.search(text) is not None


def context_fault(said: str) -> CallerFault:
    """The prompt is too long; ``said`` is the provider's own sentence, as ``shown`` gives it."""
    text = said
    if not said.startswith(CONTEXT_SENTENCE):
        text = f"{CONTEXT_SENTENCE} exceeded by this request. The server says: {said}"
    fault = CallerFault(Code.CONTEXT_LENGTH_EXCEEDED, text, param="messages")
    fault.said = said
    return fault


def read_delay_s(details: object) -> float | None:
    """Google's ``[{retryDelay: "34s"}]`` in seconds; at its compatible endpoint too."""
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and (seconds := _DELAY.fullmatch(delay)):
            return min(float(seconds[1]), MAX_WAIT_S)
    return None


def read_wait_s(headers: Mapping[str, str]) -> float | None:
    """``retry-after-ms`` or ``retry-after`` in seconds; one that is a date is not read (it needs a clock)."""
    for name, per_s in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            wait_s = float(headers.get(name, "")) / per_s
        except ValueError:
            continue
        if math.isfinite(wait_s) and wait_s >= 0:
            return min(wait_s, MAX_WAIT_S)
    return None
