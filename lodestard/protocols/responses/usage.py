"""Usage as the Responses API reports it → the house's one meaning.

Law: as of ``openai.usage``: figures that can't be right are none, and no reading comes out lower than what the
provider counts. Sources: OpenAI's API reference, "The response object"; docs.x.ai, "Cost tracking".
"""

import msgspec

from lodestard.domain.usage import Usage
from lodestard.protocols.openai.usage import CompletionDetails, Count, Counts, PromptDetails, decode_counts, usage_of

_ABSENT = msgspec.Raw()


class _Usage(msgspec.Struct, frozen=True):
    input_tokens: Count
    output_tokens: Count
    total_tokens: Count | None = None
    input_tokens_details: PromptDetails | None = None
    output_tokens_details: CompletionDetails | None = None
    cost_in_usd_ticks: msgspec.Raw = _ABSENT
    cost: msgspec.Raw = _ABSENT


_decoder = msgspec.json.Decoder(_Usage)


def read_usage(raw: msgspec.Raw, service_tier: str = "") -> Usage | None:
    """A ``usage`` member → usage, or None where there is none or it makes no sense. Never raises.

    ``service_tier`` is how the answer says that it was served.
    """
    said = decode_counts(raw, _decoder)
    if said is None:
        return None
    counts = Counts(
        prompt_tokens=said.input_tokens,
        completion_tokens=said.output_tokens,
        total_tokens=said.total_tokens,
        prompt_tokens_details=said.input_tokens_details,
        completion_tokens_details=said.output_tokens_details,
        cost_in_usd_ticks=said.cost_in_usd_ticks,
        cost=said.cost,
    )
    return usage_of(counts, service_tier)
