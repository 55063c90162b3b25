"""What models take on one host, learned from what it says of its own work.

Law: only what means something is learned. Ollama counts cached tokens among those of a prompt, so that prefill is
learned from cold prompts alone; it omits what is zero, and a few milliseconds say more of its timer than of the card.
How long a load takes is what residency measured: an answer's own figure includes waiting and eviction. Owner of the
values: this object, in sync code.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from lodestard.domain.residency import Figure, ModelRates
from lodestard.domain.usage import Durations, Usage
from lodestard.residency.priors import UNLOAD_S, adapt, assume
from lodestard.residency.samples import Samples
from lodestard.residency.works import LEAST, MOST, Works, read_values

VERSION = 1
MOST_MODELS = 32
MOST_NAME_CHARS = 256
NS_PER_S = 1e9
SHORTEST_S, LONGEST_S = 0.02, 3_600.0
PREFILL_TOKENS, DECODE_TOKENS = 64, 8
"""Fewer tokens take a time that is mostly not theirs."""
DIGITS = 4
SCATTER: Mapping[str, float] = {
    "load_s": 0.3,
    "prefill_s": 0.25,
    "decode_s": 0.15,
    "tokens_per_byte": 0.15,
    "answer_tokens": 0.9,
}
UNLOAD_SCATTER = 0.4
OF_THE_HOST = ("load_s", "prefill_s", "decode_s")
"""What one model took says something of what another one will take."""
MOST_KNOWN = 256


class AnswerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What we know of a request that was answered. ``work`` is its kind (``Asked.work``). ``warm``: its
    conversation was cached; ``kin``: otherwise, but another request of its work was.

    ``tokens_per_byte`` is what its prompt came to (``fit.learn_ratio``), None where that teaches nothing.
    """

    tokens_per_byte: float | None = None
    warm: bool = False
    kin: bool = False
    work: str = ""


@dataclass(slots=True)
class _Model:
    """What is known of one. Every figure but the answer's length is a property of model and host, which may step."""

    size_bytes: int = 0
    mark: str = ""
    samples: dict[str, Samples] = field(default_factory=lambda: {kind: _samples(kind) for kind in SCATTER})


def _samples(kind: str, values: list[float] | None = None) -> Samples:
    return Samples(SCATTER[kind], values or (), steps=kind != "answer_tokens")


class Rates:
    """One host's learned figures."""

    def __init__(self) -> None:
        self._models: dict[str, _Model] = {}
        self._unload = Samples(UNLOAD_SCATTER)
        self._works = Works()
        self._known: dict[tuple[str, str], ModelRates] = {}

    # -- asking ------------------------------------------------------------------------------------------------

    def of(self, model: str, work: str = "", /) -> ModelRates:
        """What is thought of ``model``: learned where something was seen, assumed otherwise (``count`` 0).

        With ``work``, answers' length and shares are those of that kind of work.
        """
        if (known := self._known.get((model, work))) is not None:
            return known
        rates = self._for_work(model, work) if work else self._work_out(model)
        if len(self._known) < MOST_KNOWN:
            self._known[model, work] = rates
        return rates

    def _for_work(self, model: str, work: str) -> ModelRates:
        rates, works = self.of(model), self._works
        return msgspec.structs.replace(
            rates,
            answer_tokens=works.answer_tokens(model, work, rates.answer_tokens),
            kin_share=works.kin_share(model, work),
            warm_share=works.warm_share(model, work),
        )

    def _work_out(self, model: str) -> ModelRates:
        known = self._models.get(model) or _Model()
        assumed = assume(known.size_bytes)
        figures = {kind: self._figure(kind, known, getattr(assumed, kind)) for kind in SCATTER}
        unload_s = self._unload.figure() if len(self._unload) else UNLOAD_S
        return ModelRates(unload_s=unload_s, **figures)

    def _figure(self, kind: str, known: _Model, assumed: Figure) -> Figure:
        if len(known.samples[kind]):
            return known.samples[kind].figure()
        return adapt(assumed, list(self._ratios(kind))) if kind in OF_THE_HOST else assumed

    def _ratios(self, kind: str) -> Iterator[float]:
        """How the other models' figures compare to what had been assumed of them."""
        for other in self._models.values():
            if len(other.samples[kind]):
                yield other.samples[kind].figure().value / getattr(assume(other.size_bytes), kind).value

    # -- learning ----------------------------------------------------------------------------------------------

    def learn_load(self, model: str, seconds: float) -> None:
        """A load has taken so long, from asking for it to the model being listed."""
        if SHORTEST_S <= seconds <= LONGEST_S:
            self._add(model, "load_s", seconds)

    def learn_unload(self, seconds: float) -> None:
        """An unload has taken so long, until the server listed the model no more."""
        if 0 <= seconds <= LONGEST_S:
            self._unload.add(max(SHORTEST_S, seconds))
            self._known.clear()

    def learn_answer(self, model: str, usage: Usage, durations: Durations, facts: AnswerFacts) -> None:
        """What the host said of an answer that is whole."""
        prompt, answer = usage.prompt_tokens, usage.completion_tokens
        prefill_s, decode_s = durations.prefill_ns / NS_PER_S, durations.decode_ns / NS_PER_S
        if prompt >= PREFILL_TOKENS:
            self._learn_prefill(model, prefill_s / prompt, prefill_s, facts)
        if answer >= DECODE_TOKENS and decode_s >= SHORTEST_S:
            self._add(model, "decode_s", decode_s / answer)
        if not facts.warm and facts.tokens_per_byte is not None:
            self._add(model, "tokens_per_byte", facts.tokens_per_byte)
        if answer > 0:
            self._add(model, "answer_tokens", float(answer))
            self._works.learn("answer_tokens", model, facts.work, float(answer))
            self._known.clear()

    def _learn_prefill(self, model: str, each_s: float, prefill_s: float, facts: AnswerFacts) -> None:
        """The rate, of a prompt that was read whole; otherwise what part of it was read."""
        if not (facts.warm or facts.kin):
            if prefill_s >= SHORTEST_S:
                self._add(model, "prefill_s", each_s)
            return
        rate = self.of(model).prefill_s
        if rate.count:
            self._works.learn("warm_share" if facts.warm else "kin_share", model, facts.work, each_s / rate.value)

    def _add(self, model: str, kind: str, value: float) -> None:
        if LEAST <= value <= MOST:
            self._touch(model).samples[kind].add(value)
            self._known.clear()

    def _touch(self, model: str) -> _Model:
        """The entry of ``model``, as the latest one; the one not seen for longest makes room."""
        known = self._models.pop(model, None) or _Model()
        self._models[model] = known
        while len(self._models) > MOST_MODELS:
            del self._models[next(iter(self._models))]
        return known

    def note_size(self, model: str, size_bytes: int) -> None:
        """Its file has so many bytes: assumptions are scaled by them."""
        if 0 < size_bytes < MOST * MOST and getattr(self._models.get(model), "size_bytes", None) != size_bytes:
            self._touch(model).size_bytes = size_bytes
            self._known.clear()

    def note_mark(self, model: str, mark: str) -> None:
        """What its figures hold for: a short text of its digest and options. Another one forgets them."""
        known = self._models.get(model)
        if known is not None and known.mark not in ("", mark):
            self.forget(model)
        if mark and (known is None or known.mark != mark):
            self._touch(model).mark = mark[:MOST_NAME_CHARS]

    def forget(self, model: str) -> None:
        """It is not what it was: nothing of what was learned holds any more."""
        self._models.pop(model, None)
        self._known.clear()

    # -- keeping -----------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, object]:
        """All of it, for a document. ``take`` reads it."""
        models = {name: _dump_model(known) for name, known in self._models.items() if len(name) <= MOST_NAME_CHARS}
        return {"version": VERSION, "unload_s": _round(self._unload), "models": models, "works": self._works.dump()}

    def take(self, document: Mapping[str, object]) -> None:
        """Go on from what ``dump`` gave. What is not as it should be counts as not seen."""
        self._known.clear()
        self._models.clear()
        version = document.get("version")
        if version != VERSION:
            document = {}
        self._unload = Samples(UNLOAD_SCATTER, read_values(document.get("unload_s")))
        self._works.take(document.get("works"))
        models = document.get("models")
        for name, entry in list(models.items())[-MOST_MODELS:] if isinstance(models, Mapping) else ():
            if isinstance(name, str) and len(name) <= MOST_NAME_CHARS and isinstance(entry, Mapping):
                self._models[name] = _read_model(entry)


def _dump_model(known: _Model) -> dict[str, object]:
    values = {kind: _round(samples) for kind, samples in known.samples.items() if len(samples)}
    return {"size_bytes": known.size_bytes, "mark": known.mark, **values}


def _round(samples: Samples) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in samples.values]


def _read_model(entry: Mapping[object, object]) -> _Model:
    size, mark = entry.get("size_bytes"), entry.get("mark")
    return _Model(
        size_bytes=size if type(size) is int and 0 < size < MOST * MOST else 0,
        mark=mark[:MOST_NAME_CHARS] if isinstance(mark, str) else "",
        samples={kind: _samples(kind, read_values(entry.get(kind))) for kind in SCATTER},
    )
