"""Plain answers: words drawn from the prompt's own hash, in the register that the prompt asks for.

Law: the same prompt, seed and index give the same words; there is no other source of chance.
"""

import hashlib
import re

from lodestard.simulator.answering.question import Question

_SENTENCES = (
    "The short answer depends on what you measure first.",
    "Start with the smallest case and check that it holds.",
    "Two parts matter here: the input and the order of the steps.",
    "Keep the state in one place and pass the rest as values.",
    "A good next step is to write down what must never happen.",
    "Most of the cost is in the waiting, not in the work.",
    "If it fails, fail early and say what was expected.",
    "That is enough for the common case; the rest is a matter of taste.",
    "Compare the result with one that was worked out by hand.",
    "The same holds for larger inputs, only slower.",
)
_NAMES = ("total", "value", "items", "result", "count", "limit")
_CODE_HINT = re.compile(r"\b(code|function|python|def|class|script|implement|bug|refactor)\b", re.IGNORECASE)
_LIST_HINT = re.compile(r"\b(list|steps|enumerate|bullet|ways|reasons|plan)\b", re.IGNORECASE)


def digest_of(question: Question, salt: str = "") -> bytes:
    """32 bytes that stand for the question; every choice is drawn from them."""
    parts = (question.model, str(question.seed), str(question.index), question.last_user, salt)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def plain_answer(question: Question) -> str:
    """A short answer that says where it comes from."""
    draw = digest_of(question)
    asked = question.last_user
    opening = f"[simulated {question.model}] {_subject(asked)}"
    if _CODE_HINT.search(asked):
        return f"{opening}\n\n{_code(draw)}"
    if _LIST_HINT.search(asked):
        return f"{opening}\n\n" + "\n".join(f"{n}. {line}" for n, line in enumerate(_sentences(draw, 3), 1))
    return f"{opening} " + " ".join(_sentences(draw, 2 + draw[31] % 3))


def thoughts(question: Question) -> str:
    """What a thinking model thinks before it answers."""
    return "The user wants an answer. " + " ".join(_sentences(digest_of(question, "thinking"), 2))


def infill(question: Question) -> str:
    """What stands between a prefix and a suffix."""
    name = _NAMES[digest_of(question)[0] % len(_NAMES)]
    return f"    return {name}\n"


def _subject(asked: str) -> str:
    words = asked.split()
    if not words:
        return "You asked nothing, so here is a thought."
    heard = " ".join(words[:12])
    return f"You asked: {heard[:80]}{' …' if len(words) > 12 else ''}"


def _sentences(draw: bytes, count: int) -> list[str]:
    start = draw[0] % len(_SENTENCES)
    step = 1 + 2 * (draw[1] % 2)
    return [_SENTENCES[(start + step * n) % len(_SENTENCES)] for n in range(count)]


def _code(draw: bytes) -> str:
    name = _NAMES[draw[2] % len(_NAMES)]
    limit = draw[3]
    return (
        f"```python\ndef keep_{name}(numbers: list[int]) -> list[int]:\n"
        f'    """The numbers that are at most {limit}."""\n'
        f"    return [number for number in numbers if number <= {limit}]\n```"
    )
