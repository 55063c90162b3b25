"""Asking a provider's administration: pages after pages, within bounds.

Law: the admin key goes to that provider's origin and nowhere else, as a header; a page is bounded by the transport,
the pages by a number, each by time. A day that nobody spoke of is not in the result. No reason quotes an answer.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

import msgspec
import trio

from lodestard.domain.secret import Secret
from lodestard.modules.reconcile.bills import (
    BillError,
    DayBill,
    Page,
    read_anthropic_costs,
    read_anthropic_usage,
    read_openai_costs,
    read_openai_usage,
)
from lodestard.modules.reconcile.judge import start_s
from lodestard.modules.reconcile.settings import Account, AnthropicAccount, OpenAIAccount, ReconcileSettings

if TYPE_CHECKING:
    import httpx

PAGE_S = 30.0
MOST_PAGES = 100
DAYS_A_PAGE = 31
GOOD = 200
REFUSED = (401, 403)
REDIRECTS = range(300, 400)
ANTHROPIC_VERSION = "2023-06-01"
Query = Sequence[tuple[str, str]]


class AskError(Exception):
    """It did not answer, or not with a bill; ``refused``: it does not want our key."""

    def __init__(self, text: str, *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


class Report(msgspec.Struct, frozen=True):
    """One of a provider's reports: where it is, how it is asked for, how a page of it is read."""

    path: str
    query: Query
    read: Callable[[bytes], Page]


class Provider(Protocol):
    """A provider's administration."""

    @property
    def name(self) -> str: ...
    @property
    def account(self) -> Account: ...
    @property
    def url(self) -> str: ...

    def headers(self, key: Secret) -> Mapping[str, str]: ...

    def costs(self, first: date, end: date) -> Report: ...

    def usage(self, first: date, end: date) -> Report: ...


class OpenAI:
    """``/v1/organization``: unix seconds, bearer keys."""

    name = "openai"

    def __init__(self, account: OpenAIAccount) -> None:
        self.account = account
        self.url = account.url

    def headers(self, key: Secret) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key.reveal()}"}

    def costs(self, first: date, end: date) -> Report:
        return Report("/v1/organization/costs", self._query(first, end), read_openai_costs)

    def usage(self, first: date, end: date) -> Report:
        return Report("/v1/organization/usage/completions", self._query(first, end), read_openai_usage)

    def _query(self, first: date, end: date) -> Query:
        span = [("start_time", str(start_s(first))), ("end_time", str(start_s(end)))]
        projects = [("project_ids[]", project) for project in self.account.project_ids]
        return [*span, ("bucket_width", "1d"), ("limit", str(_limit(first, end))), *projects]


class Anthropic:
    """``/v1/organizations``: RFC 3339, ``x-api-key``. Filtered by us: its costs can only be grouped by workspace."""

    name = "anthropic"

    def __init__(self, account: AnthropicAccount) -> None:
        self.account = account
        self.url = account.url

    def headers(self, key: Secret) -> Mapping[str, str]:
        return {"x-api-key": key.reveal(), "anthropic-version": ANTHROPIC_VERSION}

    def costs(self, first: date, end: date) -> Report:
        read = partial(read_anthropic_costs, workspace_ids=self.account.workspace_ids)
        return Report("/v1/organizations/cost_report", self._query(first, end), read)

    def usage(self, first: date, end: date) -> Report:
        read = partial(read_anthropic_usage, workspace_ids=self.account.workspace_ids)
        return Report("/v1/organizations/usage_report/messages", self._query(first, end), read)

    def _query(self, first: date, end: date) -> Query:
        # No ending_at: "buckets that end before it" may or may not leave the last day out. What is beyond is dropped.
        start = datetime(first.year, first.month, first.day, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        groups = [("group_by[]", "workspace_id")] if self.account.workspace_ids else []
        return [("starting_at", start), ("bucket_width", "1d"), ("limit", str(_limit(first, end))), *groups]


def open_providers(settings: ReconcileSettings) -> tuple[Provider, ...]:
    """Those that are set up."""
    openai = (OpenAI(settings.openai),) if settings.openai.upstream else ()
    anthropic = (Anthropic(settings.anthropic),) if settings.anthropic.upstream else ()
    return (*openai, *anthropic)


async def fetch_days(
    client: "httpx.AsyncClient", httpx: ModuleType, report: Report, days: Sequence[date]
) -> Mapping[date, DayBill]:
    """What the report says of ``days``; those that it says nothing of are not in it. Raises ``AskError``."""
    wanted = {start_s(day): day for day in days}
    found: dict[date, DayBill] = {}
    page = ""
    for _ in range(MOST_PAGES):
        query = [*report.query, *([("page", page)] if page else [])]
        read = await fetch_page(client, httpx, report, query)
        for bill in read.days:
            if (day := wanted.get(bill.start_s)) is None:
                continue
            if day in found:
                raise AskError("it says two things of one day")
            found[day] = bill
        if not read.next_page or len(found) == len(wanted):
            return found
        page = read.next_page
    raise AskError(f"its report has more than {MOST_PAGES} pages")


async def fetch_page(client: "httpx.AsyncClient", httpx: ModuleType, report: Report, query: Query) -> Page:
    """One page. Raises ``AskError``."""
    try:
        with trio.fail_after(PAGE_S):
            answer = await client.get(report.path, params=list(query))
    except trio.TooSlowError:
        raise AskError(f"no answer within {PAGE_S:g} s") from None
    except httpx.HTTPError as error:
        raise AskError(str(error) or type(error).__name__) from None
    check_status(answer.status_code)
    try:
        return report.read(answer.content)
    except BillError as error:
        raise AskError(f"its report can't be read: {error}") from None


def check_status(status: int) -> None:
    """Raises ``AskError`` for anything but a page. Pure."""
    if status in REFUSED:
        raise AskError(
            f"it refuses the key ({status}): an admin key of the organisation is needed, not one for models",
            refused=True,
        )
    if status in REDIRECTS:
        raise AskError(f"it redirects ({status}); set the url to where it goes")
    if status != GOOD:
        raise AskError(f"it answers {status}")


def _limit(first: date, end: date) -> int:
    return min(max(1, (end - first) // timedelta(days=1)), DAYS_A_PAGE)
