"""Estimates of prompts, by target: a ratio of tokens to weighted bytes that is learned from what upstreams count.

Law: before anything was learned of a model, that of its family is assumed; how far the last estimates were off is
known. Changed in sync code only; no tokenizer, and nothing is fetched.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from lodestard.domain.request import ImagePart, Request
from lodestard.domain.token_ports import TokenAccuracy
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Usage
from lodestard.tokens.basis import basis_bytes
from lodestard.tokens.families import ratio_of

IMAGE_TOKENS = 600
WINDOW = 64
OFTEN = 16
"""So many answers teach each on its own; then every so-manieth does, for weighing a prompt has a price."""

LEARN_BASIS_BYTES = 400
"""Below it, what a template says of its own tells more of the template than of the text."""

LEAST_RATIO, MOST_RATIO = 0.08, 1.2
MOST_TARGETS = 256
VERSION = 1


class Learned(msgspec.Struct):
    """What one target taught: its last ratios, and by how much (a share) each estimate had been off before."""

    ratios: deque[float] = msgspec.field(default_factory=lambda: deque(maxlen=WINDOW))
    errors: deque[float] = msgspec.field(default_factory=lambda: deque(maxlen=WINDOW))
    seen: int = 0


class Saved(msgspec.Struct, frozen=True):
    """The form on disk: ratios and errors by target."""

    version: int
    targets: dict[str, tuple[list[float], list[float]]]


class Estimator:
    """What a prompt is likely to count for at a target. Implements ``domain.token_ports.TokensPort``."""

    def __init__(self, learned: bytes = b"") -> None:
        """``learned`` is what ``dump`` once gave; what can't be read is nothing."""
        self._targets: OrderedDict[str, Learned] = OrderedDict()
        for name, (ratios, errors) in _read(learned).items():
            kept = self._targets[name] = Learned()
            kept.ratios.extend(filter(_makes_sense, ratios))
            kept.errors.extend(error for error in errors if 0 <= error < MOST_RATIO / LEAST_RATIO)
            kept.seen = len(kept.ratios)

    def estimate(self, target: Target, request: Request) -> int:
        """The prompt's tokens, most likely."""
        parts = (part for message in request.conversation.messages for part in message.parts)
        images = sum(isinstance(part, ImagePart) for part in parts)
        return round(basis_bytes(request) * self.ratio(target)) + IMAGE_TOKENS * images

    def ratio(self, target: Target) -> float:
        """Tokens to a weighted byte: the median of what was learned, or what is assumed of its family."""
        known = self._targets.get(str(target))
        return median(known.ratios) if known is not None and known.ratios else ratio_of(target.model)

    def learn(self, target: Target, request: Request, usage: Usage | None) -> None:
        """What ``target`` counted for the prompt of ``request``. Prompts with images and short ones teach nothing."""
        known = self._targets.get(str(target))
        if known is not None:
            known.seen += 1
            if known.seen > WINDOW and known.seen % OFTEN:
                return
        if usage is None or request.has_images:
            return
        basis = basis_bytes(request)
        ratio = usage.prompt_tokens / basis
        if basis < LEARN_BASIS_BYTES or not _makes_sense(ratio):
            return
        if known is None:
            known = self._make_room(str(target))
        known.errors.append(abs(basis * self.ratio(target) - usage.prompt_tokens) / usage.prompt_tokens)
        known.ratios.append(ratio)

    def accuracy(self, target: Target) -> TokenAccuracy | None:
        """How good estimates for ``target`` have been; None before anything was learned."""
        known = self._targets.get(str(target))
        if known is None or not known.errors:
            return None
        return TokenAccuracy(samples=len(known.errors), error=median(known.errors), worst=max(known.errors))

    def dump(self) -> bytes:
        """All that was learned."""
        targets = {
            name: ([_short(ratio) for ratio in known.ratios], [_short(error) for error in known.errors])
            for name, known in self._targets.items()
        }
        return msgspec.json.encode(Saved(VERSION, targets))

    def _make_room(self, name: str) -> Learned:
        while len(self._targets) >= MOST_TARGETS:
            self._targets.popitem(last=False)
        known = self._targets[name] = Learned(seen=1)
        return known


def median(values: Iterable[float]) -> float:
    """The middle one; of an even number the upper of the two."""
    ordered: Sequence[float] = sorted(values)
    return ordered[len(ordered) // 2]


def _makes_sense(ratio: float) -> bool:
    """Outside, a count is not of the whole prompt, or of another one."""
    return LEAST_RATIO <= ratio <= MOST_RATIO


def _short(figure: float) -> float:
    return round(figure, 4)


def _read(learned: bytes) -> Mapping[str, tuple[list[float], list[float]]]:
    if not learned:
        return {}
    try:
        saved = msgspec.json.decode(learned, type=Saved)
    except (ValueError, RecursionError):
        return {}
    return saved.targets if saved.version == VERSION else {}
