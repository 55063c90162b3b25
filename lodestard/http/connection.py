"""One client's connection: its requests, one after another, each behind a firewall.

Law: one task. What a handler raises ends at most this connection: a fault becomes an answer, a defect a 500 and a
traceback without any text of the request, and after the answer's head the connection is cut. Cancellation passes.
"""

import logging

import trio

from lodestard.domain.errors import Code, Fault
from lodestard.http import answer
from lodestard.http.exchange import HttpExchange
from lodestard.http.faults import ClientLeft, Refused
from lodestard.http.firewall import defect, judge, judge_group, log_defect
from lodestard.http.head import check_unfinished, read_head, too_large
from lodestard.http.last_head import LastHead
from lodestard.http.link import Link
from lodestard.http.terms import Terms

HEAD_END = b"\r\n\r\n"
_NOTHING_YET = (b"", b"\r", b"\r\n")
LINGER_S = 1.0
PARTING_S = 0.25
LINGER_BYTES = 1024 * 1024

logger = logging.getLogger(__name__)


class Connection:
    """``run`` it once."""

    __slots__ = ("_last_head", "_link", "_terms", "_wire")

    def __init__(self, link: Link, terms: Terms) -> None:
        self._link = link
        self._terms = terms
        self._last_head = LastHead()
        self._wire = link.wire

    async def run(self) -> None:
        """Serve until the client or the server has enough; closes the socket, also when cancelled."""
        try:
            with self._link.scope:
                if self._link.secure and not await self._shake_hands():
                    return
                while await self._serve_next():
                    pass
        except ClientLeft:
            pass
        except Exception as error:  # noqa: BLE001 - the last firewall: no connection ends the server
            log_defect(error)
        finally:
            self._link.sentry.forget(self._wire.fd)
            self._wire.close()

    async def _shake_hands(self) -> bool:
        """At most as long as a head may take; a server that drains waits for nobody in it."""
        wire, traffic = self._wire, self._link.traffic
        traffic.begin_idle(wire)
        try:
            with trio.move_on_after(self._link.limits.head_timeout_s):
                return await wire.shake_hands()
        finally:
            traffic.end_idle(wire)
        return False

    async def _serve_next(self) -> bool:
        """One request; False where the connection ends with it."""
        try:
            raw = await self._next_head()
            if raw is None:
                await self._part()
                return False
            known = self._last_head.find(raw)
            head = known or read_head(raw, self._link.limits, secure=self._link.secure)
        except Refused as refused:
            await self._refuse(refused.fault, refused.status)
            return False
        exchange = HttpExchange(head, self._link, self._terms.clock.monotonic_ns())
        unwelcome = None if known is not None else self._terms.door.check(head)
        fault = unwelcome or self._link.traffic.shed(head)
        if fault is None:
            if known is None:
                self._last_head.note(raw, head)
            await self._handle(exchange)
        else:
            logger.debug("refused %s: %s", self._link.peer.key, fault.message)
            await self._answer_fault(exchange, fault)
        if not exchange.reusable and exchange.lingers:
            await self._linger()
        return exchange.reusable

    # -- the head --------------------------------------------------------------------------------------------

    async def _next_head(self) -> bytearray | None:
        """None where the client has no more requests. Raises ``Refused``, ``ClientLeft``."""
        received = self._wire.received
        if received:
            await trio.lowlevel.checkpoint()  # pipelined requests must not keep the others waiting
        while received in _NOTHING_YET:
            if not await self._wait_request():
                return None
        if received.startswith(answer.CRLF):  # RFC 9112 section 2.2
            del received[: len(answer.CRLF)]
        end = received.find(HEAD_END)
        if end < 0:
            end = await self._wait_head_end()
        if end < 0:
            return None
        size = end + len(HEAD_END)
        if size > self._link.limits.head_bytes:
            raise too_large(received, self._link.limits)
        raw = received[:size]
        del received[:size]
        return raw

    async def _wait_request(self) -> bool:
        """Wait, at most ``keep_alive_s``, for the first bytes of a request."""
        traffic = self._link.traffic
        traffic.begin_idle(self._wire)
        try:
            return await self._wire.receive()
        finally:
            traffic.end_idle(self._wire)

    async def _wait_head_end(self) -> int:
        """Where the head ends; -1 where the client gave up in it."""
        with trio.move_on_after(self._link.limits.head_timeout_s):
            return await self._receive_head_end()
        raise Refused("the request's head was not whole in time", status=408, code=Code.REQUEST_TIMEOUT)

    async def _receive_head_end(self) -> int:
        received = self._wire.received
        looked_at = 0
        while True:
            check_unfinished(received, looked_at, self._link.limits)
            looked_at = len(received)
            if not await self._wire.receive():
                return -1
            end = received.find(HEAD_END, max(0, looked_at - len(HEAD_END) + 1))
            if end >= 0:
                return end

    # -- the handler and its firewall ------------------------------------------------------------------------

    async def _handle(self, exchange: HttpExchange) -> None:
        traffic = self._link.traffic
        traffic.exchanges += 1
        try:
            fault = await self._run_handler(exchange)
            if fault is not None and not exchange.started:
                await self._answer_fault(exchange, fault)
        finally:
            traffic.exchanges -= 1
            exchange.release()
            if not exchange.finished or self._wire.unsent:
                exchange.abort()

    async def _run_handler(self, exchange: HttpExchange) -> Fault | None:
        """→ what is to be answered in the handler's stead, if anything."""
        try:
            await self._terms.handler(exchange)
        except Exception as error:  # noqa: BLE001 - the firewall
            return judge(error)
        except BaseExceptionGroup as group:
            return judge_group(group)
        if exchange.started or exchange.aborted:
            return None
        logger.error("a handler returned without an answer")
        return defect()

    async def _answer_fault(self, exchange: HttpExchange, fault: Fault) -> None:
        status, headers, body = self._terms.write(fault, exchange.path)
        await exchange.respond(status, headers, body)

    async def _refuse(self, fault: Fault, status: int) -> None:
        """Answer a request that is none, and close."""
        logger.debug("refused %s with %d: %s", self._link.peer.key, status, fault.message)
        _, headers, body = self._terms.write(fault, "")
        await self._wire.send(answer.write_refusal(status, headers, body, self._link.dates.read()))
        await self._linger()

    async def _part(self) -> None:
        """Where it is us who end an idle connection: a request that crosses the end meets an end, which its client
        knows what to make of (RFC 9112 section 9.3.1), and not a reset.
        """
        if not self._wire.ended:
            await self._linger(PARTING_S)

    async def _linger(self, most_s: float = LINGER_S) -> None:
        """Read on for a moment, so that the client gets to read the answer (RFC 9112 section 9.6)."""
        self._wire.end_sending()
        left_bytes = LINGER_BYTES
        with trio.move_on_after(most_s):
            while left_bytes > 0 and await self._wire.receive():
                left_bytes -= len(self._wire.received)
                self._wire.received.clear()
