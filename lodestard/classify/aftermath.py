"""What a request tells of the answer before it: was it asked again, could its edits be applied? Pure.

Law: nothing of the message is kept but a number that only this process can make again. Source: the replies of
aider-chat 0.86.2 to edits that don't fit (aider/coders/editblock_coder.py, udiff_coder.py).
"""

import re
from collections.abc import Sequence

from lodestard.domain.attempt import AttemptRecord
from lodestard.domain.closing import Closing
from lodestard.domain.feedback import SAYS_NOTHING, Said, Turn
from lodestard.domain.request import Caller, Request

LEAST_CHARS = 24
"""Shorter ones ("go on", "yes, please") are said again for good reasons."""

_OPENING = 80
_EDITS_FAILED = re.compile(r"# \d+ SEARCH/REPLACE blocks? failed\b|UnifiedDiffNo\w+: hunk failed\b")


def read_aftermath(request: Request) -> Said:
    """What its newest message tells. Whatever is no chat, or ends with no word of the user, tells nothing."""
    conversation = request.conversation
    if not conversation.is_chat or not conversation.messages:
        return SAYS_NOTHING
    newest = conversation.messages[-1]
    if newest.role != "user":
        return SAYS_NOTHING
    text = newest.text
    if len(text) < LEAST_CHARS:
        return SAYS_NOTHING
    return Said(mark=hash(text) or 1, edit_failed=_EDITS_FAILED.match(text[:_OPENING].lstrip()) is not None)


def read_turn(
    request_id: str, caller: Caller, request: Request, closing: Closing, attempts: Sequence[AttemptRecord]
) -> Turn:
    """A request that has ended, as feedback sees it. What came from the cache is not looked at any closer."""
    fresh = closing.cache != "hit"
    return Turn(
        request_id=request_id,
        caller=caller,
        target=closing.target,
        whole=closing.outcome == "ok",
        fresh=fresh,
        said=read_aftermath(request) if fresh else SAYS_NOTHING,
        task=closing.task or caller.task,
        hardness=closing.hardness,
        failed=tuple([record.candidate.target for record in attempts if record.check]) if attempts else (),
    )
