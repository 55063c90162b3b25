"""``costs``, ``costs.report`` and ``costs.export`` over a desk: sums, spans, the calendar, and what is passed on."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.control.arguments import read_arguments
from lodestard.control.messages.figures import CostRow
from lodestard.control.messages.reports import MonthReport
from lodestard.control.verbs import core_verbs
from lodestard.control.verbs.cost_rows import AGAINST_BASELINE, COUNTED, cost_row, keep_top, sum_rows
from lodestard.control.verbs.desk import WantedExport
from lodestard.control.verbs.house import read_status
from lodestard.control.verbs.projecting import project_month
from lodestard.control.verbs.reports import SECTIONS
from lodestard.control.verbs.trend import choose_step, fill_gaps, read_start_ms
from lodestard.domain.errors import CallerFault
from tests.fakes.control_desk import NOW_MS, SETTINGS, FakeDesk, FakeReports, Figures, make_runtime, with_baseline

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BERLIN = ZoneInfo("Europe/Berlin")
UTC_ZONE = ZoneInfo("UTC")
CENT = 10_000_000


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk(make_runtime(with_baseline()))


async def call(desk: FakeDesk, name: str, **arguments: Any) -> Any:
    verb = core_verbs(desk)[name]
    assert verb.answer is not None
    answer = await verb.answer(read_arguments(verb, msgspec.json.encode(arguments)))
    return msgspec.json.decode(msgspec.json.encode(answer), type=type(answer))


def at_ms(text: str, zone: ZoneInfo = UTC_ZONE) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


# rows

figures = st.builds(
    Figures,
    key=st.text(max_size=5),
    **{
        name: st.integers(-(10**12) if name.startswith("saved") else 0, 10**12)
        for name in Figures.__struct_fields__
        if name != "key"
    },
)


@given(st.lists(figures, max_size=12), st.integers(0, 12), st.booleans())
def test_rows_and_rest_always_sum_to_the_total(lines: list[Figures], top: int, baseline: bool) -> None:
    rows = [cost_row(line, baseline=baseline) for line in lines]
    section = keep_top("user", rows, top)
    shown = [*section.rows, *([section.rest] if section.rest is not None else [])]
    assert sum_rows("all", shown) == sum_rows("all", rows)
    assert len(section.rows) + section.others == len(rows)
    assert section.others != 1


def test_every_figure_of_the_ledger_has_its_place() -> None:
    line = Figures(key="/", **{name: at for at, name in enumerate(Figures.__struct_fields__[1:], 1)})
    row = cost_row(line, baseline=True)
    assert (row.name, row.failed) == ("", line.errors)
    for name in {*COUNTED, *AGAINST_BASELINE} - {"failed"}:
        assert getattr(row, name) == getattr(line, name)
    assert all(getattr(cost_row(line, baseline=False), name) is None for name in AGAINST_BASELINE)


# costs


async def test_without_a_trend_one_question_is_asked(desk: FakeDesk) -> None:
    desk.reports.figures["model"] = [Figures(key="a/b", requests=2, cost_nano_usd=7)]
    report = await call(desk, "costs")
    assert (report.trend, report.projection, report.rest) == (None, None, None)
    assert [asked[0] for asked in desk.reports.asked] == ["model"]


@pytest.mark.parametrize("verb", ["costs", "costs.report"])
async def test_what_is_settled_while_the_tables_are_read_is_not_lost(desk: FakeDesk, verb: str) -> None:
    desk.house = msgspec.structs.replace(desk.house, held_nano_usd=7)

    def settle() -> None:
        desk.house = msgspec.structs.replace(desk.house, held_nano_usd=0)

    desk.reports.meanwhile = settle
    assert (await call(desk, verb)).total.held_nano_usd == 7
    assert (await call(desk, verb)).total.held_nano_usd == 0


async def test_the_course_of_time_is_of_whole_days_without_gaps(desk: FakeDesk) -> None:
    desk.reports.figures["day"] = [
        Figures(key="2025-11-17", cost_nano_usd=CENT, requests=1),
        Figures(key="2025-11-20", cost_nano_usd=3 * CENT, requests=2),
    ]
    report = await call(desk, "costs", trend="14d")
    assert report.trend.by == "day"
    assert [(row.name, row.cost_nano_usd) for row in report.trend.rows] == [
        ("2025-11-17", CENT),
        ("2025-11-18", 0),
        ("2025-11-19", 0),
        ("2025-11-20", 3 * CENT),
        ("2025-11-21", 0),
    ]
    by, since_ms, _, _ = desk.reports.asked[1]
    assert (by, since_ms) == ("day", at_ms("2025-11-08"))
    assert report.projection.window == "2025-11"
    assert report.projection.spent_nano_usd == 4 * CENT
    assert report.projection.reason.startswith("4 of the 14 days")


async def test_what_is_over_has_a_course_and_no_projection(desk: FakeDesk) -> None:
    desk.reports.figures["hour"] = [Figures(key="2025-11-20T09:00", requests=1)]
    report = await call(desk, "costs", since="2025-11-20", until="2025-11-20", trend="2025-11-20")
    assert report.projection is None
    assert [row.name for row in report.trend.rows] == [f"2025-11-20T{hour:02}:00" for hour in range(9, 24)]


async def test_the_smaller_groups_are_one_row(desk: FakeDesk) -> None:
    rows = [Figures(key=str(at), requests=1, cost_nano_usd=at, saved_local_nano_usd=at) for at in range(9, 0, -1)]
    desk.reports.figures["user"] = rows
    report = await call(desk, "costs", by="user", top=3)
    assert [row.name for row in report.rows] == ["9", "8", "7"]
    assert (report.others, report.rest.cost_nano_usd, report.rest.requests) == (6, 21, 6)
    assert (report.total.cost_nano_usd, report.total.saved_local_nano_usd) == (45, 45)
    desk.reports.figures["day"] = [Figures(key=f"2025-11-0{at}") for at in range(1, 9)]
    assert len((await call(desk, "costs", by="day", top=3)).rows) == 8


# time


@pytest.mark.parametrize(
    ("span_ms", "step"),
    [
        (6 * HOUR_MS, "hour"),
        (48 * HOUR_MS, "hour"),
        (3 * DAY_MS, "day"),
        (62 * DAY_MS, "day"),
        (90 * DAY_MS, "week"),
        (430 * DAY_MS, "week"),
        (2000 * DAY_MS, "month"),
    ],
)
def test_steps(span_ms: int, step: str) -> None:
    assert choose_step(span_ms) == step


@pytest.mark.parametrize(
    ("step", "begins", "start"),
    [
        ("hour", "2025-11-21T09:20", "2025-11-21T10:00"),
        ("day", "2025-11-21T00:00", "2025-11-21T00:00"),
        ("day", "2025-11-07T12:00", "2025-11-08T00:00"),
        ("week", "2025-11-17T00:00", "2025-11-17T00:00"),
        ("week", "2025-11-18T00:00", "2025-11-24T00:00"),
        ("month", "2025-11-18T00:00", "2025-12-01T00:00"),
        ("month", "2025-12-01T00:00", "2025-12-01T00:00"),
    ],
)
def test_no_step_is_shown_in_part(step: Any, begins: str, start: str) -> None:
    assert read_start_ms(at_ms(begins, BERLIN), step, BERLIN) == at_ms(start, BERLIN)


@pytest.mark.parametrize(
    ("step", "first", "ends", "names"),
    [
        ("week", "2025-W51", "2026-01-06", ["2025-W51", "2025-W52", "2026-W01", "2026-W02"]),
        ("month", "2025-11", "2026-01-02", ["2025-11", "2025-12", "2026-01"]),
        ("day", "2025-10-25", "2025-10-27T01:00", ["2025-10-25", "2025-10-26", "2025-10-27"]),
        (
            "hour",
            "2025-10-26T01:00",
            "2025-10-26T04:30",
            ["2025-10-26T01:00", "2025-10-26T02:00", "2025-10-26T03:00", "2025-10-26T04:00"],
        ),
        (
            "hour",
            "2025-03-30T01:00",
            "2025-03-30T04:00",
            ["2025-03-30T01:00", "2025-03-30T03:00"],
        ),
    ],
)
def test_gaps_are_filled_by_the_zones_calendar(step: Any, first: str, ends: str, names: list[str]) -> None:
    rows = fill_gaps([CostRow(name=first, requests=1)], step, at_ms(ends, BERLIN), BERLIN)
    assert [row.name for row in rows] == names
    assert rows[0].requests == 1
    assert fill_gaps([], step, at_ms(ends, BERLIN), BERLIN) == ()


@pytest.mark.parametrize(
    ("now", "zone", "likely_cents"),
    [
        ("2025-11-21T12:00", UTC_ZONE, 20 + 9.5),  # nine whole days and half of today are left
        ("2025-11-30T23:59:59", UTC_ZONE, 29 + 0.001),
        ("2025-11-21T12:00", BERLIN, 20 + 9.5),
        ("2024-02-20T00:00", UTC_ZONE, 19 + 10),  # a leap year's
    ],
)
def test_the_month_is_projected_over_its_own_days(now: str, zone: ZoneInfo, likely_cents: float) -> None:
    now_ms = at_ms(now, zone)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).date()
    days = {datetime.fromordinal(today.toordinal() - back).date().isoformat(): CENT for back in range(1, 70)}
    told = project_month(days, now_ms, zone)
    assert told.likely_nano_usd is not None
    assert abs(told.likely_nano_usd - likely_cents * CENT) <= CENT / 1000
    assert told.low_nano_usd == told.high_nano_usd == told.likely_nano_usd
    assert (told.window, told.reason, told.error_per_mille) == (now[:7], "", 0)


async def test_the_month_and_the_alerts_are_in_the_status(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.reports.figures["day"] = [
        Figures(key="2025-10-31", cost_nano_usd=100),
        Figures(key="2025-11-03", cost_nano_usd=30, saved_nano_usd=7),
        Figures(key="2025-11-21", cost_nano_usd=5, saved_nano_usd=-1),
    ]
    desk.reports.figures["cache"] = [Figures(key="miss", saved_nano_usd=9, saved_local_nano_usd=9)]
    monkeypatch.setattr(desk.budgets, "banner", lambda: ["month has used 80 %."])
    status = await read_status(desk)
    assert status.month is not None
    assert (status.month.cost_nano_usd, status.month.saved_nano_usd) == (35, 6)
    assert status.month.projection is not None
    assert status.month.projection.reason
    assert (status.today.saved_local_nano_usd, status.today.saved_cache_nano_usd) == (9, 0)
    assert [alert.what for alert in status.alerts] == ["month has used 80 %."]


# reports


async def test_a_report_is_of_one_month_and_sums_to_one_total(desk: FakeDesk) -> None:
    for by in SECTIONS:
        desk.reports.figures[by] = [
            Figures(key=f"{by}{at}", requests=at, cost_nano_usd=at * CENT, unknown_nano_usd=at % 2, total_us=at)
            for at in range(30, 0, -1)
        ]
    report: MonthReport = await call(desk, "costs.report", month="2025-11", top=5)
    assert (report.month, report.over, report.settled, report.baseline) == ("2025-11", False, True, "openai/gpt-4o")
    assert (report.since_ms, report.until_ms) == (at_ms("2025-11-01"), NOW_MS)
    assert [section.by for section in report.sections] == list(SECTIONS)
    for section in report.sections:
        rows = [*section.rows, *([section.rest] if section.rest else [])]
        assert sum_rows("all", rows) == report.total
        assert len(section.rows) == (30 if section.by == "day" else 5)
    assert sum(row.unknown_nano_usd for row in report.charged_unknown) == report.total.unknown_nano_usd == 15
    assert report.projection is not None
    assert report.budgets is not None
    assert [budget.name for budget in report.budgets] == ["month"]
    assert {asked[1:3] for asked in desk.reports.asked[:8]} == {(at_ms("2025-11-01"), at_ms("2025-12-01"))}


async def test_last_month_is_over(desk: FakeDesk) -> None:
    desk.house = msgspec.structs.replace(desk.house, held_nano_usd=7)
    desk.unreconciled = {"2025-10": 5}
    report: MonthReport = await call(desk, "costs.report", month="last")
    assert report.unreconciled_nano_usd == 5
    assert (report.month, report.over, report.projection, report.total.held_nano_usd) == ("2025-10", True, None, 0)
    assert report.budgets is None
    assert (report.since_ms, report.until_ms) == (at_ms("2025-10-01"), at_ms("2025-11-01"))
    assert (await call(desk, "costs.report")).total.held_nano_usd == 7


class MovingReports(FakeReports):
    """A request ends after each question, ``moves`` times."""

    moves = 0

    async def costs(
        self, by: str, *, since_ms: int = 0, until_ms: int = 0, timezone: str = "UTC"
    ) -> Sequence[Figures]:
        self.asked.append((by, since_ms, until_ms, timezone))
        return [Figures(key="x", requests=min(self.moves, len(self.asked)))]


@pytest.mark.parametrize(("moves", "settled", "asked"), [(3, True, 2 * 8), (10, True, 3 * 8), (1000, False, 3 * 8)])
async def test_a_report_is_read_anew_until_its_sections_agree(moves: int, settled: bool, asked: int) -> None:
    reports = MovingReports()
    reports.moves = moves
    desk = FakeDesk(make_runtime(with_baseline()), reports=reports)
    report: MonthReport = await call(desk, "costs.report", month="last")
    assert (report.settled, len(reports.asked)) == (settled, asked)


@pytest.mark.parametrize("month", ["", "november", "2025-13", "2025-11-01", "2025-12", "0000-01"])
async def test_what_is_no_month_is_said_so(desk: FakeDesk, month: str) -> None:
    with pytest.raises(CallerFault, match=r"is no month|has not begun"):
        await call(desk, "costs.report", month=month)


# export


async def export(desk: FakeDesk, **arguments: Any) -> list[str]:
    verb = core_verbs(desk)["costs.export"]
    assert verb.stream is not None
    texts: list[str] = []

    async def emit(item: object) -> None:
        texts.append(msgspec.to_builtins(item)["text"])

    await verb.stream(read_arguments(verb, msgspec.json.encode(arguments)), emit)
    return texts


async def test_pieces_are_passed_on_wherever_they_are_cut(desk: FakeDesk) -> None:
    text = "id,name\n1,王é\n"
    data = text.encode()
    for cut in range(len(data)):
        desk.exported = (data[:cut], data[cut:])
        assert "".join(await export(desk)) == text
    desk.exported = (data[:-3], b"\xff")
    with pytest.raises(UnicodeDecodeError):
        await export(desk)


async def test_what_is_exported_is_what_was_asked_for(desk: FakeDesk) -> None:
    await export(desk)
    await export(desk, format="jsonl", since="2025-11-01", until="2025-11-02", names=True)
    assert desk.wanted == [
        WantedExport(form="csv"),
        WantedExport(form="jsonl", since_ms=at_ms("2025-11-01"), until_ms=at_ms("2025-11-03"), names=True),
    ]
    with pytest.raises(CallerFault):
        await export(desk, since="yore")


async def test_names_are_hidden_unless_the_settings_say_otherwise() -> None:
    settings = with_baseline(SETTINGS)
    open_house = msgspec.structs.replace(settings, ledger=msgspec.structs.replace(settings.ledger, anonymise=False))
    desk = FakeDesk(make_runtime(open_house))
    await export(desk)
    assert desk.wanted == [WantedExport(form="csv", names=True)]
