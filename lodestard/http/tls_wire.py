"""The same bytes under TLS: OpenSSL between two buffers in memory, and our own socket below.

Law: what is encrypted is sent, whole and in order, for a record that is left out breaks the connection; so a piece
is encrypted when nothing can come before it any more. What was received is decrypted at once, so that nobody waits
for a socket whose bytes are here already. A connection ends with a close_notify, unless it is reset.
"""

import logging
import socket
import ssl
from contextlib import suppress

import trio

from lodestard.http.faults import ClientLeft
from lodestard.http.load import Load
from lodestard.http.wire import RECEIVE_BYTES, Wire

_SPOKE_PLAINLY = frozenset({"HTTP_REQUEST", "HTTPS_PROXY_REQUEST"})
_USE_TLS = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 36\r\nconnection: close\r\n\r\n"
    b"This port speaks TLS: use https://.\n"
)

logger = logging.getLogger(__name__)


class TlsWire(Wire):
    """Takes over ``sock``, which must not block. Nothing else may be done before ``shake_hands``."""

    __slots__ = ("_incoming", "_outgoing", "_parted", "_resetting", "_shaken", "_tls")

    def __init__(self, sock: socket.socket, write_timeout_s: float, load: Load, context: ssl.SSLContext) -> None:
        super().__init__(sock, write_timeout_s, load)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._shaken = False
        self._parted = False
        self._resetting = False

    async def shake_hands(self) -> bool:
        """False where the client went, or speaks nothing that we do. Raises ``ClientLeft``. Not to be called again
        after it was cancelled.
        """
        while not self._shaken:
            try:
                self._tls.do_handshake()
                self._shaken = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                self._refuse(error)
                return False
            if self._outgoing.pending:
                await super().send(self._outgoing.read())
            if not self._shaken and not await self._receive_into(self._incoming.write):
                return False
        self._open_sealed()
        return True

    def _refuse(self, error: ssl.SSLError) -> None:
        """Say why: by OpenSSL's alert, or to who spoke plain HTTP in its own words."""
        logger.debug("a TLS handshake failed: %s", error.reason)
        alert = self._outgoing.read()
        super().send_if_possible(_USE_TLS if error.reason in _SPOKE_PLAINLY else alert)

    # -- receiving ---------------------------------------------------------------------------------------------

    async def receive(self) -> bool:
        """As a plain one's; what it adds may be nothing. A close_notify is an end too."""
        if self.ended:
            return False
        goes_on = await self._receive_into(self._incoming.write)
        if self._parted:
            self.received += self._incoming.read()  # only counted, by whoever waits for the client to go
            return goes_on
        before = len(self.received)
        self._open_sealed()
        self._send_records()
        return (goes_on and not self.ended) or len(self.received) > before

    def _open_sealed(self) -> None:
        """Decrypt all that is here. Raises ``ClientLeft`` where it is no TLS."""
        try:
            while data := self._tls.read(RECEIVE_BYTES):
                self.received += data
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            raise self._lost() from None

    def _send_records(self) -> None:
        """What OpenSSL has to say of its own: now, or with the next piece."""
        if self._outgoing.pending and not self._is_sending():
            data = self._outgoing.read()
            sent = self._try_send(data)
            if sent < len(data):
                self._lock = self._lock or trio.Lock()
                self._rest = data[sent:]

    # -- sending -----------------------------------------------------------------------------------------------

    def _is_sending(self) -> bool:
        return self._lock is not None and (bool(self._rest) or self._lock.locked())

    async def send(self, data: bytes) -> None:
        if self._lock is not None and self._is_sending():
            await self._send_after(self._lock, data)
            return
        await super().send(self._seal(data))

    async def _send_after(self, lock: trio.Lock, data: bytes) -> None:
        async with lock:
            await self._flush()
            self._rest = self._seal(data)
            await self._flush()

    def _seal(self, data: bytes) -> bytes:
        """``data`` as records, behind those that wait. Raises ``ClientLeft``."""
        if self.broken:
            raise ClientLeft
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError:
            raise self._lost() from None
        return self._outgoing.read()

    # -- the end -----------------------------------------------------------------------------------------------

    def end_sending(self) -> None:
        self._part()
        super().end_sending()

    def reset_on_close(self) -> None:
        self._resetting = True
        super().reset_on_close()

    def close(self) -> None:
        if not self._resetting:
            self._part()
        super().close()

    def _part(self) -> None:
        """Send a close_notify where it has its place, once."""
        if self._parted or not self._shaken or self.broken or self._is_sending():
            return
        self._parted = True
        with suppress(ssl.SSLError):  # it wants the client's own too, for which nobody waits
            self._tls.unwrap()
        super().send_if_possible(self._outgoing.read())
