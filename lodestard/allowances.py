"""How much each provider still takes, by what it told in its answers; and waiting for it, ahead of a refusal.

Law: learned, never configured; a provider that tells nothing is never waited for, nor is a limit on what nobody can
foresee (its refusal is heeded then). What was told is taken to refill evenly until its reset, as token buckets do,
and what has been sent since counts as used. Whoever would wait longer than the upstream's ``limit_wait_s`` is sent on
to the next candidate at once. Changed in sync code only; it outlives every generation, as the limits do.
"""

from collections.abc import Iterable, Iterator

import msgspec
import trio

from lodestard.domain.errors import Code, Fault, UpstreamFault
from lodestard.domain.upstream import Target
from lodestard.protocols.rate_limits import Told, Unit, read_limits

TOO_MANY_REQUESTS = 429
MOST_TARGETS = 512
MOST_KINDS = 16
MOST_WAIT_S = 3_600.0
A_MINUTE_S = 60.0
LEAST_RESET_S = 0.01
_SOON_S = 0.001


class Bucket(msgspec.Struct):
    """One limit: ``remaining`` is what could be used at ``at_s``, and ``rate`` how much a second comes back."""

    unit: Unit
    limit: int
    remaining: float
    rate: float
    at_s: float

    @classmethod
    def of(cls, told: Told, now_s: float) -> "Bucket":
        """As it was just told. How fast a full one comes back nobody tells: its limit a minute is usual."""
        used = told.limit - told.remaining
        rate = used / max(told.reset_s, LEAST_RESET_S) if used > 0 else told.limit / A_MINUTE_S
        return cls(told.unit, told.limit, told.remaining, rate, now_s)

    def left(self, now_s: float) -> float:
        """What may be used now."""
        return min(self.limit, self.remaining + self.rate * (now_s - self.at_s))

    def wait_s(self, wanted: int, now_s: float) -> float:
        """How long until ``wanted`` may be used. More than the limit is never there: the limit will do."""
        return max(0.0, min(wanted, self.limit) - self.left(now_s)) / self.rate

    def use(self, wanted: int, now_s: float) -> None:
        """Count ``wanted`` as used from now on."""
        self.remaining = self.left(now_s) - wanted
        self.at_s = now_s


class Standing(msgspec.Struct):
    """What is known of one target. ``until_s``: it asked to be left alone until then. ``under_way``: sent, and not
    answered yet."""

    buckets: dict[str, Bucket] = {}
    until_s: float = 0.0
    under_way: int = 0

    def wait_s(self, tokens: int, now_s: float) -> float:
        waits = [bucket.wait_s(wanted, now_s) for bucket, wanted in self._wants(tokens)]
        return max(self.until_s - now_s, 0.0, *waits)

    def use(self, tokens: int, now_s: float) -> None:
        for bucket, wanted in self._wants(tokens):
            bucket.use(wanted, now_s)

    def _wants(self, tokens: int) -> Iterator[tuple[Bucket, int]]:
        """What a request whose prompt has so many tokens takes, as far as that can be foreseen."""
        for bucket in self.buckets.values():
            if bucket.unit != "counted":
                yield bucket, 1 if bucket.unit == "requests" else tokens

    def learn(self, told: Told, now_s: float) -> None:
        """What was told. What others under way use may not be counted there yet: then the lower figure holds."""
        known, bucket = self.buckets.get(told.kind), Bucket.of(told, now_s)
        if known is not None and self.under_way > 1 and known.limit == told.limit:
            bucket.remaining = min(bucket.remaining, known.left(now_s))
        if known is not None or len(self.buckets) < MOST_KINDS:
            self.buckets[told.kind] = bucket


class Turn:
    """One request's, from its sending until it is answered. Whoever took it ends it."""

    __slots__ = ("_standing",)

    def __init__(self, standing: Standing) -> None:
        standing.under_way += 1
        self._standing = standing

    def end(self) -> None:
        self._standing.under_way -= 1


class Allowances:
    """By target: providers limit each model apart. Owner of all of it."""

    def __init__(self) -> None:
        self._known: dict[Target, Standing] = {}

    def knows(self, target: Target) -> bool:
        """Whether anything was ever told of it; otherwise nobody has to wait."""
        return target in self._known

    async def wait_turn(self, target: Target, tokens: int, patience_s: float) -> Turn | None:
        """Wait until a request may be sent whose prompt has so many tokens; None where nothing is known.

        Raises ``UpstreamFault(UPSTREAM_RATE_LIMITED)``, never sent, where that takes longer than ``patience_s``.
        """
        standing = self._known.get(target)
        if standing is None:
            return None
        deadline_s = trio.current_time() + patience_s
        while (wait_s := standing.wait_s(tokens, trio.current_time())) > 0:
            if trio.current_time() + wait_s > deadline_s:
                raise too_soon(target, wait_s)
            await trio.sleep(max(wait_s, _SOON_S))
        standing.use(tokens, trio.current_time())
        return Turn(standing)

    def learn(self, target: Target, fields: Iterable[tuple[str, str]], now_ms: int) -> None:
        """What an answer's header fields tell. ``now_ms``: unix time, for resets that are moments."""
        for told in read_limits(fields, now_ms):
            self._of(target).learn(told, trio.current_time())

    def heed(self, target: Target, fault: Fault) -> None:
        """A refusal that said how long to wait."""
        if isinstance(fault, UpstreamFault) and fault.status == TOO_MANY_REQUESTS and fault.retry_after_s:
            until_s = trio.current_time() + min(fault.retry_after_s, MOST_WAIT_S)
            standing = self._of(target)
            standing.until_s = max(standing.until_s, until_s)

    def left(self, target: Target) -> dict[str, tuple[int, int]]:
        """By kind of limit: what may be used now, and of how much. For people."""
        standing = self._known.get(target)
        now_s = trio.current_time()
        buckets = standing.buckets.items() if standing is not None else ()
        return {kind: (max(0, int(bucket.left(now_s))), bucket.limit) for kind, bucket in buckets}

    def _of(self, target: Target) -> Standing:
        standing = self._known.get(target)
        if standing is None:
            while len(self._known) >= MOST_TARGETS:
                del self._known[next(iter(self._known))]
            standing = self._known[target] = Standing()
        return standing


def too_soon(target: Target, wait_s: float) -> UpstreamFault:
    """The provider would refuse it now."""
    text = f"{target.upstream} takes no more of this for {wait_s:.3g} s, by the limits that it told."
    return UpstreamFault(
        Code.UPSTREAM_RATE_LIMITED, text, upstream=target.upstream, sent=False, billed=False, retry_after_s=wait_s
    )
