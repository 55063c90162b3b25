"""The context guard: how many tokens a prompt is, whether it fits, and how long its answer can get.

Law: pure. A prompt that fits in all likelihood is let through; where that was wrong, the server says so (it is asked
not to cut) and the fault is the same. What is learned of a model is its tokens per basis byte (``tokens/basis.py``),
as ``learn_ratio`` gives it, and nothing else is ever multiplied with it.
"""

import math
from collections import OrderedDict

import msgspec

from lodestard.domain.residency import Figure
from lodestard.residency.asking import Asked

TOKENS_PER_BYTE = Figure(0.27, 0.23, 0.38)
"""Before anything was learned: tokens per basis byte. Llama 3.1's tokenizer (128,000 tokens) has 0.26 over code and
prose, one of 32,000 (Llama 2's; DeepSeek-Coder's lies between) 0.33."""

IMAGE_TOKENS, MOST_IMAGE_TOKENS = 600, 1_200
"""An image, likely and at most: Gemma 3 takes 256, LLaVA 576, Moondream 729; those that cut it into tiles more."""

LEARN_BASIS_BYTES = 1_000
"""Below it, what a template says of its own tells more of the template than of the text."""

LEAST_RATIO, MOST_RATIO = 0.08, 1.2
"""Outside, a count is not of the whole prompt (servers before 0.30 leave out what was cached) or of another one."""

LEAST_OF_LAST = 0.6
"""Within a conversation the ratio does not fall below this share of what it was."""

SURE_COUNT = 8
FRESH_MARGIN, SURE_MARGIN, EXACT_MARGIN = 1.1, 1.03, 1.02
"""The least that the high estimate lies above the likely one: with few observations, with enough of them, and on
tokens that an earlier turn of the same conversation has counted."""

END_TOKENS = 2
"""Of a context, what neither prompt nor answer can use: llama.cpp makes room before the last token."""

MOST_CONVERSATIONS = 128
_RATE_LIMITED = 429


class Estimate(msgspec.Struct, frozen=True):
    """A prompt's tokens: most likely, and what nine in ten stay below."""

    likely: int
    high: int


class Fit(msgspec.Struct, frozen=True):
    """``room_tokens``: how long the answer can get, None where nobody knows. ``objection``: why the prompt does not
    fit, in a sentence that clients know; empty where it does."""

    room_tokens: int | None
    objection: str = ""


class Counted(msgspec.Struct, frozen=True):
    """What a server counted for an earlier turn: ``prompt_tokens`` for ``basis_bytes``."""

    basis_bytes: int
    prompt_tokens: int


def estimate_tokens(asked: Asked, tokens_per_byte: Figure, earlier: Counted | None = None) -> Estimate:
    """The tokens of ``asked``'s prompt. With an ``earlier`` turn of its conversation only what differs is guessed."""
    ratio = tokens_per_byte.value
    margin = SURE_MARGIN if tokens_per_byte.count >= SURE_COUNT else FRESH_MARGIN
    high_ratio = max(tokens_per_byte.high, ratio * margin)
    if earlier is None or earlier.basis_bytes <= 0:
        likely, high = asked.basis_bytes * ratio, asked.basis_bytes * high_ratio
    else:
        likely, high = _differ(asked.basis_bytes, earlier, ratio, high_ratio)
    return Estimate(
        likely=round(likely) + IMAGE_TOKENS * asked.images,
        high=math.ceil(max(likely, high)) + MOST_IMAGE_TOKENS * asked.images,
    )


def _differ(basis_bytes: int, earlier: Counted, ratio: float, high_ratio: float) -> tuple[float, float]:
    """Likely and high, by what another turn counted. What is gone since is taken off at that turn's own ratio."""
    added = basis_bytes - earlier.basis_bytes
    if added >= 0:
        return earlier.prompt_tokens + added * ratio, earlier.prompt_tokens * EXACT_MARGIN + added * high_ratio
    likely = earlier.prompt_tokens * basis_bytes / earlier.basis_bytes
    unsure = -added * abs(high_ratio - ratio)
    return likely, likely * EXACT_MARGIN + min(unsure, earlier.prompt_tokens - likely)


def judge_fit(estimate: Estimate, context_tokens: int, asked: Asked, answer_tokens: int) -> Fit:
    """Whether the prompt leaves room for an answer in a context of ``context_tokens`` (0: not known).

    The least room is ``answer_tokens``, or the client's own limit where that is less. The room is reckoned from the
    high estimate, so that an answer which fills it hardly ever runs over the context (the server would then drop the
    oldest half of the conversation and go on); where a prompt may be too long but likely is not, it is the least.
    Inputs of embeddings are read one by one and answered in no words: the server says which of them is too long.
    """
    if context_tokens <= 0 or asked.embeds:
        return Fit(None)
    limit = asked.output_tokens
    least = answer_tokens if limit is None else min(answer_tokens, limit)
    room = context_tokens - END_TOKENS - estimate.likely
    if room < least:
        return Fit(None, _objection(estimate.likely, context_tokens, least))
    return Fit(max(context_tokens - END_TOKENS - estimate.high, least))


def _objection(likely_tokens: int, context_tokens: int, least_tokens: int) -> str:
    """OpenAI's words, by which Aider and others know what to do."""
    likely, context, least = map(_told, (likely_tokens, context_tokens, least_tokens))
    return (
        f"This model's maximum context length is {context} tokens. However, your messages resulted in about {likely}"
        f" tokens, and the answer needs {least}. Please reduce the length of the messages."
    )


def _told(tokens: int) -> int:
    """A number that is not 429: LiteLLM takes it for a rate limit wherever it stands, and Aider tries for minutes."""
    return tokens + (tokens == _RATE_LIMITED)


def learn_ratio(asked: Asked, prompt_tokens: int) -> float | None:
    """Tokens per basis byte, by what the server counted (``prompt_eval_count``); None where it teaches nothing.

    That is: a short prompt, one with images, or a count that can't be of this prompt.
    """
    if asked.images or asked.basis_bytes < LEARN_BASIS_BYTES:
        return None
    ratio = prompt_tokens / asked.basis_bytes
    return ratio if LEAST_RATIO <= ratio <= MOST_RATIO else None


class EarlierTurns:
    """What was counted for the last turn of each conversation, for the latest ones. Owner: the host's residency.

    Of conversations with images nothing is kept: what they cost is not in the basis.
    """

    __slots__ = ("_counted",)

    def __init__(self) -> None:
        self._counted: OrderedDict[tuple[str, str], Counted] = OrderedDict()

    def find(self, asked: Asked) -> Counted | None:
        """The last turn of ``asked``'s conversation with its model."""
        return None if asked.images else self._counted.get((asked.model, asked.conversation))

    def keep(self, asked: Asked, prompt_tokens: int) -> None:
        """``asked`` was answered, and the server counted ``prompt_tokens``.

        A count that is far less than the last one was by its size leaves out what was cached: it is not kept.
        """
        ratio = learn_ratio(asked, prompt_tokens)
        key = (asked.model, asked.conversation)
        last = self._counted.get(key)
        if ratio is None or (last and ratio < LEAST_OF_LAST * last.prompt_tokens / last.basis_bytes):
            return
        self._counted[key] = Counted(asked.basis_bytes, prompt_tokens)
        self._counted.move_to_end(key)
        if len(self._counted) > MOST_CONVERSATIONS:
            self._counted.popitem(last=False)
