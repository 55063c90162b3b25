"""A model in memory while a host is rolled forward in thought. Owner: one ``Roll``."""

from math import inf
from typing import Literal

import msgspec

from lodestard.residency.view import INTERACTIVE, Resident, Running, Waiter

Known = Literal["", "kin", "warm"]
"""What is cached of a prompt: nothing, the beginning of another one of its work, its conversation."""


class Tenancy:
    """As the card keeps it: who is answered, and which conversations its slots still know."""

    __slots__ = ("_awaited_s", "_begun", "_cached", "_resident", "_streak", "_used_s", "_works", "running")

    def __init__(self, resident: Resident) -> None:
        self._resident = resident
        self._cached = list(resident.cached)
        self._works = list(resident.works)
        self._streak = resident.streak
        self._begun = resident.begun
        self._used_s = resident.used_s
        self._awaited_s = resident.awaited_s
        self.running = {running.id: running for running in resident.running}

    @classmethod
    def fresh(cls, model: str, parallel: int, now_s: float, *, awaited: bool = False) -> "Tenancy":
        """It has just been loaded; ``awaited``: for somebody at a screen."""
        awaited_s = now_s if awaited else -inf
        return cls(Resident(model=model, parallel=parallel, since_s=now_s, used_s=now_s, awaited_s=awaited_s))

    def begin(self, waiter: Waiter, now_s: float) -> Known:
        """A request takes a place, and its conversation the slot used longest ago. What was cached of it."""
        conversation, cached = waiter.conversation, self._cached
        known = self._know(waiter)
        self._begun += 1
        self._streak = self._streak + 1 if conversation and cached[-1:] == [conversation] else 1
        if conversation in cached:
            cached.remove(conversation)
        elif len(cached) >= self._resident.parallel:
            del cached[0]
        cached.append(conversation)
        self.running[waiter.id] = Running(
            id=waiter.id,
            urgency=waiter.urgency,
            principal=waiter.principal,
            conversation=conversation,
            started_s=now_s,
            prompt_tokens=waiter.prompt_tokens,
            output_tokens=waiter.output_tokens,
            work=waiter.work,
        )
        self._works = [*self._works, waiter.work][-self._resident.parallel :]
        return known

    def _know(self, waiter: Waiter) -> Known:
        if waiter.conversation and waiter.conversation in self._cached:
            return "warm"
        return "kin" if waiter.work and waiter.work in self._works else ""

    def end(self, number: int, now_s: float) -> Running | None:
        """A request has been answered. None where it had been stopped before."""
        ended = self.running.pop(number, None)
        if ended is not None:
            self._used_s = now_s
            if ended.urgency == INTERACTIVE:
                self._awaited_s = now_s
        return ended

    def frozen(self) -> Resident:
        """As the planner sees it."""
        return msgspec.structs.replace(
            self._resident,
            running=tuple(self.running.values()),
            begun=self._begun,
            used_s=self._used_s,
            awaited_s=self._awaited_s,
            cached=tuple(self._cached),
            works=tuple(self._works),
            streak=self._streak,
        )
