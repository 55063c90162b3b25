import errno
import ssl

import pytest
import trio

from lodestard.domain.errors import Code
from lodestard.upstream.faults import Blame, Lost, describe_dial_error
from lodestard.upstream.origin import Origin

BLAME = Blame("paid", Origin("https", "api.example", 443))


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ECONNREFUSED, "connection refused; is the server running"),
        (errno.EHOSTUNREACH, "no route to host; is the machine on"),
        (errno.EMFILE, "too many open files; this process has no file descriptors left"),
        (errno.EADDRNOTAVAIL, "check the upstream's url"),
    ],
)
def test_why_a_dial_failed(number: int, says: str) -> None:
    error = OSError("all attempts failed")
    error.__cause__ = ExceptionGroup("all", [OSError(number, "x"), OSError(errno.EIO, "y")])
    assert says in describe_dial_error(error)


def test_a_handshake_that_failed_for_no_reason() -> None:
    assert "no reason given" in describe_dial_error(ssl.SSLError(1, "odd"))
    assert "closed while it was being opened" in describe_dial_error(trio.BrokenResourceError())


@pytest.mark.parametrize(
    ("lost", "sent", "says"),
    [
        (Lost(written=False, answered=False), False, "before it answered"),
        (Lost(written=True, answered=False), True, "before it answered"),
        (Lost(written=True, answered=True), True, "in the middle"),
        (Lost(written=False, answered=True), True, "in the middle"),
    ],
)
def test_a_cut_was_sent_unless_it_can_not_have_been(lost: Lost, sent: bool, says: str) -> None:
    fault = BLAME.cut(lost)
    assert (fault.code, fault.sent, fault.billed) == (Code.UPSTREAM_CUT, sent, sent)
    assert says in fault.message


def test_every_fault_names_upstream_and_address() -> None:
    faults = [
        BLAME.unreachable("x"),
        BLAME.connect_timed_out(5),
        BLAME.queue_timed_out(5, 2),
        BLAME.head_timed_out(5, sent=True),
        BLAME.idle_timed_out(5),
        BLAME.whole_timed_out(5),
        BLAME.garbage("x"),
        BLAME.redirect(302),
    ]
    assert all("upstream paid (api.example:443)" in fault.message for fault in faults)
    assert all(fault.upstream == "paid" for fault in faults)
