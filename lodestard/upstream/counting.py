"""How many tokens a prompt is, by the provider's own count, where it can be asked for nothing.

Law: it is a courtesy. It is asked within seconds or not at all; whatever goes wrong is no count; nothing is billed.
"""

import trio

from lodestard.domain.errors import Fault
from lodestard.domain.request import Request
from lodestard.domain.upstream import Target
from lodestard.protocols.anthropic.counting import counts, read_count, write_count
from lodestard.upstream.call import Call, Timeouts
from lodestard.upstream.sender import PooledSender

LIMIT_S = 5.0
MOST_BYTES = 64 * 1024
_GOOD = 200
_QUICK = Timeouts(queue_s=LIMIT_S, head_s=LIMIT_S, idle_s=LIMIT_S, whole_s=LIMIT_S)


async def count_at(sender: PooledSender, target: Target, request: Request) -> int | None:
    """What ``target`` counts for the prompt of ``request``; None where it can't be asked, or doesn't say.

    Without its key nothing is sent there: a prompt goes to nobody who does not know us.
    """
    route = sender.route(target.upstream)
    if route is None or route.key_place or not counts(request, route.settings):
        return None
    wire = write_count(request, target.model, route.settings)
    call = Call(method="POST", path=wire.path, headers=wire.headers, body=wire.body, timeouts=_QUICK)
    body = bytearray()
    with trio.move_on_after(LIMIT_S):
        try:
            async with route.pool.request(call) as response:
                while len(body) <= MOST_BYTES and (data := await response.receive_some()):
                    body += data
                return read_count(bytes(body)) if response.status == _GOOD else None
        except Fault:
            return None
    return None
