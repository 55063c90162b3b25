"""What Aider's files are made from: where to point it, and each alias as it is configured."""

from lodestard.control.envelope import Message


class AiderModel(Message, frozen=True):
    """One alias, with the figures of its first target. Rates are pico-USD a token; None where nobody knows.

    ``fallbacks`` are the targets that may answer instead.
    """

    alias: str
    target: str = ""
    free: bool = False
    input_pico_usd: int | None = None
    output_pico_usd: int | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    fallbacks: tuple[str, ...] = ()
    note: str = ""


class AiderFacts(Message, frozen=True):
    """``base_url`` is what ``openai-api-base`` takes; empty where the daemon listens nowhere.

    ``key_needed``: only who has a client's key is let in.
    """

    base_url: str
    models: tuple[AiderModel, ...]
    key_needed: bool = False
