"""Counts from the start, and offers the page; Prometheus' library is loaded when it is first read."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

import trio

from lodestard.modules.metrics.heard import Heard
from lodestard.modules.metrics.settings import MetricsSettings
from lodestard.runtime import Runtime

if TYPE_CHECKING:
    from lodestard.modules.metrics.page import Page


async def run_metrics(runtime: Runtime, settings: MetricsSettings) -> None:
    """Offer the page until cancelled."""
    heard = Heard()
    with ExitStack() as doors:
        doors.enter_context(runtime.hooks.pages.add(settings.path, Door(runtime, settings, heard).page))
        doors.enter_context(runtime.hooks.request_ended.listen(heard.hear_request))
        doors.enter_context(runtime.hooks.attempt_ended.listen(heard.hear_attempt))
        doors.enter_context(runtime.hooks.key_refused.listen(heard.hear_refusal))
        await trio.sleep_forever()


class Door:
    """Opens the page to the first who asks for it."""

    def __init__(self, runtime: Runtime, settings: MetricsSettings, heard: Heard) -> None:
        self._runtime = runtime
        self._settings = settings
        self._heard = heard
        self._page: Page | None = None

    async def page(self, _accept: str) -> tuple[str, bytes]:
        """The exposition text. Raises ``HouseFault`` where the ledger can't be read."""
        page = self._page
        if page is None:
            opened = await trio.to_thread.run_sync(_import_page)
            page = self._page = self._page or opened(self._runtime, self._settings, self._heard)
        return await page.read()


def _import_page() -> type["Page"]:
    """20 ms and 2.3 MB, for its library brings an HTTP server along: not at the start, not on the loop's time."""
    from lodestard.modules.metrics.page import Page

    return Page
