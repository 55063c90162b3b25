"""What the tests of the service share: one build of the product for all, and one booted Debian for each file."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.systemd.debian import Debian, boot, debian_tree, missing_tools
from tests.systemd.product import ROOT, layout, missing_python, product_venv
from tests.systemd.service import CONFIG, KEY, KEY_FILE, SIMULATOR, SIMULATOR_UNIT


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Path, str]:
    """What is laid into a Debian so that Lodestar is there: outside, inside."""
    if why := missing_tools() or missing_python():
        pytest.skip(f"NOT RUN, the systemd test: {why}")
    return layout(product_venv(tmp_path_factory.mktemp("product")))


@pytest.fixture(scope="module")
def debian(installed: Mapping[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    """A booted one with Lodestar and its simulator. Nothing of Lodestar is started yet."""
    with boot(debian_tree(), installed, tmp_path_factory.mktemp("debian") / "console.txt") as booted:
        booted.run("systemd-sysusers")
        booted.run("systemd-tmpfiles", "--create", "lodestard.conf")
        booted.write(CONFIG, (ROOT / "config/lodestard.toml").read_text())
        booted.write(KEY_FILE, KEY, mode=0o600)
        booted.write(f"/etc/systemd/system/{SIMULATOR}", SIMULATOR_UNIT)
        booted.run("systemctl", "start", SIMULATOR)
        yield booted
