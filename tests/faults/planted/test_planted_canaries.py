"""Keys that get somewhere where they have no business; the search that ends every fault test must see each."""

import logging
from pathlib import Path

import pytest

from lodestard.exchange import Exchange
from tests.fakes.canaries import CANARIES, PROCESS_KEY, require_none, search
from tests.fakes.world import open_world
from tests.faults.conftest import captured_log
from tests.faults.planted.finding import found


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("name", ["state/ledger.db-wal", "log.txt", "core.4711", "conf.d/90-lodestarctl.toml"])
def test_in_a_file(tmp_path_factory: pytest.TempPathFactory, canary: str, name: str) -> None:
    folder = tmp_path_factory.mktemp("d")
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\0" * 10_000 + canary.encode() + b"\xff")
    with pytest.raises(AssertionError, match=f"I9: .*{Path(name).name}"):
        search(folder)
    file.write_bytes(b"\0" * 10_000 + canary[:-1].encode())
    search(folder)


def test_in_the_log() -> None:
    """Another word than the real ones, which end this test too."""
    with captured_log() as log:
        logging.getLogger("lodestard.anywhere").debug("headers: %s", {"authorization": "Bearer some-canary"})
    with pytest.raises(AssertionError, match=r"I9: .* in the log"):
        require_none(log.getvalue().encode(), "the log", ["some-canary"])


async def test_in_an_answer(ram_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = Exchange._headers

    def tell_all(self: Exchange) -> list[tuple[str, str]]:
        return [*headers(self), ("x-debug", self.http.headers.get("authorization") or "")]

    monkeypatch.setattr(Exchange, "_headers", tell_all)
    with found("I9: .* in an answer"):
        async with open_world(ram_path) as world:
            await world.ask("local-llama")


def test_nothing_is_found_where_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(PROCESS_KEY[:-1])
    search(tmp_path)
