"""Who may import what: the contracts hold, and each of them catches a fault that is planted for it."""

from pathlib import Path

import pytest

from tests.architecture.house import contracts, copy_house, lint

# contract: (file that is written or added to, import that it must not have)
PLANTED = {
    "floors": ("lodestard/hallway2/__init__.py", "import lodestard.domain"),
    "rooms": ("lodestard/modules/health/planted.py", "import lodestard.store"),
    "protocols": ("lodestard/ledger/planted.py", "from lodestard.protocols import sse"),
    "budget": ("lodestard/cache/planted.py", "import lodestard.budget"),
    "http": ("lodestard/upstream/planted.py", "import lodestard.http"),
    "control": ("lodestard/modules/health/planted.py", "import lodestard.control.server"),
    "hallway": ("lodestard/ledger/planted.py", "from lodestard import pipeline"),
    "flights": ("lodestard/cache/planted.py", "from lodestard.flights import Flight"),
    "seams-hooks": ("lodestard/upstream/planted.py", "from lodestard.hooks import Hooks"),
    "seams-runtime": ("lodestard/routing/planted.py", "from lodestard.runtime import Runtime"),
    "seams-module": ("lodestard/control/planted.py", "from lodestard.module import Module"),
    "modules-unknown": ("lodestard/pipeline.py", "import lodestard.modules.health"),
    "modules-alone": ("lodestard/modules/metrics/planted.py", "import lodestard.modules.health"),
    "domain": ("lodestard/simulator/planted.py", "from lodestard.domain.usage import Usage"),
    "ctl": ("lodestarctl/planted.py", "from lodestard.control.server import serve"),
    "client": ("lodestard/control/client.py", "import httpx"),
    "pure": ("lodestard/routing/planted.py", "import time"),
    "library-apsw": ("lodestard/cache/planted.py", "import apsw"),
    "library-httptools": ("lodestard/protocols/planted.py", "import httptools"),
    "library-httpx": ("lodestard/upstream/planted.py", "import httpx"),
    "library-zstd": ("lodestard/upstream/planted.py", "from backports import zstd"),
    "library-trio": ("lodestarctl/planted.py", "import trio"),
    "library-genai-prices": ("lodestard/prices/planted.py", "import genai_prices"),
    "extract": ("lodestard/daemon.py", "from lodestard.prices.extract import units"),
    "library-rich": ("lodestard/control/planted.py", "import rich.table"),
    "library-tomli-w": ("lodestard/store/planted.py", "import tomli_w"),
    "library-prometheus": ("lodestard/ledger/planted.py", "from prometheus_client import Counter"),
    "library-systemd": ("lodestard/http/planted.py", "from systemd import journal"),
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    copy_house(folder)
    return folder


def test_the_house_keeps_its_contracts(house: Path) -> None:
    run = lint(house)
    assert run.returncode == 0, run.stdout[run.stdout.find("Contracts:") :]
    assert f"Contracts: {len(contracts())} kept, 0 broken." in run.stdout


def test_every_contract_has_a_planted_fault() -> None:
    assert {contract["id"] for contract in contracts()} == set(PLANTED)


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract["id"])
def test_a_planted_fault_is_caught(house: Path, contract: dict[str, str]) -> None:
    name, statement = PLANTED[contract["id"]]
    path = house / name
    before = path.read_text() if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before or ''}\n{statement}\n")
    try:
        run = lint(house, "--contract", contract["id"])
    finally:
        _put_back(path, before)
    assert run.returncode == 1, run.stdout
    told = " ".join(run.stdout.split())
    assert f"{contract['name']} BROKEN" in told
    assert _module_of(name) in run.stdout


def _put_back(path: Path, before: str | None) -> None:
    if before is not None:
        path.write_text(before)
        return
    path.unlink()
    if not any(path.parent.iterdir()):
        path.parent.rmdir()


def _module_of(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
