"""Verdicts in a header: ``x-lodestar-feedback: req_…=good``, several with commas between.

Law: what can't be understood or is not the caller's own costs nobody an answer: it is counted as refused.
"""

from lodestard.domain.errors import Fault
from lodestard.domain.feedback import VERDICTS, Feedback, Verdict
from lodestard.runtime import Runtime

HEADER = "x-lodestar-feedback"
MOST_AT_ONCE = 16


def heed_verdicts(value: str, principal: str, runtime: Runtime) -> str:
    """Take them in; gives the words for the answer's header (``2 kept, 1 refused``)."""
    parts = [part.strip() for part in value.split(",", MOST_AT_ONCE)]
    kept = sum(heed(part, principal, runtime) for part in parts[:MOST_AT_ONCE])
    refused = len(parts) - kept
    return ", ".join([f"{kept} kept"] * (kept > 0) + [f"{refused} refused"] * (refused > 0))


def heed(part: str, principal: str, runtime: Runtime) -> bool:
    """One ``ID=VERDICT``: whether it was taken in."""
    request_id, _, word = part.partition("=")
    verdict = find_verdict(word.strip())
    if verdict is None:
        return False
    try:
        runtime.outcomes.judge(Feedback(request_id=request_id.strip(), verdict=verdict), principal)
    except Fault:
        return False
    return True


def find_verdict(word: str) -> Verdict | None:
    return next((verdict for verdict in VERDICTS if word == verdict), None)
