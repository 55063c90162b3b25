"""What a chat and a completion ask alike: which model, how it samples, how many answers, and whether they stream.

Source: OpenAI's API reference, "Create chat completion", "Create completion".
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from lodestard.domain.request import Sampling

MAX_CHOICES = 128
Model = Annotated[str, Meta(min_length=1, max_length=512)]
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]

SAID = frozenset(
    {
        "model", "stream", "stream_options", "n", "stop", "temperature", "top_p", "top_k", "seed",
        "presence_penalty", "frequency_penalty",
    }
)  # fmt: skip


class _StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The members that both bodies have."""

    model: Model
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    stop: str | list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    seed: Seed | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None

    @property
    def include_usage(self) -> bool:
        """Whether a streamed answer shall end with its usage."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    def sampling(self, limit: int | None) -> Sampling:
        """``limit``: of output tokens, which each of them names otherwise."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            seed=self.seed,
            stop=read_stops(self.stop),
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            max_output_tokens=limit,
        )


def read_stops(stop: str | list[str] | None) -> tuple[str, ...]:
    """One text, or several."""
    return (stop,) if isinstance(stop, str) else tuple(stop or ())
