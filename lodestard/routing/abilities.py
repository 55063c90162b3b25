"""How able a model is, before anything was seen of its work: by the family that its name tells.

Law: a prior, and documented as one (``docs/routing.md``): a logit, the odds of a good answer to something of middling
hardness. Every figure can be said otherwise in ``[traits]``, and what was seen of a model's work outweighs all of it
after some dozens of answers. Pure.
"""

import re
from functools import lru_cache
from math import log2

import msgspec

CODE = frozenset(("code", "edit", "debug", "test", "autocomplete", "shell", "data"))
WORDS = frozenset(("chat", "summary", "docs", "translate", "extract", "commit", "explain"))
THOUGHT = frozenset(("maths", "plan", "debug", "review"))

_SIZE = re.compile(r"(?:^|[^\d.])(\d+(?:\.\d+)?)b(?![a-z])")


class Ability(msgspec.Struct, frozen=True):
    """``general`` is a logit; the others are added for work of that sort. ``images``: None where nobody knows."""

    general: float
    code: float = 0.0
    words: float = 0.0
    thought: float = 0.0
    images: bool | None = None

    def at(self, kind: str) -> float:
        """The logit for a kind of task."""
        return (
            self.general
            + (self.code if kind in CODE else 0.0)
            + (self.words if kind in WORDS else 0.0)
            + (self.thought if kind in THOUGHT else 0.0)
        )


# The first that is found in a model's name holds, so the narrower stand before the wider.
_FAMILIES: tuple[tuple[str, Ability], ...] = (
    (r"opus-?4|claude-opus", Ability(4.6, code=0.2, thought=0.2, images=True)),
    (r"sonnet-?4|sonnet-?5|claude-sonnet", Ability(4.2, code=0.3, images=True)),
    (r"claude-3[-.]7|claude-3[-.]5-sonnet", Ability(3.4, code=0.4, images=True)),
    (r"haiku-?4|haiku-?5", Ability(3.2, code=0.2, images=True)),
    (r"haiku", Ability(2.1, images=True)),
    (r"claude", Ability(3.2, images=True)),
    (r"gpt-5.*nano", Ability(2.0, images=True)),
    (r"gpt-5.*mini", Ability(3.3, thought=0.3, images=True)),
    (r"gpt-[5-9]|(?:^|/)o[3-9](?!.*mini)", Ability(4.4, thought=0.3, images=True)),
    (r"(?:^|/)o\d.*mini", Ability(3.3, words=-0.3, thought=0.5)),
    (r"gpt-4\.1-nano|gpt-4o-mini|gpt-4\.1-mini", Ability(2.0, images=True)),
    (r"gpt-4", Ability(3.0, images=True)),
    (r"gpt-3\.5", Ability(1.2, images=False)),
    (r"gpt-oss.*120b", Ability(2.9, thought=0.4, images=False)),
    (r"gpt-oss", Ability(2.1, thought=0.3, images=False)),
    (r"gemini-[2-9].*pro", Ability(4.1, thought=0.2, images=True)),
    (r"gemini-[2-9].*lite", Ability(2.1, images=True)),
    (r"gemini-[2-9].*flash", Ability(2.9, images=True)),
    (r"gemini.*flash", Ability(1.8, images=True)),
    (r"gemini", Ability(2.6, images=True)),
    (r"grok-[4-9]|grok.*code", Ability(3.9, images=True)),
    (r"grok", Ability(2.7)),
    (r"deepseek-coder-v2|qwen3-coder", Ability(1.8, code=0.7, words=-0.3, images=False)),
    (r"deepseek-coder", Ability(0.3, code=0.9, words=-0.4, images=False)),
    (r"deepseek-r1:(?:\d|1\d)b", Ability(0.9, thought=0.7, images=False)),
    (r"deepseek", Ability(3.4, thought=0.4, images=False)),
    (r"qwen.*coder", Ability(0.6, code=0.9, words=-0.3, images=False)),
    (r"codellama|codegemma|starcoder|granite-code|stable-code", Ability(-0.4, code=0.7, words=-0.6, images=False)),
    (r"codestral|devstral", Ability(1.5, code=0.7, words=-0.3, images=False)),
    (r"mistral-large|mistral-medium", Ability(2.9)),
    (r"llava|-vl\b|vision|moondream|minicpm-v", Ability(0.4, code=-0.8, images=True)),
    (r"embed|bge-|minilm", Ability(-6.0, images=False)),
)
_KNOWN = tuple([(re.compile(pattern), ability) for pattern, ability in _FAMILIES])
UNKNOWN = Ability(2.0)
"""A model of which the name tells nothing."""


@lru_cache(maxsize=8_192)
def assume_ability(model: str) -> Ability:
    """What is assumed of a model by its name, and by the size that it names ("llama3.1:8b")."""
    name = model.lower()
    sized = _SIZE.search(name)
    for pattern, ability in _KNOWN:
        if pattern.search(name):
            local = sized is not None and ability.general < 1.0
            return msgspec.structs.replace(ability, general=ability.general + _growth(sized)) if local else ability
    if sized is not None:
        return Ability(0.8 + _growth(sized), words=0.3)
    return UNKNOWN


def _growth(sized: re.Match[str] | None) -> float:
    """Twice the size of 7 billion weights is some half a logit."""
    size = float(sized[1]) if sized is not None else 7.0
    return max(-3.0, min(2.0, 0.55 * log2(max(size, 0.1) / 7.0)))
