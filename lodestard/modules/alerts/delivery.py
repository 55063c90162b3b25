"""What a way to a person is; the ways themselves are loaded where one is set up.

Law: most houses tell nobody but their journal; they never load a mail's or a webhook's library.
"""

from collections.abc import Sequence
from typing import Protocol

from lodestard.domain.news import Alert
from lodestard.modules.alerts.settings import AlertsSettings
from lodestard.runtime import Runtime


class DeliveryError(Exception):
    """It could not be delivered now; the text is for a person."""


class Channel(Protocol):
    """One way to a person."""

    @property
    def name(self) -> str: ...

    async def deliver(self, alert: Alert, at_ms: int) -> None:
        """Raises ``DeliveryError``. Cancelled, it may or may not have been delivered."""
        ...


def open_channels(runtime: Runtime, settings: AlertsSettings) -> Sequence[Channel]:
    """Those that are set up."""
    if not settings.webhook.url and not settings.email.host:
        return ()
    # Here, for SMTP and mail are 24 modules: 8 ms and 1 MB.
    from lodestard.modules.alerts.channels import EmailChannel, WebhookChannel

    webhook = (WebhookChannel(runtime, settings.webhook),) if settings.webhook.url else ()
    email = (EmailChannel(runtime, settings.email),) if settings.email.host else ()
    return (*webhook, *email)
