"""Is this an answer at all? What every answer is asked before its body is read.

Law: only a success that is neither compressed nor a web page is one; what else the server says is read within limits
and becomes a fault.
"""

from collections.abc import Callable, Mapping

import trio

from lodestard.domain.errors import Fault, UpstreamFault
from lodestard.upstream.faults import Blame
from lodestard.upstream.response import Response

ERROR_BODY_BYTES = 64 * 1024
ERROR_BODY_S = 5.0
_FIRST_SUCCESS, _FIRST_REDIRECT, _FIRST_REFUSAL = 200, 300, 400

ReadError = Callable[[int, Mapping[str, str], bytes], Fault]
"""Status, headers and body of a refusal → the fault that it is."""


async def check_head(response: Response, blame: Blame, read_error: ReadError) -> None:
    """Returns where the body of ``response`` can be read. Raises what ``read_error`` makes of a refusal, and
    ``UpstreamFault`` for a redirect (UPSTREAM_ERROR), compression and HTML (UPSTREAM_GARBAGE).
    """
    status, compressed = response.status, response.coded
    if not _FIRST_SUCCESS <= status < _FIRST_REDIRECT:
        if _FIRST_REDIRECT <= status < _FIRST_REFUSAL:
            raise blame.redirect(status)
        body = b"" if compressed else await _error_body(response)
        raise read_error(status, response.headers, body)
    if compressed:
        raise blame.garbage("it is compressed, which was not asked for")
    if response.content_type.lower().startswith(b"text/html"):
        raise blame.garbage("it is a web page")


async def _error_body(response: Response) -> bytes:
    """What can be had of it: within limits, and cut where the connection was."""
    body = bytearray()
    try:
        with trio.move_on_after(ERROR_BODY_S):
            while len(body) < ERROR_BODY_BYTES and (data := await response.receive_some()):
                body += data
    except UpstreamFault:
        pass  # the status is what counts
    return bytes(body[:ERROR_BODY_BYTES])
