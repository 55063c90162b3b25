"""A look at an upstream over its own pool: does it answer, and with which status? For probes; costs no token.

Law: what it says is read so far as its connection needs to serve again, and thrown away.
"""

from lodestard.domain.settings import Upstream
from lodestard.protocols.codec import join_path
from lodestard.upstream.call import Call, Timeouts
from lodestard.upstream.pool import Pool
from lodestard.upstream.request_head import Headers

MOST_BYTES = 8 * 1024 * 1024
FOREVER_S = float("inf")
UNHURRIED = Timeouts(queue_s=FOREVER_S, head_s=FOREVER_S, idle_s=FOREVER_S)


def headers_of(upstream: Upstream) -> Headers:
    """What a look at ``upstream`` has to say: Anthropic judges no key before it knows the version."""
    return (("anthropic-version", upstream.anthropic_version),) if upstream.dialect == "anthropic" else ()


async def look(pool: Pool, url: str, path: str, headers: Headers = ()) -> int:
    """The status of ``GET url/path``, once the answer is whole or ``MOST_BYTES`` of it have come.

    Nothing bounds how long that takes: the caller does. Raises ``UpstreamFault``, or ``HouseFault(SHUTTING_DOWN)``.
    """
    call = Call(method="GET", path=join_path(url, path), headers=headers, timeouts=UNHURRIED)
    async with pool.request(call) as response:
        left_bytes = MOST_BYTES
        while left_bytes > 0 and (data := await response.receive_some()):
            left_bytes -= len(data)
        return response.status
