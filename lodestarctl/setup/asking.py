"""Questions of a few kinds, and what counts as an answer to each.

Law: where nobody can answer, the default is the answer; what can't be understood is asked again.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from lodestarctl.setup.terminal import Terminal

T = TypeVar("T")
YES, NO = ("y", "yes"), ("n", "no")


def agree(terminal: Terminal, question: str, *, default: bool) -> bool:
    """Yes or no."""
    if not terminal.interactive:
        return default
    while True:
        answer = terminal.ask(f"{question} [{'Y/n' if default else 'y/N'}]").lower()
        if not answer:
            return default
        if answer in (*YES, *NO):
            return answer in YES
        terminal.say("Please answer y or n.", "warn")


def ask_for(terminal: Terminal, question: str, read: Callable[[str], T], default: T) -> T:
    """What ``read`` makes of the answer; Enter is ``default``. ``read`` raises ``ValueError`` with a sentence."""
    if not terminal.interactive:
        return default
    while True:
        answer = terminal.ask(question)
        if not answer:
            return default
        try:
            return read(answer)
        except ValueError as error:
            terminal.say(f"Expected {error}.", "warn")


def choose(terminal: Terminal, question: str, rows: Sequence[tuple[str, str]], default: int) -> int:
    """Which of ``rows`` (what may be typed for it, and what it is); Enter is the one at ``default``."""
    if not terminal.interactive:
        return default
    for letter, what in rows:
        terminal.line(f"{letter:>2}  {what}")
    letters = [letter for letter, _ in rows]

    def read(answer: str) -> int:
        if answer.lower() not in letters:
            raise ValueError(f"one of {', '.join(letters)}")
        return letters.index(answer.lower())

    return ask_for(terminal, f"{question} [{letters[default]}]", read, default)
