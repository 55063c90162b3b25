"""What to assume of a model on a card before anything was measured. Pure arithmetic.

Law: an assumption has ``count`` 0 and an interval that is wide on purpose. The figures are those of a small card
(4 GB at 160 GB/s, 2-3 effective TFLOPS, host memory at 40 GB/s); what another model on the same host took moves them.
"""

from collections.abc import Mapping
from statistics import median

from lodestard.domain.residency import Figure, ModelRates
from lodestard.residency.fit import TOKENS_PER_BYTE

TYPICAL_BYTES = 4_400_000_000
CARD_BYTES = 2_800_000_000
"""What of a model fits beside its context."""
CARD_BYTES_S, HOST_BYTES_S = 160e9, 40e9
BYTES_PER_PARAMETER = 0.56
"""Four-bit weights with their scales."""
EFFECTIVE_OPERATIONS_S = 2.5e12
LARGER = 30.0
"""So many times as fast the largest card at a desk may read; it writes the root of that as fast."""
MOST_FACTOR = 50.0
NARROWER = 0.5

UNLOAD_S = Figure(1.0, 0.3, 4.0)
ANSWER_TOKENS = Figure(180.0, 20.0, 800.0)
USUAL_ANSWERS: Mapping[str, Figure] = {
    "autocomplete": Figure(24.0, 8.0, 100.0),
    "commit": Figure(16.0, 9.0, 40.0),
    "architect": Figure(250.0, 110.0, 700.0),
    "editor": Figure(200.0, 80.0, 700.0),
    "edit": Figure(250.0, 80.0, 900.0),
    "tools": Figure(80.0, 20.0, 500.0),
    "json": Figure(80.0, 15.0, 500.0),
}
"""By task; a chat may be of any length. An editor stops a completion after a line or a few; a commit message is one
line; Aider's plans and edits are paragraphs and blocks."""
KIN_SHARE = Figure(0.7, 0.1, 1.0)
"""What must be read of a prompt that comes after another one of the same work, as a part of it: its instructions may
be the same ones."""
WARM_SHARE = Figure(0.1, 0.02, 0.5)
"""The same of a prompt whose conversation is cached."""


def assume(size_bytes: int) -> ModelRates:
    """For a model whose file has so many bytes (0: nobody knows)."""
    size = float(size_bytes if size_bytes > 0 else TYPICAL_BYTES)
    on_card = min(size, CARD_BYTES)
    decode_s = on_card / CARD_BYTES_S + (size - on_card) / HOST_BYTES_S
    prefill_s = 2 * size / BYTES_PER_PARAMETER / EFFECTIVE_OPERATIONS_S
    return ModelRates(
        load_s=Figure(1.5 + size / 1.5e9, 0.3 + size / 8e9, 3.0 + size / 0.5e9),
        unload_s=UNLOAD_S,
        prefill_s=Figure(prefill_s, prefill_s / LARGER, prefill_s * 2),
        decode_s=Figure(decode_s * 1.15, decode_s / LARGER**0.5, decode_s * 2),
        tokens_per_byte=TOKENS_PER_BYTE,
        answer_tokens=ANSWER_TOKENS,
        kin_share=KIN_SHARE,
        warm_share=WARM_SHARE,
    )


def usual_answer(task: str) -> Figure | None:
    """How many tokens an answer to such a task has; None where it can be anything."""
    return USUAL_ANSWERS.get(task)


def adapt(assumed: Figure, ratios: list[float]) -> Figure:
    """The assumption for a host on which other models took ``ratios`` of what had been assumed of them."""
    if not ratios:
        return assumed
    factor = min(MOST_FACTOR, max(1 / MOST_FACTOR, median(ratios)))
    value = assumed.value * factor
    return Figure(
        value, value * (assumed.low / assumed.value) ** NARROWER, value * (assumed.high / assumed.value) ** NARROWER
    )
