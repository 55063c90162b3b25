"""The clients of a configuration, made ready to be recognised by their keys. Pure.

Law: a key expires with its day, as the ledger counts days.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from lodestard.domain.client import Clients, KnownClient, Principal
from lodestard.domain.settings import Client, Settings

MS_PER_S = 1_000
ONE_DAY = timedelta(days=1)


def read_clients(settings: Settings, timezone: str) -> Clients:
    """Those of a checked configuration."""
    known = [
        (bytes.fromhex(client.key_sha256), read_client(name, client, timezone))
        for name, client in settings.clients.items()
    ]
    return Clients(
        by_digest=dict(known),
        limited={each.principal.name: each.principal for _, each in known if each.principal.models},
        keyless_loopback=settings.server.keyless_loopback,
    )


def read_client(name: str, client: Client, timezone: str) -> KnownClient:
    """One of them."""
    principal = Principal(
        name=name,
        project=client.project,
        user=client.user,
        models=frozenset(client.models),
        priority=client.priority,
    )
    until_ms = end_of_day_ms(client.expires, timezone) if client.expires else None
    return KnownClient(principal=principal, enabled=client.enabled, until_ms=until_ms)


def end_of_day_ms(day: str, timezone: str) -> int:
    """``2026-12-31`` → when the day after it begins. Raises ``ValueError`` for what is no such day."""
    after = date.fromisoformat(day) + ONE_DAY
    begins = datetime(after.year, after.month, after.day, tzinfo=ZoneInfo(timezone))
    return int(begins.timestamp() * MS_PER_S)
