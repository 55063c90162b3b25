"""Alerts: what was told, and how its ways to a person fare."""

from collections.abc import Mapping
from typing import Literal

from lodestard.control.envelope import Message
from lodestard.control.messages.severity import Severity


class AlertRow(Message, frozen=True):
    """One alert. ``current``: it speaks of now. ``pending`` are the channels that have not got it yet.

    ``failed`` says why a channel never got it.
    """

    at_ms: int
    title: str
    text: str = ""
    key: str = ""
    source: str = ""
    severity: Severity = "warning"
    until_ms: int | None = None
    current: bool = False
    pending: tuple[str, ...] = ()
    failed: Mapping[str, str] = {}


class AlertChannel(Message, frozen=True):
    """A way to a person. ``detail`` is what is wrong with it, empty where nothing is."""

    name: str
    detail: str = ""


class AlertList(Message, frozen=True):
    """The newest first."""

    alerts: tuple[AlertRow, ...] = ()
    channels: tuple[AlertChannel, ...] = ()


class AlertTest(Message, frozen=True):
    """How a test alert went by one channel."""

    channel: str
    outcome: Literal["ok", "failed"]
    detail: str = ""
    total_ms: int = 0


class AlertsPart(Message, frozen=True):
    """What ``status`` says of alerts."""

    current: tuple[AlertRow, ...] = ()
    undelivered: int = 0
