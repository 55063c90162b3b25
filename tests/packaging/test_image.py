"""The image: its Dockerfile's steps carried out in a Debian's tree, and the daemon run in what comes of them.

No container engine is needed: the steps are read from the Dockerfile itself (``recipe.py``). The daemon runs as the
recipe's user, without capabilities, on a read-only root, without a network.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.recipe import carry_out, layered, read_stages, visible
from tests.systemd.debian import debian_tree, missing_tools, run
from tests.systemd.product import ROOT

pytestmark = pytest.mark.systemd

DOCKER = ROOT / "packaging/docker"
IN_THE_TREE = {"python3", "ca-certificates", "tzdata"}
VOLUMES = ("/var/lib/lodestard", "/etc/lodestard/conf.d")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, wheels: Path, debs: Path) -> Iterator[dict[str, Any]]:
    """What ``contained.py`` met in there."""
    if why := missing_tools():
        pytest.skip(f"NOT RUN, the image's recipe: {why}")
    folder = tmp_path_factory.mktemp("image")
    build, final = read_stages(DOCKER / "Dockerfile")
    context = visible(ROOT, DOCKER / "Dockerfile.dockerignore", folder / "context")
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/given"}
    with layered(debian_tree(), folder / "build") as tree, layered(debian_tree(), folder / "final") as root:
        (tree / "given").mkdir()
        shutil.copytree(wheels, tree / "given", dirs_exist_ok=True)
        carry_out(build, tree, context, {}, debs, environ)
        packages = carry_out(final, root, context, {"build": tree}, folder / "none", environ)
        assert set(packages) <= IN_THE_TREE
        config = root / "etc/lodestard/lodestard.toml"
        text = config.read_text().replace("http://ollama:", "http://127.0.0.1:")
        config.write_text(text.replace("llama3.2:3b", "llama3.1:8b"))  # which the simulator has
        (root / "mnt/contained.py").touch()  # where it is laid over the read-only root
        command = [*final.words("ENTRYPOINT"), *final.words("CMD")]
        yield json.loads(
            _contain(root, final.last("USER"), final.environ, command, final.words("HEALTHCHECK"), folder)
        )


def _contain(
    root: Path, user: str, environ: dict[str, str], command: list[str], health: list[str], folder: Path
) -> str:
    uid, gid = user.split(":")
    binds = []
    for index, volume in enumerate(VOLUMES):  # as a new volume begins: with what the image has there
        place = folder / f"volume{index}"
        run("cp", "--archive", str(root / volume.lstrip("/")), str(place))
        binds.append(f"--bind={place}:{volume}")
    return run(
        *("systemd-nspawn", "--quiet", "--directory", str(root), "--read-only", "--register=no", "--keep-unit"),
        *("--private-network", "--as-pid2", "--pipe", "--tmpfs=/tmp", *binds),
        f"--bind-ro={Path(__file__).with_name('contained.py')}:/mnt/contained.py",
        *(f"--setenv={name}={value}" for name, value in environ.items()),
        *("env", "--unset=NOTIFY_SOCKET"),  # which is this tool's, not an engine's
        *("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--bounding-set=-all", "--no-new-privs"),
        *("/opt/lodestard/bin/python3", "/mnt/contained.py", json.dumps(command), json.dumps(health)),
    )


def test_it_runs_as_a_number_on_a_read_only_root(told: dict[str, Any]) -> None:
    assert told["uid"] == 10001
    assert told["read_only"]


def test_without_a_key_for_clients_it_does_not_open_its_port(told: dict[str, Any]) -> None:
    assert told["keyless"]["status"] == 78
    assert "no client has a key" in told["keyless"]["err"]


def test_the_first_key_is_made_once(told: dict[str, Any]) -> None:
    assert told["key"]["status"] == 0, told["key"]
    assert told["key"]["out"].startswith("lodestar-")
    assert told["again"]["status"] == 1
    assert "already" in told["again"]["err"]


def test_it_answers_who_has_the_key_and_nobody_else(told: dict[str, Any]) -> None:
    assert told["health"]["status"] == 0, told["log"]
    assert told["answer"][0] == 200, told["log"]
    assert told["refused"][0] == 401
    assert told["key"]["out"].strip() not in told["log"]


def test_it_begins_anew_and_ends_in_order(told: dict[str, Any]) -> None:
    assert told["restart"]["status"] == 0, told["restart"]
    assert told["answer_after"][0] == 200
    assert told["ended"] == 0
