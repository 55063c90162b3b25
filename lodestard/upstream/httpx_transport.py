"""A pool as a transport of httpx, for what is off the hot path: webhooks, bills, the page of a card's exporter.

Law: the only file that imports httpx, imported where it is needed. It reaches the pool's own origin and no
other; the pool's key and headers go along and can't be replaced.
"""

import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec

from lodestard.domain.errors import Code, Fault, UpstreamFault
from lodestard.upstream.call import Call, Timeouts
from lodestard.upstream.origin import DEFAULT_PORTS
from lodestard.upstream.pool import Pool
from lodestard.upstream.request_head import OURS
from lodestard.upstream.response import Response


class PoolTransport(httpx.AsyncBaseTransport):
    """``httpx.AsyncClient(transport=PoolTransport(pool), trust_env=False)``; its end leaves the pool open.

    Reading more than ``most_bytes`` of an answer raises ``httpx.ReadError``.
    """

    def __init__(self, pool: Pool, most_bytes: int = sys.maxsize) -> None:
        self._pool = pool
        self._most_bytes = most_bytes
        self._origin = pool.settings.origin

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx's own exceptions; the house's fault is their cause."""
        call = await self._plan_call(request)
        try:
            response = self._pool.request(call)
        except ValueError as error:
            raise httpx.LocalProtocolError(str(error), request=request) from None
        try:
            await response.__aenter__()
        except Fault as fault:
            raise _translate(fault, request) from fault
        return httpx.Response(response.status, headers=response.raw_headers, stream=self._body(response, request))

    def _body(self, response: Response, request: httpx.Request) -> "_Body":
        return _Body(response, request, self._most_bytes)

    async def _plan_call(self, request: httpx.Request) -> Call:
        url, upstream = request.url, self._pool.settings.upstream
        if (url.scheme, url.host, url.port or DEFAULT_PORTS.get(url.scheme)) != msgspec.structs.astuple(self._origin):
            raise httpx.UnsupportedProtocol(f"not the origin of upstream {upstream}", request=request)
        headers = [(name, value) for name, value in request.headers.items() if name not in OURS]
        return Call(
            method=request.method,
            path=request.url.raw_path.decode("ascii"),
            headers=headers,
            body=await request.aread(),
            timeouts=_plan_timeouts(request.extensions.get("timeout", {})),
        )


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: Response, request: httpx.Request, most_bytes: int) -> None:
        self._response = response
        self._request = request
        self._left_bytes = most_bytes
        self._open = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while data := await self._response.receive_some():
                self._left_bytes -= len(data)
                if self._left_bytes < 0:
                    raise httpx.ReadError("the answer is larger than can be right", request=self._request)
                yield data
        except Fault as fault:
            raise _translate(fault, self._request) from fault

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._response.leave()


def _plan_timeouts(timeouts: dict[str, Any]) -> Timeouts:
    forever = float("inf")
    read_s = timeouts.get("read") or forever
    return Timeouts(queue_s=timeouts.get("pool") or forever, head_s=read_s, idle_s=read_s)


def _translate(fault: Fault, request: httpx.Request) -> httpx.TransportError:
    sent = isinstance(fault, UpstreamFault) and fault.sent
    kinds: dict[Code, type[httpx.TransportError]] = {
        Code.UPSTREAM_TIMEOUT: httpx.ReadTimeout if sent else httpx.ConnectTimeout,
        Code.UPSTREAM_CUT: httpx.ReadError if sent else httpx.WriteError,
        Code.UPSTREAM_GARBAGE: httpx.RemoteProtocolError,
    }
    return kinds.get(fault.code, httpx.ConnectError)(fault.message, request=request)
