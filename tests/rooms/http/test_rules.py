"""Every rule of RFC 9112 and RFC 9110 that concerns how a server reads: against the real listener.

``docs/http-strictness.md`` is written from the same data.
"""

import pytest
from _pytest.mark import ParameterSet

from tests.rooms.http import rfc9110, rfc9112, rfc9112_bodies
from tests.rooms.http.rules import Sent, Want, check
from tests.rooms.http.strictness_page import PAGE, write_page

RULES = rfc9112.RULES + rfc9112_bodies.RULES + rfc9110.RULES
MOST_BYTES = 600


def cases(most_bytes: int = 1 << 20) -> list[ParameterSet]:
    return [
        pytest.param(rule.want, sent, id=f"{rule.section} {rule.demand[:40]} {number}")
        for rule in RULES
        for number, sent in enumerate(rule.cases)
        if len(sent if isinstance(sent, bytes) else b"".join(sent)) <= most_bytes
    ]


@pytest.mark.parametrize(("want", "sent"), cases())
async def test_a_rule(want: Want, sent: Sent, caplog: pytest.LogCaptureFixture) -> None:
    await check(want, sent)
    assert caplog.records == []


@pytest.mark.parametrize(("want", "sent"), cases(MOST_BYTES))
async def test_a_rule_in_small_portions(want: Want, sent: Sent) -> None:
    if "POST /unread" in want.seen:
        pytest.skip("how much of an unread body has come is the point of it")
    await check(want, sent, portion_bytes=7)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == write_page(), "run: make docs-http"
