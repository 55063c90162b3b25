"""Every screen, word for word, 80 columns wide: for pipes and for terminals.

The expected texts are files in ``golden/``; ``LODESTAR_GOLDEN=write`` writes them anew, to be read before they are
committed.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from lodestarctl.render import (
    alerts,
    banner,
    costs,
    figures,
    findings,
    gpu,
    models,
    prices,
    reconcile,
    requests,
    sessions,
    status,
)
from lodestarctl.render.blocks import Block, Cell, Column, Facts, Note, Table
from lodestarctl.render.generic import render_anything
from lodestarctl.render.plain import paint_plain
from lodestarctl.render.terminal import paint_terminal
from lodestarctl.render.words import columns_of, usd
from lodestard.control.messages import (
    CacheReport,
    CacheWarmed,
    ConfigValues,
    CostRow,
    CostsReport,
    LedgerVerification,
    ModelsReport,
    ReloadReport,
    RequestRow,
    Status,
    TestPlans,
    VersionReport,
)
from lodestard.control.messages.alerts import AlertList
from lodestard.control.messages.figures import CostSection
from lodestard.control.messages.gpu import GpuReport, Lent, Pinned
from lodestard.control.messages.reconcile import ReconcileReport
from lodestard.control.messages.sessions import SessionList, SessionReport
from tests.fakes import control_samples as samples
from tests.fakes import gpu_samples, price_samples, session_samples

GOLDEN = Path(__file__).parent / "golden"
WIDTH = 80
ANYTHING = {
    "power_w": 31,
    "ok": True,
    "cost_nano_usd": 1000,
    "since_at_ms": samples.NOON_MS,
    "unknown": None,
    "words": ["a", "b"],
    "nested": {"a": 1},
    "cards": [{"name": "T600", "temp_c": 61, "spent_nano_usd": 12}, {"name": "x\x1b[2J", "temp_c": None}],
}
LONG_NAMES = Table(
    (Column("name", flexible=True), Column("also", flexible=True), Column("n", "right")),
    [(Cell("n" * 60), Cell("a" * 60), Cell("1"))],
)


def samples_with_cards() -> Status:
    """A status in which cards are told of, and no module tells of them once more."""
    hosts = (gpu_samples.BUSY, gpu_samples.QUIET, gpu_samples.AWAY, gpu_samples.GONE, gpu_samples.FRESH)
    troubled = replace(gpu_samples.LOADS, problem="its server was restarted")
    return replace(samples.STATUS, cards=(*hosts, troubled), problems=())


SCREENS: dict[str, Sequence[Block]] = {
    "status": status.render_status(samples.STATUS),
    "alerts": alerts.render_alerts(samples.ALERTS),
    "alerts-none": alerts.render_alerts(AlertList()),
    "reconcile": reconcile.render_reconcile(samples.RECONCILED),
    "reconcile-none": reconcile.render_reconcile(ReconcileReport()),
    "status-new": status.render_status(Status(version="0.1.0", pid=1, state="starting", uptime_s=0, simulated=True)),
    "version": status.render_version(VersionReport(version="0.1.0", runs_on={"python": "3.11.2"}), "0.1.0"),
    "costs": costs.render_costs(samples.COSTS),
    "costs-course": costs.render_costs(samples.COURSE),
    "costs-hours": costs.render_costs(samples.HOURS),
    "costs-top": costs.render_costs(samples.TOP),
    "costs-wide-letters": costs.render_costs(samples.WIDE),
    "status-money": status.render_status(samples.MONEY_STATUS),
    "banner": banner.render_banner(samples.BANNER),
    "costs-none": costs.render_costs(CostsReport(by="day", rows=(), total=CostRow(name="all"))),
    "costs-no-baseline": costs.render_costs(
        CostsReport(
            by="user", rows=(CostRow(name="", requests=1),), total=CostRow(name="all"), until_ms=samples.NOON_MS
        )
    ),
    "cache": figures.render_cache(samples.CACHE),
    "cache-off": figures.render_cache(CacheReport(enabled=False)),
    "cache-memory": figures.render_cache(CacheReport(enabled=True, max_bytes=1, memory_max_bytes=16_000_000)),
    "ledger": figures.render_verification(samples.VERIFIED),
    "ledger-broken": figures.render_verification(samples.BROKEN_LEDGER),
    "ledger-empty": figures.render_verification(LedgerVerification(ok=True)),
    "models": models.render_models(samples.MODELS),
    "models-none": models.render_models(ModelsReport(models=())),
    "plans": models.render_plans(samples.PLANS),
    "plans-none": models.render_plans(TestPlans(calls=())),
    "models-local": models.render_models(samples.LOCAL_MODELS),
    "gpu": gpu.render_gpu(gpu_samples.REPORT),
    "gpu-loading": gpu.render_gpu(GpuReport(hosts=(gpu_samples.LOADS,), at_ms=samples.NOON_MS)),
    "gpu-idle": gpu.render_gpu(GpuReport(hosts=(gpu_samples.QUIET,), at_ms=samples.NOON_MS)),
    "gpu-two": gpu.render_gpu(GpuReport(hosts=(gpu_samples.AWAY, gpu_samples.GONE), at_ms=samples.NOON_MS)),
    "gpu-new": gpu.render_gpu(GpuReport(hosts=(gpu_samples.FRESH,), at_ms=samples.NOON_MS)),
    "gpu-hostile": gpu.render_gpu(GpuReport(hosts=(gpu_samples.NASTY,), at_ms=samples.NOON_MS)),
    "gpu-queue": gpu.render_queue(gpu_samples.QUEUE),
    "gpu-queue-two": gpu.render_queue(gpu_samples.QUEUES),
    "gpu-pinned": gpu.render_pinned(Pinned(host="t600", model=gpu_samples.LLAMA, pinned="kept")),
    "gpu-exclusive": gpu.render_pinned(Pinned(host="t600", model=gpu_samples.LLAMA, pinned="exclusive")),
    "gpu-lent": gpu.render_lent(Lent(host="t600", lent=True, until_ms=samples.NOON_MS)),
    "status-cards": status.render_status(samples_with_cards()),
    "results": models.render_results([samples.RESULT_OK, samples.RESULT_BAD]),
    "requests": requests.render_requests([samples.REQUEST, samples.FAILED, samples.CACHED, samples.RUNNING]),
    "requests-none": requests.render_requests([]),
    "explain-waited": requests.render_explanation(samples.WAITED),
    "explain": requests.render_explanation(samples.EXPLANATION),
    "prices": prices.render_prices(price_samples.PRICES),
    "prices-no-list": prices.render_prices(price_samples.NO_LIST),
    "prices-one": prices.render_price(price_samples.PRICES),
    "prices-check": prices.render_check(price_samples.CHECK),
    "prices-check-good": prices.render_check(price_samples.GOOD_CHECK),
    "costs-explain": prices.render_cost(price_samples.COST),
    "costs-explain-unknown": prices.render_cost(price_samples.COST_UNKNOWN),
    "config": findings.render_config_report(samples.CONFIG_BAD),
    "config-good": findings.render_config_report(samples.CONFIG_GOOD),
    "config-values": findings.render_values(samples.CONFIG_VALUES, origin=False),
    "config-origins": findings.render_values(samples.CONFIG_VALUES, origin=True),
    "config-none": findings.render_values(ConfigValues(entries=()), origin=True),
    "reload": findings.render_reload(
        ReloadReport(ok=True, changed=("log.level", "server.listen"), restart=("server.listen",))
    ),
    "reload-same": findings.render_reload(ReloadReport(ok=True)),
    "reload-refused": findings.render_reload(ReloadReport(ok=False, faults=samples.CONFIG_BAD.faults)),
    "doctor": findings.render_doctor(samples.DOCTOR),
    "doctor-well": findings.render_doctor(samples.HEALTHY),
    "sessions": sessions.render_sessions(session_samples.LIST),
    "sessions-none": sessions.render_sessions(SessionList(sessions=())),
    "session": sessions.render_session(session_samples.REPORT),
    "session-overlong": sessions.render_session(SessionReport(session=session_samples.OVERLONG)),
    "session-switches": sessions.render_session(session_samples.MANY_SWITCHES),
    "session-started": sessions.render_started(session_samples.STARTED),
    "session-ended": sessions.render_ended(session_samples.STOPPED),
    "anything": render_anything(ANYTHING),
    "anything-list": render_anything([{"a": 1}, {"b": "two"}]),
    "anything-word": render_anything("done and dusted"),
    "anything-nothing": render_anything({}),
    "long": [LONG_NAMES, Facts((("label", Cell("word " * 30)),)), Note("note " * 30, "bad", "!", "advice " * 20)],
}


@pytest.mark.parametrize("name", SCREENS)
@pytest.mark.parametrize("form", ["plain", "terminal"])
def test_screen(name: str, form: str, utc: None) -> None:
    text = paint(name, form)
    expected = GOLDEN / f"{name}.{form}.txt"
    if os.environ.get("LODESTAR_GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        expected.write_text(text, "utf-8")
    assert text == expected.read_text("utf-8")


def paint(name: str, form: str) -> str:
    if form == "plain":
        return paint_plain(SCREENS[name], width=WIDTH)
    return paint_terminal(SCREENS[name], width=WIDTH, colour=False)


@pytest.mark.parametrize("name", SCREENS)
def test_no_line_is_wider_than_the_terminal_and_none_ends_in_blanks(name: str) -> None:
    for form in ("plain", "terminal"):
        for line in paint(name, form).splitlines():
            assert columns_of(line) <= WIDTH
            assert line == line.rstrip()


def test_colours_are_there_only_when_asked_for_and_never_from_the_data() -> None:
    assert "\x1b" not in paint("anything", "terminal") + paint("anything", "plain")
    coloured = paint_terminal(SCREENS["anything"], width=WIDTH, colour=True)
    assert "\x1b[" in coloured
    assert "\x1b[2J" not in coloured


@pytest.mark.parametrize("name", ["costs", "costs-course", "costs-top", "costs-wide-letters"])
def test_a_narrow_terminal_still_gets_every_row(name: str) -> None:
    text = paint_terminal(SCREENS[name], width=40, colour=False)
    assert all(columns_of(line) <= 40 for line in text.splitlines())
    assert usd(samples.COSTS.total.cost_nano_usd) in text or name != "costs"
    assert usd(samples.COURSE.total.cost_nano_usd) in text or "wide" in name or name == "costs"
    tables = [block for block in SCREENS[name] if isinstance(block, Table)]
    assert all(str(row[0].text)[:5].replace("\x1b", "�") in text for table in tables for row in table.rows)


@pytest.mark.parametrize("name", SCREENS)
@pytest.mark.parametrize("width", [1, 20, 40])
def test_no_width_is_too_narrow_to_show_something(name: str, width: int) -> None:
    for text in (paint_plain(SCREENS[name], width=width), paint_terminal(SCREENS[name], width=width, colour=True)):
        assert width == 1 or bool(text.strip()) == bool(paint(name, "plain").strip())


@pytest.mark.parametrize("name", ["costs-course", "costs-top", "status-money", "gpu", "gpu-queue"])
def test_a_wide_screen(name: str, utc: None) -> None:
    text = paint_plain(SCREENS[name], width=120)
    expected = GOLDEN / f"{name}.120.txt"
    if os.environ.get("LODESTAR_GOLDEN") == "write":
        expected.write_text(text, "utf-8")
    assert text == expected.read_text("utf-8")


@pytest.mark.parametrize("row", [samples.REQUEST, samples.FAILED, samples.CACHED, samples.RUNNING])
def test_a_followed_request_is_one_line(row: RequestRow, utc: None) -> None:
    head, outcome, tail = requests.request_line(row)
    line = head + outcome.text + tail
    assert len(line) <= WIDTH
    assert line.startswith(f"12:00:{row.started_ms // 1000 % 60:02d}  {row.request_id[-8:]}  {row.alias[:14]}")


def test_a_zone_or_a_day_of_a_newer_daemon_is_shown_as_well_as_can_be(utc: None) -> None:
    odd = replace(samples.HOURS, timezone="Moon/Tranquility", trend=CostSection(by="day", rows=()))
    text = paint_plain(costs.render_costs(odd), width=WIDTH)
    assert text.startswith("Costs  from 2025-11-21 11:00 to 2025-11-21 12:00\n")
    assert "By day" not in text
    assert [costs.step_label("day", name) for name in ("2025-11-21", "soon")] == ["Fri 2025-11-21", "soon"]


def test_warming_is_a_line_each() -> None:
    kept = CacheWarmed(line=1, outcome="kept", alias="a", target="t/m", cost_nano_usd=1_000_000)
    assert figures.warmed_line(kept) == "line 1: kept a -> t/m  $0.001"
    refused = CacheWarmed(line=2, outcome="invalid_json", alias="b", detail="not JSON")
    assert figures.warmed_line(refused) == "line 2: invalid_json b  not JSON"


def test_the_most_that_tests_cost_counts_only_what_is_called() -> None:
    assert models.worst_case_nano_usd(samples.PLANS) == 120_000
