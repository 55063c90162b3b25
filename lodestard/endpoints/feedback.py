"""A verdict on an answer: ``POST /v1/lodestar/feedback``. Whoever asks judges its own requests alone."""

from collections.abc import Mapping

import msgspec

from lodestard.domain.client import Principal
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.feedback import Feedback, Verdict
from lodestard.domain.near import did_you_mean
from lodestard.domain.task import KINDS
from lodestard.endpoints.serving import JSON_HEADERS, Route, require_json
from lodestard.http import HttpExchange, read_content
from lodestard.runtime import Runtime
from lodestard.verdicts import find_verdict


class Judgement(msgspec.Struct, frozen=True):
    """The body of the endpoint."""

    id: str
    verdict: str
    kind: str = ""


async def take_feedback(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
    """POST /v1/lodestar/feedback."""
    require_json(http)
    body = await read_content(http, runtime.settings.server.limits)
    try:
        judgement = msgspec.json.decode(body, type=Judgement)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise CallerFault(
            Code.INVALID_REQUEST, 'The body must be {"id": "req_…", "verdict": "good" or "bad"}, perhaps with "kind".'
        ) from None
    feedback = read_judgement(judgement)
    given = runtime.outcomes.judge(feedback, principal.name)
    if feedback.kind:
        runtime.tasks.correct(given.request_id, feedback.kind)
    answer = {"id": given.request_id, "verdict": given.verdict, "kind": given.kind, "model": given.target}
    await http.respond(200, JSON_HEADERS, msgspec.json.encode(answer))


def read_judgement(judgement: Judgement) -> Feedback:
    """Raises ``CallerFault`` for a word that means nothing. Pure."""
    if judgement.kind and judgement.kind not in KINDS:
        near = did_you_mean(judgement.kind, KINDS)
        raise CallerFault(
            Code.INVALID_REQUEST,
            f"There is no kind of that name.{f' Did you mean {near}?' if near else ''}",
            param="kind",
        )
    return Feedback(request_id=judgement.id, verdict=read_verdict(judgement.verdict), kind=judgement.kind)


def read_verdict(word: str) -> Verdict:
    if (verdict := find_verdict(word)) is None:
        raise CallerFault(Code.INVALID_REQUEST, "The verdict must be good or bad.", param="verdict")
    return verdict


ROUTES: Mapping[str, Route] = {"/lodestar/feedback": Route("openai", {"POST": take_feedback})}
