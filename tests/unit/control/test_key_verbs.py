"""The verbs about keys: a key is told once, and what is said to be done is in force."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from lodestard.config.clients import read_clients
from lodestard.control.messages import ReloadReport
from lodestard.control.verbs import core_verbs
from lodestard.domain.client import digest_of
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.settings import Client
from tests.fakes.control_desk import NOW_MS, SETTINGS, FakeDesk, make_runtime


@dataclass
class Desk(FakeDesk):
    """One whose changes of clients come into force, but for members that another file has the last word on."""

    last_word: Mapping[str, object] = field(default_factory=dict)
    faults: bool = False

    async def change_configs(self, change: Mapping[tuple[str, ...], Any]) -> ReloadReport:
        if self.faults:
            return ReloadReport(ok=False)
        report = await super().change_configs(change)
        clients: dict[str, Client] = dict(self.runtime.settings.clients)
        for (_, name, member), value in change.items():
            before = msgspec.structs.asdict(clients[name]) if name in clients else {"key_sha256": "0" * 64}
            clients[name] = Client(**(before | {member: value} | dict(self.last_word)))
        settings = msgspec.structs.replace(self.runtime.settings, clients=clients)
        self.runtime = replace(self.runtime, settings=settings, clients=read_clients(settings, "UTC"))
        return report


def desk(**members: Any) -> Desk:
    made = Desk(make_runtime(SETTINGS))
    for name, value in ({"last_word": {}} | members).items():
        setattr(made, name, value)
    return made


async def call(at: Desk, verb_name: str, /, **arguments: Any) -> Any:
    verb = core_verbs(at)[verb_name]
    given = {argument.name: argument.default for argument in verb.arguments} | {"who": "ann"} | arguments
    assert verb.answer is not None
    return await verb.answer(given)


async def test_a_key_is_told_once_and_only_its_hash_is_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    at = desk()
    added = await call(at, "keys.add", name="laptop", project="web", models=["auto"], requests_per_minute=3)
    assert added.first
    assert added.report.ok
    (change,) = at.changes
    assert change == {
        ("clients", "laptop", "project"): "web",
        ("clients", "laptop", "models"): ["auto"],
        ("clients", "laptop", "requests_per_minute"): 3,
        ("clients", "laptop", "key_sha256"): digest_of(added.key).hex(),
        ("clients", "laptop", "enabled"): True,
    }
    listed = await call(at, "keys.list")
    told = msgspec.json.encode(listed).decode() + caplog.text
    assert added.key not in told
    assert digest_of(added.key).hex() not in told
    (row,) = listed.keys
    assert (row.name, row.state, row.project, row.last_seen_ms) == ("laptop", "active", "web", NOW_MS - 60_000)
    other = await call(at, "keys.add", name="phone")
    assert not other.first
    assert other.key != added.key


async def test_a_name_is_taken_once_and_its_key_can_be_replaced() -> None:
    at = desk()
    first = await call(at, "keys.add", name="laptop", project="web")
    with pytest.raises(CallerFault, match="--replace"):
        await call(at, "keys.add", name="laptop")
    await call(at, "keys.revoke", name="laptop")
    second = await call(at, "keys.add", name="laptop", replace=True)
    assert second.key
    assert second.key != first.key
    (row,) = (await call(at, "keys.list")).keys
    assert (row.state, row.project) == ("active", "web")


async def test_a_key_is_revoked() -> None:
    at = desk()
    await call(at, "keys.add", name="laptop")
    revoked = await call(at, "keys.revoke", name="laptop")
    assert revoked.report.ok
    assert at.changes[-1] == {("clients", "laptop", "enabled"): False}
    (row,) = (await call(at, "keys.list")).keys
    assert row.state == "revoked"
    with pytest.raises(CallerFault, match=r"Did you mean .laptop") as unknown:
        await call(at, "keys.revoke", name="lapto")
    assert unknown.value.code is Code.NOT_FOUND


async def test_a_file_that_has_the_last_word_is_told_of() -> None:
    at = desk()
    await call(at, "keys.add", name="laptop")
    at.last_word = {"enabled": True}
    revoked = await call(at, "keys.revoke", name="laptop")
    assert not revoked.report.ok
    assert "last word" in revoked.report.faults[0].message
    at.last_word = {"enabled": False}
    added = await call(at, "keys.add", name="phone")
    assert (added.key, added.report.ok) == ("", False)


async def test_what_the_configuration_can_not_be_with_gives_no_key() -> None:
    at = desk(faults=True)
    added = await call(at, "keys.add", name="a b")
    assert (added.key, added.report.ok) == ("", False)
    assert not (await call(at, "keys.list")).keys
