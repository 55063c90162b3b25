"""What a prompt says of cards and quick switches: a few words while there is something to say. Pure.

Law: the words are letters, digits, blanks and ``. _ - : /`` alone, so that the file can be read without a parser.
"""

import re
from collections.abc import Iterator, Sequence

from lodestard.domain.residency import HostState
from lodestard.domain.switch import Switch
from lodestard.runtime import Runtime

SWITCHING = ("draining", "unloading", "loading")
HOSTS_MOST = 2
NAME_MOST = 24
_OTHER = re.compile(r"[^A-Za-z0-9 ._:/-]")


def read_card(runtime: Runtime) -> str:
    """What is to be said now."""
    residency = runtime.residency
    return "" if residency is None else say_cards([residency.state(host) for host in residency.hosts])


def say_cards(states: Sequence[HostState]) -> str:
    """``t600 loading deepseek-coder 4s``; of several hosts those that have something to tell."""
    told = [f"{state.host} {text}" for state in states if (text := " ".join(_words(state)))]
    return _OTHER.sub("", " - ".join(told[:HOSTS_MOST]))


def _words(state: HostState) -> Iterator[str]:
    if state.step in SWITCHING:
        yield state.step
        yield short_name(state.step_model)
        if state.step_left_s is not None:
            yield f"{max(1, round(state.step_left_s))}s"
    elif waiting := count_waiting(state):
        yield f"{waiting} waiting"


def count_waiting(state: HostState) -> int:
    return sum(place.state == "waiting" for place in state.places)


def short_name(model: str) -> str:
    """A model's name without who made it and which size it has: ``hf.co/x/deepseek-coder:6.7b`` → deepseek-coder."""
    return model.rpartition("/")[2].partition(":")[0][:NAME_MOST]


def say_switches(switches: Sequence[Switch]) -> str:
    """``gpt-4o`` while it is asked in place of all, ``gpt-4o web`` in place of a project's; the widest one alone."""
    return _OTHER.sub("", f"{switches[-1].alias} {switches[-1].of}".strip()) if switches else ""
