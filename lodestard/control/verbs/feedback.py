"""``feedback.give``, ``feedback.list``."""

import msgspec

from lodestard.control.messages.feedback import FeedbackList, FeedbackRow
from lodestard.control.verbs.desk import Desk
from lodestard.control.verbs.requests import feedback_row, find_request
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.feedback import VERDICTS, Feedback
from lodestard.domain.task import KINDS
from lodestard.domain.verbs import Argument, Arguments, Verb

MOST = 1_000


def feedback_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def give(arguments: Arguments) -> FeedbackRow:
        found = await find_request(desk, arguments["id"])
        feedback = Feedback(request_id=found.request.id, verdict=arguments["verdict"], kind=arguments["kind"] or "")
        given = desk.feedback.judge(feedback, None)
        learned = desk.runtime.tasks.correct(given.request_id, feedback.kind) if feedback.kind else None
        return msgspec.structs.replace(feedback_row(given), learned=learned)

    async def listed(arguments: Arguments) -> FeedbackList:
        if not 0 < arguments["last"] <= MOST:
            raise CallerFault(Code.INVALID_REQUEST, f"last must be from 1 to {MOST}.", param="last")
        found = await desk.feedback.latest(arguments["last"])
        return FeedbackList(feedback=tuple(map(feedback_row, found)))

    taken = (
        Argument(name="id", required=True, help="the request's id, or the end of it"),
        Argument(name="verdict", required=True, choices=VERDICTS, help="what its answer was"),
        Argument(name="kind", choices=KINDS, help="of which kind the work was, where that was not seen"),
    )
    last = (Argument(name="last", kind="integer", default=20, help="how many"),)
    return (
        Verb(name="feedback.give", summary="judge an answer", needs="admin", arguments=taken, answer=give),
        Verb(name="feedback.list", summary="the latest verdicts", needs="read", arguments=last, answer=listed),
    )
