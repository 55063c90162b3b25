"""Opens connections to one origin: name, TCP (RFC 8305's happy eyeballs), TLS.

Law: one limit covers all three; whatever fails leaves as an ``UpstreamFault`` that was never sent. The context
of TLS is built once, when it is first needed (it costs tens of milliseconds).
"""

import functools
import ssl
from collections.abc import Awaitable, Callable

import trio

from lodestard.upstream.alarms import Alarms
from lodestard.upstream.faults import Blame, describe_dial_error
from lodestard.upstream.wire import RECEIVE_BYTES, StreamWire, TcpWire, Wire, is_socket_gone

Dial = Callable[[], Awaitable[Wire]]


class Dialler:
    """Dials one origin. ``ca_file`` replaces the system's trust store; empty means the system's."""

    def __init__(self, blame: Blame, *, timeout_s: float, ca_file: str = "", alarms: Alarms | None = None) -> None:
        self._blame = blame
        self._timeout_s = timeout_s
        self._ca_file = ca_file
        self._alarms = alarms
        self._context: ssl.SSLContext | None = None
        self._buffer = memoryview(bytearray(RECEIVE_BYTES))

    async def __call__(self) -> Wire:
        """A new connection.

        Raises ``UpstreamFault`` (UPSTREAM_UNREACHABLE or UPSTREAM_TIMEOUT, ``sent`` False). Cancelled, it
        leaves nothing open.
        """
        with trio.CancelScope(deadline=trio.current_time() + self._timeout_s):
            try:
                return await self._open()
            except (OSError, trio.BrokenResourceError) as error:
                raise self._blame.unreachable(describe_dial_error(error)) from None
            except ValueError:  # from the resolver or from TLS: labels that are too long or empty
                raise self._blame.unreachable("its host is no name that can be looked up; check its url") from None
        raise self._blame.connect_timed_out(self._timeout_s)

    async def _open(self) -> Wire:
        origin = self._blame.origin
        context = self._trust() if origin.scheme == "https" else None
        stream = await trio.open_tcp_stream(origin.host, origin.port)
        if context is None:
            return TcpWire(stream, self._buffer, self._alarms)
        return await _start_tls(stream, context, origin.host)

    def _trust(self) -> ssl.SSLContext:
        if self._context is None:
            try:
                self._context = create_context(self._ca_file)
            except OSError as error:  # ssl.SSLError is one
                reason = f"its ca_file {self._ca_file} can't be read ({error.strerror or type(error).__name__})"
                raise self._blame.unreachable(reason) from None
        return self._context


def create_context(ca_file: str) -> ssl.SSLContext:
    """Certificates and host names are checked; HTTP/1.1 is the only protocol offered (RFC 7301)."""
    context = ssl.create_default_context(cafile=ca_file or None)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _start_tls(stream: trio.SocketStream, context: ssl.SSLContext, host: str) -> Wire:
    """``https_compatible`` stays off: an end without close_notify is a cut, not an end."""
    close_now = stream.socket.close
    try:
        tls = trio.SSLStream(stream, context, server_hostname=host)
        await tls.do_handshake()
    except BaseException:
        close_now()
        raise
    return StreamWire(tls, close_now, functools.partial(is_socket_gone, stream.socket.fileno()))
