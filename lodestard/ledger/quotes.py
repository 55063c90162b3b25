"""The text that is kept by consent: which paid requests have some, and what it is.

Law: reads alone, off the loop, and only what ``ledger.store_text`` has had written into the trace of a request. What
the house asks itself leaves no text, so it is never found here.
"""

from collections.abc import Mapping

import msgspec

from lodestard.domain.ports import Row, Store
from lodestard.domain.quotes import PaidRequest, Quoted
from lodestard.domain.upstream import Target

DIALECT = "openai"  # of other requests the text is kept, but not so that it can be asked again as a chat
LIMIT = 100
# Ids sort by time, so both bounds are of the one index that gives the order.
_PAID = """
SELECT id, received_ms, request.upstream, request.model, task, project, client, prompt_tokens,
    completion_tokens - reasoning_tokens
FROM request
WHERE id >= (SELECT id FROM request WHERE received_ms >= ? ORDER BY received_ms, seq LIMIT 1) AND id < ?
    AND state = 'closed' AND outcome = 'ok' AND cache NOT IN ('hit', 'shared') AND dialect = ?
    AND EXISTS (SELECT 1 FROM attempt WHERE request_seq = request.seq AND NOT free AND state = 'captured'
        AND attempt.upstream = request.upstream AND attempt.model = request.model)
    AND EXISTS (SELECT 1 FROM trace WHERE request_seq = request.seq
        AND json_type(body, '$.text.prompt') = 'array' AND json_type(body, '$.text.settings') = 'object')
ORDER BY id DESC LIMIT ?
"""
_TRACE = "SELECT body FROM trace WHERE request_seq = (SELECT seq FROM request WHERE id = ? AND dialect = ?)"
_AFTER_ALL = "s"  # ids begin with "req_"


class Text(msgspec.Struct, frozen=True):
    """Of a trace: what was said. Older traces have no settings."""

    prompt: msgspec.Raw = msgspec.Raw(b"null")
    settings: Mapping[str, msgspec.Raw] | None = None
    answers: tuple[str, ...] = ()
    calls: tuple[tuple[tuple[str, str], ...], ...] = ()


class Trace(msgspec.Struct, frozen=True):
    text: Text = Text()


class Quotes:
    """Implements ``domain.quotes.QuotesPort``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def paid(self, *, since_ms: int, before: str = "", limit: int = LIMIT) -> list[PaidRequest]:
        """See the port."""
        params = (since_ms, before or _AFTER_ALL, DIALECT, limit)
        return [_paid_request(row) for row in await self._store.query(_PAID, params)]

    async def text_of(self, request_id: str) -> Quoted | None:
        """See the port."""
        rows = await self._store.query(_TRACE, (request_id, DIALECT))
        return read_text(request_id, str(rows[0][0])) if rows else None


def read_text(request_id: str, body: str) -> Quoted | None:
    """What a trace keeps of what was said; None where that is not enough to ask it again. Pure."""
    try:
        text = msgspec.json.decode(body, type=Trace).text
    except msgspec.MsgspecError:
        return None
    if text.settings is None or not bytes(text.prompt).startswith(b"["):
        return None
    return Quoted(
        id=request_id,
        members={**text.settings, "messages": text.prompt},
        answer=text.answers[0] if text.answers else "",
        calls=text.calls[0] if text.calls else (),
    )


def _paid_request(row: Row) -> PaidRequest:
    request_id, received_ms, upstream, model, task, project, client, prompt, answer = row
    return PaidRequest(
        id=str(request_id),
        received_ms=int(received_ms or 0),
        target=Target(str(upstream), str(model)),
        task=str(task),
        project=str(project),
        client=str(client),
        prompt_tokens=int(prompt or 0),
        answer_tokens=int(answer or 0),
    )
