"""Each foreign library has its wall, and who must start fast does not load it."""

import subprocess
import sys

import grimp
import pytest

from tests.architecture.house import PACKAGES, contracts

# What every room may use; each other library needs a contract that says who may.
EVERYWHERE = {"msgspec"}
STARTS_FAST = "lodestard.control.client, lodestard.control.messages, lodestarctl.cli"
TOO_SLOW_FOR_THE_CTL = {"trio", "httpx", "httptools", "rich", "apsw", "anyio", "prometheus_client", "asyncio"}
# tests/daemon/test_start.py asks a whole daemon at rest, with its modules.
TOO_SLOW_FOR_THE_DAEMON = {
    "asyncio",
    "backports",
    "genai_prices",
    "httpx",
    "importlib.metadata",
    "lodestard.simulator",
    "prometheus_client",
    "pydantic",
    "rich",
    "smtplib",
}


def foreign_libraries() -> set[str]:
    graph = grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)
    outside = {module for module in graph.modules if module.partition(".")[0] not in PACKAGES}
    return {module.partition(".")[0] for module in outside} - set(sys.stdlib_module_names)


def loaded_by(modules: str) -> set[str]:
    script = f"import sys, {modules}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    return set(run.stdout.split())


def test_every_foreign_library_has_a_wall() -> None:
    protected = [contract for contract in contracts() if contract["type"] == "protected"]
    walled = {module for contract in protected for module in contract["protected_modules"]}
    assert foreign_libraries() - EVERYWHERE <= walled


def test_the_ctl_starts_without_what_is_slow() -> None:
    assert not loaded_by(STARTS_FAST) & TOO_SLOW_FOR_THE_CTL


@pytest.mark.parametrize("entrance", ["lodestard.__main__", "lodestard.start", "lodestard.generation"])
def test_the_daemon_starts_without_what_is_slow(entrance: str) -> None:
    assert not loaded_by(entrance) & TOO_SLOW_FOR_THE_DAEMON
