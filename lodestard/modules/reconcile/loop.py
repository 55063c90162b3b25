"""The schedule: looks at the days that are not final yet, posts what has changed, and tells of what is far apart.

Law: one look at a time. What could not be asked is told and changes nothing; what has been posted stands, and the
next look posts the rest.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from types import ModuleType

import msgspec
import trio

from lodestard.domain.bills import Bill, Look
from lodestard.domain.errors import CallerFault, Code, HouseFault
from lodestard.domain.money import format_usd
from lodestard.domain.news import Alert
from lodestard.domain.verbs import Argument, Arguments, Verb
from lodestard.modules.reconcile.bills import BillError, DayBill, nano_usd_of
from lodestard.modules.reconcile.judge import Day, day_of, first_day, judge, make_day, plan_days
from lodestard.modules.reconcile.providers import AskError, Provider, fetch_days, open_providers
from lodestard.modules.reconcile.settings import ReconcileSettings
from lodestard.runtime import Runtime

SHOWN = 30
AFTER_TROUBLE_S = 900.0

logger = logging.getLogger(__name__)


class Found(msgspec.Struct):
    """What one round has written, and what went wrong, by upstream."""

    looks: list[Look]
    problems: dict[str, str]


async def run_reconcile(runtime: Runtime, settings: ReconcileSettings) -> None:
    """Look every ``interval_s`` until cancelled; sooner after trouble."""
    reconcile = Reconcile(runtime, settings)
    with ExitStack() as doors:
        doors.enter_context(runtime.hooks.status_parts.add("reconcile", reconcile.status))
        for verb in reconcile.verbs():
            doors.enter_context(runtime.hooks.verbs.add(verb.name, verb))
        while True:
            try:
                await reconcile.look()
            except HouseFault as fault:
                logger.warning("bills can't be compared now: %s", fault.message)
                reconcile.problems["ledger"] = fault.message
            pause_s = settings.interval_s
            await trio.sleep(min(pause_s, AFTER_TROUBLE_S) if reconcile.problems else pause_s)


class Reconcile:
    """Owner of what is known of how asking fares."""

    def __init__(self, runtime: Runtime, settings: ReconcileSettings) -> None:
        self._runtime = runtime
        self._settings = settings
        self._providers = open_providers(settings)
        self._turn = trio.Lock()
        self._last: dict[str, Look] = {}
        self.problems: dict[str, str] = {}

    async def look(self, only: date | None = None) -> Found:
        """Look at the days that are not final, or at this one. Raises ``HouseFault`` where the ledger fails."""
        found = Found([], {})
        httpx = await trio.to_thread.run_sync(_import_httpx)
        async with self._turn:
            for provider in self._providers:
                try:
                    await self._look_at(provider, httpx, only, found.looks)
                except AskError as error:
                    found.problems[provider.account.upstream] = str(error)
                    self._tell_trouble(provider, error)
        for upstream in self.problems.keys() - found.problems.keys():
            logger.info("the bill of %s can be seen again", upstream)
        self.problems = found.problems
        return found

    async def _look_at(self, provider: Provider, httpx: ModuleType, only: date | None, looks: list[Look]) -> None:
        """Adds to ``looks``. Raises ``AskError``."""
        if provider.account.upstream not in self._runtime.settings.upstreams:
            raise AskError(f"no upstream is called {provider.account.upstream!r}: mend [modules.reconcile]")
        now_ms = self._runtime.clock.now_ms()
        ledger = self._runtime.ledger.reconciliation
        known = await ledger.known(provider.account.upstream, first_day(now_ms, self._settings))
        planned = plan_days(now_ms, known, self._settings, self._runtime.settings.ledger.retention_days)
        days = planned if only is None else [make_day(only, now_ms, self._settings.settle_days)]
        if not days:
            return
        costs, usage = await self._fetch(provider, httpx, [day.date for day in days])
        missing = []
        for day in days:
            if (cost := costs.get(day.date)) is None:
                missing.append(day.name)
            else:
                looks.append(await self._compare(provider, day, cost, usage))
        if missing:
            raise AskError(f"its report says nothing of {', '.join(missing)}")

    async def _fetch(
        self, provider: Provider, httpx: ModuleType, days: Sequence[date]
    ) -> tuple[Mapping[date, DayBill], Mapping[date, DayBill]]:
        """Costs, and usage where that can be had: it explains a difference and is not needed to see one."""
        first, end = min(days), max(days) + timedelta(days=1)
        assert provider.account.key is not None
        try:
            headers = provider.headers(self._runtime.secret(provider.account.key))
            origin = self._runtime.open_origin(provider.url, f"{provider.name}'s administration")
            async with (
                origin as transport,
                httpx.AsyncClient(
                    transport=transport, base_url=provider.url, headers=headers, trust_env=False
                ) as client,
            ):
                costs = await fetch_days(client, httpx, provider.costs(first, end), days)
                try:
                    return costs, await fetch_days(client, httpx, provider.usage(first, end), days)
                except AskError as error:
                    logger.info("the usage of %s can't be seen: %s", provider.account.upstream, error)
                    return costs, {}
        except (LookupError, ValueError) as error:
            raise AskError(str(error)) from None

    async def _compare(self, provider: Provider, day: Day, cost: DayBill, usage: Mapping[date, DayBill]) -> Look:
        ledger = self._runtime.ledger.reconciliation
        upstream = provider.account.upstream
        try:
            theirs_nano_usd = nano_usd_of(cost.usd)
        except BillError as error:
            raise AskError(f"its report can't be used: {error}") from None
        ours = await ledger.ours(upstream, day.start_ms)
        verdict = judge(ours.nano_usd, theirs_nano_usd, self._settings, final=day.final)
        detail: dict[str, str | int | bool] = {"verdict": verdict.reason}
        if (used := usage.get(day.date)) is not None:
            detail |= {
                "our_prompt_tokens": ours.prompt_tokens or 0,
                "our_completion_tokens": ours.completion_tokens or 0,
                "their_prompt_tokens": used.prompt_tokens,
                "their_completion_tokens": used.completion_tokens,
            }
        look = await ledger.post(
            Bill(
                at_ms=self._runtime.clock.now_ms(),
                upstream=upstream,
                day=day.name,
                ours_nano_usd=ours.nano_usd,
                theirs_nano_usd=theirs_nano_usd,
                alarmed=verdict.alarm,
                final=day.final,
                detail=detail,
            )
        )
        self._last[upstream] = look
        if look.new and verdict.alarm:
            self._runtime.hooks.alert.tell(alarm(look))
        return look

    def _tell_trouble(self, provider: Provider, error: AskError) -> None:
        upstream = provider.account.upstream
        if self.problems.get(upstream) != str(error):
            logger.warning("the bill of %s can't be seen: %s", upstream, error)
        if error.refused:
            self._runtime.hooks.alert.tell(trouble(upstream, error, day_of(self._runtime.clock.now_ms())))

    # -- being asked -------------------------------------------------------------------------------------------

    def status(self) -> dict[str, object]:
        """One line an upstream."""
        lines: dict[str, object] = {upstream: in_words(look) for upstream, look in self._last.items()}
        return lines | self.problems

    def verbs(self) -> tuple[Verb, ...]:
        which = (Argument(name="day", help="one UTC day, as 2026-11-25; otherwise those that are not final"),)
        how_many = (Argument(name="last", kind="integer", default=SHOWN, help="how many"),)
        return (
            Verb(name="reconcile.run", summary="look now", needs="admin", arguments=which, answer=self._run),
            Verb(
                name="reconcile.show", summary="what looks found", needs="read", arguments=how_many, answer=self._show
            ),
        )

    async def _run(self, arguments: Arguments) -> dict[str, object]:
        """What was looked at, also what had not changed."""
        if not self._providers:
            raise CallerFault(
                Code.NOT_SUPPORTED,
                "There is no account: set [modules.reconcile.openai] or [modules.reconcile.anthropic].",
            )
        text = arguments["day"]
        found = await self.look(self._read_day(text) if text else None)
        return await self._say(found.looks)

    async def _show(self, arguments: Arguments) -> dict[str, object]:
        return await self._say(await self._runtime.ledger.reconciliation.looks(max(0, arguments["last"])))

    async def _say(self, looks: Sequence[Look]) -> dict[str, object]:
        return {
            "looks": looks,
            "problems": [{"upstream": upstream, "what": what} for upstream, what in self.problems.items()],
            "unreconciled_nano_usd": await self._runtime.ledger.reconciliation.balance_nano_usd(),
        }

    def _read_day(self, text: str) -> date:
        """Raises ``CallerFault``: attempts are kept for some time only, and without them ours is too little."""
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise CallerFault(Code.INVALID_REQUEST, f"{text!r} is no day: say 2026-11-25.", param="day") from None
        today = day_of(self._runtime.clock.now_ms())
        kept_days = self._runtime.settings.ledger.retention_days
        if not 0 <= (today - day).days < kept_days:
            raise CallerFault(
                Code.INVALID_REQUEST,
                f"{text} is not within the {kept_days} days that requests are kept.",
                param="day",
            )
        return day


def in_words(look: Look) -> str:
    """``2026-11-24: $0.07 more than the ledger has``. Pure."""
    if not look.difference_nano_usd:
        return f"{look.day}: as the ledger has it"
    more = "more" if look.difference_nano_usd > 0 else "less"
    return f"{look.day}: ${format_usd(abs(look.difference_nano_usd))} {more} than the ledger has"


def alarm(look: Look) -> Alert:
    """A bill that is far from the ledger. Pure."""
    ours, theirs = format_usd(look.ours_nano_usd), format_usd(look.theirs_nano_usd)
    return Alert(
        key=f"reconcile:{look.upstream}:{look.day}:{look.difference_nano_usd}",
        topic=f"reconcile:{look.upstream}:{look.day}",
        source="reconcile",
        severity="error",
        title=f"{look.upstream} billed {in_words(look)}",
        text=f"It says ${theirs}, the ledger has ${ours}. lodestarctl reconcile show lists the days.",
        figures={
            "upstream": look.upstream,
            "day": look.day,
            "ours_usd": ours,
            "theirs_usd": theirs,
            "difference_nano_usd": look.difference_nano_usd,
        },
    )


def trouble(upstream: str, error: AskError, today: date) -> Alert:
    """Nobody compares any more; told once a day. Pure."""
    return Alert(
        key=f"reconcile:{upstream}:trouble:{today.isoformat()}",
        topic=f"reconcile:{upstream}:trouble",
        source="reconcile",
        severity="warning",
        title=f"The bill of {upstream} can't be seen",
        text=f"{error}.",
        figures={"upstream": upstream},
    )


def _import_httpx() -> ModuleType:
    """httpx takes a tenth of a second to import: not on the loop's time."""
    import httpx

    return httpx
