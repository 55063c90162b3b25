"""A person who answers ``lodestarctl setup`` from a script, and remembers all that was said."""

from collections.abc import Iterable

from lodestarctl.render.blocks import Tone
from lodestarctl.setup.terminal import LeftError


class ScriptedTerminal:
    """``answers`` are given in turn, to questions and for keys alike; after the last one the person has gone."""

    def __init__(self, answers: Iterable[str] = (), *, interactive: bool = True) -> None:
        self.interactive = interactive
        self.answers = list(answers)
        self.said: list[str] = []
        self.asked: list[str] = []

    def say(self, text: str, tone: Tone = "", *, next_: str = "") -> None:
        self.said += [text, *([next_] if next_ else [])]

    def title(self, text: str) -> None:
        self.said.append(f"# {text}")

    def line(self, text: str) -> None:
        self.said.append(text)

    def ask(self, question: str) -> str:
        assert self.interactive, f"asked without anybody there: {question}"
        self.asked.append(question)
        if not self.answers:
            raise LeftError
        return self.answers.pop(0).strip()

    def secret(self, question: str) -> str:
        assert self.interactive, f"asked without anybody there: {question}"
        self.asked.append(question)
        if not self.answers:
            raise LeftError
        return self.answers.pop(0)

    @property
    def text(self) -> str:
        return "\n".join(self.said)
