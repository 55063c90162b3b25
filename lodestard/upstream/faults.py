"""What goes wrong with an upstream's connection, said for a person.

Law: pure. Every message names the upstream and its address and says what to check; none holds a key, a request
or an answer. ``sent`` and ``billed`` follow the money's rule: False only where nothing can have been acted on.
"""

import errno
import os
import socket
import ssl

import msgspec

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.upstream.origin import Origin

_ADVICE = {
    errno.ECONNREFUSED: "is the server running, and does it listen on this address?",
    errno.EHOSTUNREACH: "is the machine on, and on this network?",
    errno.ENETUNREACH: "is this machine on the network?",
    errno.EMFILE: "this process has no file descriptors left; raise LimitNOFILE",
    errno.ENFILE: "this machine has no file descriptors left",
}


class Lost(Exception):
    """The peer closed or reset the connection in the middle of an exchange.

    ``written``: the whole request had been given to the connection. ``answered``: a byte of the answer had come.
    """

    def __init__(self, *, written: bool, answered: bool) -> None:
        super().__init__(written, answered)
        self.written = written
        self.answered = answered


class Expired(Exception):
    """A wait on a connection took longer than it may; the connection is of no use any more."""


class Malformed(Exception):
    """The bytes are no answer that HTTP/1.1 allows; the text says why and quotes none of them."""


class Blame(msgspec.Struct, frozen=True):
    """Makes the faults of one upstream."""

    upstream: str
    origin: Origin

    @property
    def _where(self) -> str:
        return f"upstream {self.upstream} ({self.origin.address})"

    def unreachable(self, reason: str) -> UpstreamFault:
        message = f"{self._where} can't be reached: {reason}"
        return UpstreamFault(Code.UPSTREAM_UNREACHABLE, message, upstream=self.upstream, sent=False)

    def connect_timed_out(self, limit_s: float) -> UpstreamFault:
        message = (
            f"{self._where} took no connection within {limit_s:g} s; "
            "is the machine on, and do host and port match the upstream's url?"
        )
        return UpstreamFault(Code.UPSTREAM_TIMEOUT, message, upstream=self.upstream, sent=False)

    def queue_timed_out(self, limit_s: float, connections: int) -> UpstreamFault:
        message = (
            f"none of the {connections} connections to {self._where} became free within {limit_s:g} s; "
            "raise the upstream's connections, or send it less"
        )
        return UpstreamFault(Code.UPSTREAM_TIMEOUT, message, upstream=self.upstream, sent=False)

    def head_timed_out(self, limit_s: float, *, sent: bool) -> UpstreamFault:
        message = f"{self._where} began no answer within {limit_s:g} s; is it overloaded, or still loading a model?"
        return UpstreamFault(Code.UPSTREAM_TIMEOUT, message, upstream=self.upstream, sent=sent)

    def idle_timed_out(self, limit_s: float) -> UpstreamFault:
        message = f"{self._where} began its answer, then sent nothing for {limit_s:g} s (idle_timeout_s)"
        return UpstreamFault(Code.UPSTREAM_TIMEOUT, message, upstream=self.upstream)

    def whole_timed_out(self, limit_s: float) -> UpstreamFault:
        message = f"{self._where} had not ended its answer after {limit_s:g} s (plain_timeout_s)"
        return UpstreamFault(Code.UPSTREAM_TIMEOUT, message, upstream=self.upstream)

    def cut(self, lost: Lost) -> UpstreamFault:
        """The connection ended before the answer did."""
        when = "in the middle of its answer" if lost.answered else "before it answered"
        message = f"{self._where} closed the connection {when}; its own log may say why"
        return UpstreamFault(Code.UPSTREAM_CUT, message, upstream=self.upstream, sent=lost.written or lost.answered)

    def garbage(self, reason: str) -> UpstreamFault:
        message = f"{self._where} gave an answer that can't be read: {reason}; is its url right?"
        return UpstreamFault(Code.UPSTREAM_GARBAGE, message, upstream=self.upstream)

    def redirect(self, status: int) -> UpstreamFault:
        message = (
            f"{self._where} redirects (status {status}); redirects are not followed: "
            "set the upstream's url to the address that answers itself"
        )
        return UpstreamFault(Code.UPSTREAM_ERROR, message, upstream=self.upstream, status=status, billed=False)

    def key_missing(self, place: str) -> UpstreamFault:
        message = f"upstream {self.upstream} has no key; put it into {place}"
        return UpstreamFault(Code.UPSTREAM_AUTH, message, upstream=self.upstream, sent=False)


def describe_dial_error(error: BaseException) -> str:
    """Why dialling failed, with what to check. Never the foreign exception's own arguments but for names."""
    cause = _root(error)
    if isinstance(cause, socket.gaierror):
        return "its host name can't be resolved; check the upstream's url and this machine's DNS"
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = cause.verify_message
        return f"its certificate is not trusted ({reason}); check its url, or name its authority in ca_file"
    if isinstance(cause, ssl.SSLError):
        reason = getattr(cause, "reason", None) or "no reason given"  # absent where OpenSSL gave none
        return f"the TLS handshake failed ({reason}); does this port speak https?"
    if isinstance(cause, OSError) and cause.errno is not None:
        advice = _ADVICE.get(cause.errno, "check the upstream's url and the network")
        return f"{os.strerror(cause.errno).lower()}; {advice}"
    return "the connection was closed while it was being opened; does this port speak the url's scheme?"


def _root(error: BaseException) -> BaseException:
    """The error at the bottom: trio gives a group of one error per address tried, TLS wraps once more."""
    if isinstance(error, BaseExceptionGroup):
        return _root(error.exceptions[0])
    if isinstance(error, OSError) and error.errno is not None:
        return error
    return _root(error.__cause__) if error.__cause__ is not None else error
