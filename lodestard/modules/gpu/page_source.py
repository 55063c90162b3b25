"""Fetches an exporter's page, on httpx over a pool that lives for one look.

Law: a look ends within its time, reads a bounded page, follows no redirect, uses no proxy, and sends no secret; so it
may go in plain text to another machine. Whatever goes wrong is a ``Trouble``, never an exception.
"""

import logging
from types import ModuleType

import trio

from lodestard.domain.telemetry import Source, Telemetry
from lodestard.modules.gpu.dcgm_page import read_dcgm
from lodestard.modules.gpu.exporter_page import read_exporter, read_health, with_failures
from lodestard.modules.gpu.exposition import parse_page
from lodestard.modules.gpu.settings import Card
from lodestard.modules.gpu.troubles import Trouble, shown
from lodestard.runtime import Runtime

MAX_PAGE_BYTES = 2_000_000
LOOK_S = 10.0
ACCEPT = {"accept": "text/plain;version=0.0.4", "accept-encoding": "identity"}
GOOD = 200


class PageSource:
    """Looks at one page."""

    def __init__(self, runtime: Runtime, name: str, card: Card) -> None:
        self._runtime = runtime
        self._url = card.url
        self._title = f"the exporter of {name}"
        self._reader = PageReader(card.source, card.gpu)

    async def look(self) -> Telemetry | Trouble:
        """The card as its page shows it now."""
        httpx = await trio.to_thread.run_sync(_import_httpx)
        try:
            with trio.fail_after(LOOK_S):
                page = await self._fetch(httpx)
        except trio.TooSlowError:
            return Trouble(code="unreachable", text=f"no page within {LOOK_S:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return Trouble(code="unreachable", text=shown(str(error)) or type(error).__name__)
        return page if isinstance(page, Trouble) else self._reader.read(page)

    async def _fetch(self, httpx: ModuleType) -> str | Trouble:
        url, body = self._url, bytearray()
        async with (
            self._runtime.open_origin(url, self._title, plain_text_ok=True) as transport,
            httpx.AsyncClient(transport=transport, trust_env=False, timeout=LOOK_S) as client,
            client.stream("GET", url, headers=ACCEPT) as answer,
        ):
            if answer.status_code != GOOD:
                return Trouble(code="page_refused", text=f"the exporter answers {answer.status_code}")
            # As it came: unpacked, a small answer could be a huge one. The transport's own bound ends an endless one.
            async for piece in answer.aiter_raw():
                body += piece
        if len(body) > MAX_PAGE_BYTES:
            return Trouble(code="page_unreadable", text="its page is larger than can be right")
        return body.decode(errors="replace")


class PageReader:
    """Reads one exporter's pages. Owner of its count of failures on the last one."""

    def __init__(self, source: Source, gpu: str) -> None:
        self._source = source
        self._gpu = gpu
        self._failures: float | None = None

    def read(self, text: str) -> Telemetry | Trouble:
        """The card on a page; a text without a single sample is no page."""
        page = parse_page(text)
        if page.strange and not page.samples:
            return Trouble(code="page_unreadable", text="its page is none for Prometheus")
        if self._source == "dcgm":
            return read_dcgm(page, self._gpu)
        before, self._failures = self._failures, read_health(page).failures
        reading = read_exporter(page, self._gpu)
        return reading if isinstance(reading, Trouble) else with_failures(reading, before, self._failures)


def _import_httpx() -> ModuleType:
    """httpx takes a tenth of a second to import: not on the loop's time. It would log a line for each look."""
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)
    return httpx
