"""How much a Claude model shall think, in the words that it takes: a budget, or an effort.

Law: thinking counts in the output limit, so a budget never costs more than the limit does. Where thinking can't be
had as asked, the answer comes without it, and a note says why. Source: Anthropic's guides "Extended thinking",
"Adaptive thinking" and "Effort".
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lodestard.domain.request import Conversation
from lodestard.protocols.anthropic.models import Traits

LEAST_TOKENS = 1_024
_BUDGETS: Mapping[str, int] = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 32_768}
_EFFORTS: Mapping[str, str] = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "max": "max"}
_MOST_OF_LIMIT = 0.75  # of the output limit, so that something is left for the answer

FORCED = "no thinking: a call is forced"
FORGOTTEN = "no thinking: the thoughts before the last calls are not known"
NO_ROOM = "no thinking: the output limit leaves no room"
NOT_ABLE = "no thinking: the model can't"
ALWAYS = "least thinking: the model can't do without"
NO_BUDGET = "the model chooses how much it thinks"


class Thinking(NamedTuple):
    """``members`` of the body; ``on``: whether it is asked to think."""

    members: Mapping[str, Any]
    on: bool = False
    note: str = ""


_SILENT = Thinking({})


def plan_thinking(talk: Conversation, traits: Traits, limit: int, *, lacks_thought: bool) -> Thinking:
    """What to say of thinking where the output is limited to ``limit`` tokens.

    ``lacks_thought``: a round of calls goes on whose thoughts are not known any more.
    """
    effort, tokens = talk.reasoning_effort, talk.reasoning_tokens
    if not effort and tokens is None:
        return _SILENT
    if effort == "none" or tokens == 0:
        return Thinking({"output_config": {"effort": "low"}}, note=ALWAYS) if traits.thinks_unasked else _SILENT
    forced = talk.tool_choice is not None and talk.tool_choice.mode in ("required", "function") and bool(talk.tools)
    if forced and traits.forced_calls:
        return Thinking({}, note=FORCED)
    if traits.adaptive:
        return _adaptive(effort, traits)
    if not traits.budget:
        return Thinking({}, note=NOT_ABLE)
    if lacks_thought:
        return Thinking({}, note=FORGOTTEN)
    if limit <= LEAST_TOKENS:
        return Thinking({}, note=NO_ROOM)
    asked = (
        tokens if tokens is not None else min(_BUDGETS.get(effort, _BUDGETS["medium"]), int(limit * _MOST_OF_LIMIT))
    )
    budget = max(LEAST_TOKENS, min(asked, limit - 1))
    return Thinking({"thinking": {"type": "enabled", "budget_tokens": budget}}, on=True)


def _adaptive(effort: str, traits: Traits) -> Thinking:
    thinking = {"type": "adaptive"}
    if traits.shows_by_request:
        thinking["display"] = "summarized"
    said = _EFFORTS.get(effort, "")
    if effort == "xhigh":
        said = "xhigh" if traits.shows_by_request else "high"
    members: dict[str, Any] = {"thinking": thinking}
    if said:
        members["output_config"] = {"effort": said}
    return Thinking(members, on=True, note="" if effort else NO_BUDGET)
