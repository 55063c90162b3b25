"""What is sent: the bodies that webhooks expect, and a mail. Pure.

Law: texts hold names that clients chose. They are escaped for whom they go to and can add no header.
Sources: Slack's incoming webhooks (``text``, with ``&<>`` escaped), Discord's execute-webhook (``content`` of at most
2,000 characters, ``allowed_mentions``), ntfy's publishing (a plain body; ``Title`` and ``Priority`` as headers).
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import msgspec

from lodestard.domain.news import Alert
from lodestard.modules.alerts.settings import Email, Format

MS_PER_S = 1_000
DISCORD_CHARACTERS = 1_900
JSON_TYPE = "application/json"
NTFY_PRIORITY = {"error": "5", "warning": "4", "info": "3"}
MARKS = {"error": "🔴", "warning": "🟠", "info": "🟢"}


class Letter(msgspec.Struct, frozen=True):
    """The body of a POST and its own headers."""

    body: bytes
    headers: Mapping[str, str]


def write_letter(alert: Alert, at_ms: int, form: Format) -> Letter:
    """As the service expects it that ``form`` names."""
    if form == "slack":
        text = f"{MARKS[alert.severity]} *{_slack(alert.title)}*\n{_slack(alert.text)}"
        return _json({"text": text})
    if form == "discord":
        text = f"{MARKS[alert.severity]} **{alert.title}**\n{alert.text}"[:DISCORD_CHARACTERS]
        return _json({"content": text, "allowed_mentions": {"parse": []}})
    if form == "ntfy":
        title = alert.title if alert.title.isascii() else Header(alert.title, "utf-8", maxlinelen=10_000).encode()
        headers = {"content-type": "text/plain; charset=utf-8", "title": title}
        return Letter(alert.text.encode(), {**headers, "priority": NTFY_PRIORITY[alert.severity]})
    return _json(
        {
            "key": alert.key,
            "source": alert.source,
            "severity": alert.severity,
            "title": alert.title,
            "text": alert.text,
            "at": _moment(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "figures": alert.figures,
        }
    )


def _json(body: Mapping[str, object]) -> Letter:
    return Letter(msgspec.json.encode(body), {"content-type": JSON_TYPE})


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def write_mail(alert: Alert, at_ms: int, settings: Email) -> EmailMessage:
    """A plain mail. Its Message-ID is made of the alert's key, so that one sent twice is known as one."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = settings.sender
    mail["To"] = ", ".join(settings.to)
    mail["Subject"] = f"[Lodestar] {alert.title}"
    mail["Date"] = format_datetime(_moment(at_ms))
    name = hashlib.sha256(f"{alert.key} {at_ms}".encode()).hexdigest()[:32]
    mail["Message-ID"] = f"<lodestar-{name}@{settings.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{alert.text}\n\nlodestarctl alerts lists what was told.\n")
    return mail


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // MS_PER_S, UTC).replace(microsecond=at_ms % MS_PER_S * MS_PER_S)
