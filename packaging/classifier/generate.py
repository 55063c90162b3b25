"""Prompts with their kind and hardness, made from phrases: what the classifier learns from.

The same seed makes the same prompts. Their wording is our own, and apart from the hand-written ones in
``tests/data/tasks``, on which the classifier is judged: a test compares them.
"""

import random
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snippets import MADE

HERE = Path(__file__).parent
SEED = 20261126
PHRASES = ("making", "thinking", "texts", "more")
PER_KIND = 520
SHARES = {"easy": 0.4, "medium": 0.45, "hard": 0.15}
WITH_SPEAKER = 0.22
BARE = 0.45
_SLOT = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}")
_BEFORE = (
    "please ",
    "Please, ",
    "hi, ",
    "Hello! ",
    "hey, ",
    "can you help? ",
    "I need help. ",
    "pls ",
    "ok so ",
    "quick question: ",
    "Could you ",
)
_AFTER = (" please", " thanks", " pls", "?", ".", "!", " thx in advance", " asap", " Be brief.", " Thank you!", " :)")
_FOLLOWED = (
    "",
    "",
    "",
    "\n",
    "\n\nIt is for work.",
    "\n\nI am a beginner.",
    "\n\nKeep it short.",
    "\n\nUse English.",
)


@dataclass(frozen=True)
class Prompt:
    """``phrase`` is what it was made from: folds of a validation never share one."""

    kind: str
    hardness: str
    text: str
    phrase: str
    system: str = ""
    tools: tuple[str, ...] = ()
    format: str = "text"


def read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / name).read_text())


WORDS = read_toml("words.toml")
SPEAKERS = read_toml("phrases/speakers.toml")["speakers"]


def read_phrases() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for name in PHRASES:
        for kind, levels in read_toml(f"phrases/{name}.toml").items():
            for level, phrases in levels.items():
                found.setdefault(kind, {}).setdefault(level, []).extend(phrases)
    return found


def fill(phrase: str, dice: random.Random) -> str:
    """The phrase with its slots filled; what a slot is filled with may have slots too."""

    def choose(match: re.Match[str]) -> str:
        slot = match[1]
        if slot is None:
            return match[0][0]
        made = MADE.get(slot)
        return made(dice) if made else fill(dice.choice(WORDS[slot]), dice)

    return _SLOT.sub(choose, phrase)


def roughen(text: str, dice: random.Random) -> str:
    """As people type: something polite around it, no capitals, a slip of the finger."""
    chance = dice.random()
    if chance < 0.12:
        text = dice.choice(_BEFORE) + text[:1].lower() + text[1:]
    elif chance < 0.24 and "\n" not in text:
        text = text.rstrip(".?!") + dice.choice(_AFTER)
    if dice.random() < 0.2:
        text = text.lower()
    if dice.random() < 0.15:
        at = dice.randrange(max(1, min(len(text) - 1, 60)))
        text = text[:at] + dice.choice((text[at + 1 : at + 2], text[at : at + 2][::-1])) + text[at + 2 :]
    return text + dice.choice(_FOLLOWED) if dice.random() < 0.3 else text


def _speakers_of(kind: str) -> list[dict[str, Any]]:
    return [speaker for speaker in SPEAKERS if not speaker["kinds"] or kind in speaker["kinds"]]


def make_prompt(kind: str, phrases: dict[str, list[str]], dice: random.Random) -> Prompt:
    levels = [level for level in SHARES if phrases.get(level)]
    (hardness,) = dice.choices(levels, [SHARES[level] for level in levels])
    phrase = dice.choice(phrases[hardness])
    if dice.random() >= WITH_SPEAKER:
        return Prompt(kind, hardness, roughen(fill(phrase, dice), dice), phrase)
    speaker = dice.choice(_speakers_of(kind))
    if "bare" in speaker and dice.random() < BARE:
        phrase, hardness = speaker["bare"], dice.choice(("easy", "medium"))
    tools = tuple(speaker.get("tools", ()))
    text = roughen(fill(phrase, dice), dice)
    return Prompt(kind, hardness, text, phrase, fill(speaker["text"], dice), tools, speaker.get("format", "text"))


def make_prompts(seed: int = SEED, per_kind: int = PER_KIND) -> Iterator[Prompt]:
    """``per_kind`` prompts of each kind that has phrases, in the same order each time."""
    for kind, phrases in read_phrases().items():
        dice = random.Random(f"{seed} {kind}")
        for _ in range(per_kind):
            yield make_prompt(kind, phrases, dice)


if __name__ == "__main__":
    import sys

    for prompt in make_prompts(per_kind=int(sys.argv[1]) if len(sys.argv) > 1 else 3):
        print(f"--- {prompt.kind} {prompt.hardness} {prompt.system[:60]!r}\n{prompt.text}\n")
