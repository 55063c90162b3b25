"""Defects that a power cut would bring to light, planted one by one; the check must see each."""

import random
from pathlib import Path

import pytest

from lodestard.ledger import Ledger, recovery
from lodestard.store import StoreOptions
from tests.faults.planted.finding import found
from tests.faults.planted.late_hold import hold_later
from tests.faults.powercuts import Found, Life, check_images, live

IMAGES = 40


async def cut(folder: Path, options: StoreOptions | None = None, *, sync_lies: bool = False) -> None:
    """Images of one life; its seed is always the same."""
    life = Life([], random.Random(1), options or StoreOptions(durable=True))
    (folder / "life").mkdir()
    await live(life, folder / "life", sync_lies=sync_lies)
    await check_images(life, folder / "images", IMAGES, Found())


async def test_the_truth_passes(ram_path: Path, autojump_clock: object) -> None:
    await cut(ram_path)


async def test_a_ledger_that_does_not_sync_each_commit(ram_path: Path, autojump_clock: object) -> None:
    with found("can't be opened|were acknowledged"):
        await cut(ram_path, StoreOptions(durable=False))


async def test_a_disk_that_lies_about_syncs(ram_path: Path, autojump_clock: object) -> None:
    with found("can't be opened|were acknowledged|nothing that was ever written"):
        await cut(ram_path, sync_lies=True)


async def test_a_hold_that_returns_too_early(
    ram_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "hold", hold_later)
    with found("were acknowledged"):
        await cut(ram_path)


async def test_what_was_held_is_let_go_after_a_crash(
    ram_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    postings = recovery._POSTINGS.replace("'held', 'unknown', held", "'held', 'funds', held").replace(
        "'unknown'", "'release'"
    )
    attempts = recovery._ATTEMPTS.replace("'unknown'", "'released'").replace("= held_nano_usd", "= 0")
    monkeypatch.setattr(recovery, "_POSTINGS", postings)
    monkeypatch.setattr(recovery, "_ATTEMPTS", attempts)
    with found("a hold was let go"):
        await cut(ram_path)
