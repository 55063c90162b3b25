"""Trust: by content, kept over restarts, lost when the file changes; and quick switches, by scope and time."""

from pathlib import Path

import pytest
import trio

from lodestard.config.project import read_project
from lodestard.domain.errors import CallerFault, HouseFault
from lodestard.domain.project import ProjectPolicy, TrustedFile, digest_of
from lodestard.domain.request import Caller
from lodestard.domain.routing_settings import Rule
from lodestard.domain.switch import Switch
from lodestard.projects import Projects, Switches, run_watch
from lodestard.projects.watch import EVERY_S, can_watch, read_file
from tests.fakes.memory_keepsake import MemoryKeepsake

ALIASES = ("auto", "local-llama")
TEXT = """
name = "web"
prefer = "cheap"
models = { auto = "local-llama" }
budget = { usd = 5 }
[[rules]]
model = "local-llama"
labels = ["lan-only"]
"""
FOLDER = "/home/ann/web"


def wanted(text: str = TEXT, folder: str = FOLDER, *, watched: bool = True) -> TrustedFile:
    return TrustedFile(folder=folder, text=text, sha256=digest_of(text), at_ms=0, watched=watched)


def prefers(policy: ProjectPolicy | None) -> str | None:
    assert policy is not None
    return policy.prefer


async def test_nothing_has_an_effect_before_it_is_trusted_and_then_by_name_or_folder(autojump_clock: object) -> None:
    changes: list[int] = []
    projects = Projects(MemoryKeepsake(), read_project)

    async def note() -> None:
        changes.append(len(projects.budgets()))

    projects.on_change = note
    assert projects.standing(FOLDER, TEXT) == "untrusted"
    assert projects.policy("web") is None
    assert projects.policy(FOLDER) is None
    await projects.trust(wanted(), ALIASES)
    assert projects.standing(FOLDER, TEXT) == "trusted"
    for word in ("web", FOLDER, f"{FOLDER}/src/deep", f"{FOLDER}/"):
        assert prefers(projects.policy(word)) == "cheap"
    for word in ("", "/", "/home/ann", f"{FOLDER}-other", "Web", "/" * 5_000, f"{FOLDER}/x" * 900):
        assert projects.policy(word) is None
    assert projects.budgets()["project web"].hard
    assert await projects.untrust(FOLDER)
    assert not await projects.untrust(FOLDER)
    assert projects.policy("web") is None
    assert changes == [1, 0]


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (wanted(TEXT.replace("local-llama", "locallama")), "there is no model"),
        (wanted("name = 1"), "can't be trusted"),
        (wanted(folder="home/ann"), "whole, printable path"),
        (wanted(folder="/elsewhere"), "has this name already"),
        (TrustedFile(folder=FOLDER, text=TEXT, sha256=digest_of("other"), at_ms=0), "another one than was shown"),
    ],
)
async def test_what_is_not_as_it_was_shown_or_has_faults_is_not_trusted(
    file: TrustedFile, why: str, autojump_clock: object
) -> None:
    projects = Projects(MemoryKeepsake(), read_project)
    await projects.trust(wanted(), ALIASES)
    with pytest.raises(CallerFault, match=why):
        await projects.trust(file, ALIASES)
    assert [known.trusted.folder for known in projects.known] == [FOLDER]


async def test_a_restart_remembers_and_reads_anew(autojump_clock: object) -> None:
    keepsake = MemoryKeepsake()
    first = Projects(keepsake, read_project)
    await first.trust(wanted(), ALIASES)
    second = Projects(keepsake, read_project)
    await second.load()
    assert prefers(second.policy("web")) == "cheap"
    keepsake.data = keepsake.data.replace(b"cheap", b"best!")  # somebody wrote into the state
    third = Projects(keepsake, read_project)
    await third.load()
    assert third.policy("web") is None
    assert third.known[0].standing == "invalid"
    keepsake.data = b"garbage"
    fourth = Projects(keepsake, read_project)
    await fourth.load()
    assert fourth.known == ()


async def test_what_can_not_be_kept_is_not_in_force(autojump_clock: object) -> None:
    keepsake = MemoryKeepsake()
    keepsake.full = True
    projects, switches = Projects(keepsake, read_project), Switches(keepsake, lambda: 0)
    with pytest.raises(HouseFault):
        await projects.trust(wanted(), ALIASES)
    with pytest.raises(HouseFault):
        await switches.set(Switch(alias="local-llama"))
    assert projects.policy("web") is None
    assert switches.find(Caller()) is None


async def test_a_file_that_changes_prefers_nothing_and_still_forbids(tmp_path: Path, autojump_clock: object) -> None:
    file = tmp_path / ".lodestar.toml"
    file.write_text(TEXT)

    async def read(path: Path) -> bytes | None:
        return read_file(path)

    assert await can_watch(str(tmp_path), digest_of(TEXT), read)
    assert not await can_watch(str(tmp_path), digest_of("other"), read)
    projects = Projects(MemoryKeepsake(), read_project)
    await projects.trust(wanted(folder=str(tmp_path)), ALIASES)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_watch, projects, read)
        await trio.sleep(EVERY_S)
        assert prefers(projects.policy("web")) == "cheap"
        file.write_text(TEXT.replace("cheap", "best").replace('labels = ["lan-only"]', ""))
        await trio.sleep(EVERY_S + 1)
        policy = projects.policy("web")
        assert prefers(policy) is None
        assert policy is not None
        assert policy.rules == (Rule(labels=("lan-only",)),)
        assert dict(policy.models) == {}
        assert projects.budgets()
        file.unlink()
        await trio.sleep(EVERY_S + 1)
        assert projects.known[0].standing == "gone"
        file.write_text(TEXT)
        await trio.sleep(EVERY_S + 1)
        assert prefers(projects.policy("web")) == "cheap"
        nursery.cancel_scope.cancel()


async def test_what_the_daemon_can_not_see_stands_until_it_is_told(autojump_clock: object) -> None:
    async def blind(_path: Path) -> bytes | None:
        raise PermissionError

    projects = Projects(MemoryKeepsake(), read_project)
    await projects.trust(wanted(watched=False), ALIASES)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_watch, projects, blind)
        await trio.sleep(10 * EVERY_S)
        nursery.cancel_scope.cancel()
    assert prefers(projects.policy("web")) == "cheap"
    await projects.see(FOLDER, "changed")
    assert prefers(projects.policy("web")) is None


# -- switches --------------------------------------------------------------------------------------------------------


async def test_the_narrowest_switch_that_holds_wins(autojump_clock: object) -> None:
    now_ms, keepsake = 0, MemoryKeepsake()
    switches = Switches(keepsake, lambda: now_ms)
    await switches.set(Switch(alias="all"))
    await switches.set(Switch(alias="web", scope="project", of="web"))
    await switches.set(Switch(alias="s1", scope="session", of="s1", until_ms=1_000))
    here = Caller(session="s1", project="web")
    assert switches.find(here) == "s1"
    assert [switch.alias for switch in switches.active] == ["s1", "web", "all"]
    now_ms = 1_000
    assert switches.find(here) == "web"
    assert switches.find(Caller(session="s1")) == "all"
    again = Switches(keepsake, lambda: now_ms)
    await again.load()
    assert again.find(here) == "web"
    assert await again.take_back("project", "web")
    assert not await again.take_back("session", "s1")
    assert again.find(here) == "all"


@pytest.mark.parametrize(
    "caller", [Caller(task="embedding"), Caller(task="autocomplete"), Caller(origin="eval_idle")]
)
async def test_some_requests_are_never_switched(caller: Caller, autojump_clock: object) -> None:
    switches = Switches(MemoryKeepsake(), lambda: 0)
    await switches.set(Switch(alias="all"))
    assert switches.find(caller) is None


@pytest.mark.parametrize(
    "inside", [f"{FOLDER}/src", f"/{FOLDER}", "/home/ann/open/../web/src", f"{FOLDER}//x", f"{FOLDER}/."]
)
async def test_a_folder_is_known_however_it_is_written(inside: str, autojump_clock: object) -> None:
    projects = Projects(MemoryKeepsake(), read_project)
    await projects.trust(wanted(), ALIASES)
    await projects.trust(wanted('name = "open"', "/home/ann/open"), ALIASES)
    await projects.trust(wanted('name = "all"', "/"), ALIASES)
    for folder, name in ((inside, "web"), ("/home/ann/open", "open"), ("/home/ann", "all"), ("/", "all")):
        policy = projects.policy(folder)
        assert policy is not None
        assert policy.name == name


class SlowKeepsake(MemoryKeepsake):
    """A disk that takes its time."""

    async def save(self, data: bytes) -> None:
        await trio.sleep(1)
        await super().save(data)


async def test_nothing_is_lost_of_what_comes_while_another_is_saved(autojump_clock: object) -> None:
    keepsake, kept = SlowKeepsake(), SlowKeepsake()
    projects, switches = Projects(keepsake, read_project), Switches(kept, lambda: 0)
    await projects.trust(wanted(), ALIASES)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(projects.trust, wanted('name = "a"', "/a"), ALIASES)
        nursery.start_soon(projects.trust, wanted('name = "b"', "/b"), ALIASES)
        nursery.start_soon(projects.see, FOLDER, "changed")
        nursery.start_soon(switches.set, Switch(alias="one", scope="session", of="s1"))
        nursery.start_soon(switches.set, Switch(alias="two", scope="session", of="s2"))
    assert {known.trusted.folder: known.standing for known in projects.known} == {
        FOLDER: "changed",
        "/a": "trusted",
        "/b": "trusted",
    }
    assert {switch.alias for switch in switches.active} == {"one", "two"}
    again, others = Projects(keepsake, read_project), Switches(kept, lambda: 0)
    await again.load()
    await others.load()
    assert len(again.known) == 3
    assert len(others.active) == 2
    with pytest.RaisesGroup(pytest.RaisesExc(CallerFault, match="has this name already")):
        async with trio.open_nursery() as nursery:
            for folder in ("/one", "/two"):
                nursery.start_soon(projects.trust, wanted('name = "same"', folder), ALIASES)
