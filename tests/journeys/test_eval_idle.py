"""The module eval_idle in a whole house: stored paid requests are asked of the local model, and nothing else changes.

Nobody owns the card here, so an idle one is put in its place; what it does to a replay is in the tests of the module.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from lodestard.domain.evidence import Evidence
from lodestard.domain.upstream import Target
from lodestard.modules.eval_idle import MODULE, loop
from lodestard.modules.eval_idle.settings import EvalIdleSettings
from lodestard.runtime import Runtime
from tests.fakes.idle_house import FakeResidency
from tests.fakes.world import World, eventually, open_world

STORE_TEXT = "[ledger]\nstore_text = true\n"
LLAMA = Target("t600", "llama3.1:8b")
SETTINGS = EvalIdleSettings(enabled=True, quiet_s=0.01, models=(str(LLAMA),))
COMMIT = "You are an expert software engineer that generates concise, one-line Git commit messages."
CODER = "Act as an expert software developer. Take requests for changes. *SEARCH/REPLACE block*"
LISTING = "I have *added these files to the chat*\n\nadd.py\n```\ndef add(a, b):\n    return a - b\n```\n"
PAID_EDIT = "add.py\n```python\n<<<<<<< SEARCH\n    return a - b\n=======\n    return a + b\n>>>>>>> REPLACE\n```\n"
LOCAL_CANARY = "canary-of-a-local-answer"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there is something to do is looked at often, for here nobody waits five seconds."""
    monkeypatch.setattr(loop, "LOOK_S", 0.05)


@asynccontextmanager
async def learning(world: World, settings: EvalIdleSettings = SETTINGS) -> AsyncIterator[Runtime]:
    """The module at work beside the house, once all rows are in the ledger."""
    await world.rows()
    runtime = replace(world.house.runtime, residency=FakeResidency())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(MODULE.run, runtime, settings)
        await eventually(lambda: "eval.idle.status" in runtime.hooks.verbs, "the module")
        yield runtime
        nursery.cancel_scope.cancel()


async def wait_learned(runtime: Runtime, task: str, count: int = 1) -> Evidence:
    def seen() -> Evidence | None:
        evidence = runtime.hooks.evidence(task, LLAMA)
        return evidence if evidence is not None and evidence.count >= count else None

    await eventually(seen, f"evidence of {task}")
    found = seen()
    assert found is not None
    return found


def chat(system: str, *users: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, *({"role": "user", "content": text} for text in users)]


async def test_what_paid_models_were_asked_is_asked_of_the_local_one(tmp_path: Path) -> None:
    async with open_world(tmp_path, STORE_TEXT) as world:
        await world.ask("gpt-4o-mini", messages=chat(COMMIT, "diff --git a/add.py"))
        world.openai.say(PAID_EDIT)
        await world.ask("gpt-4o-mini", messages=chat(CODER, LISTING, "Mend add()."), stream=True)
        billed = world.openai.bill_nano_usd
        world.ollama.say(PAID_EDIT.replace("a + b", "b + a"))  # the newest is replayed first
        async with learning(world) as runtime:
            edit = await wait_learned(runtime, "edit")
            commit = await wait_learned(runtime, "commit")
        assert (edit.count, edit.good, edit.weak_share) == (1, 1, 0.0)
        assert 0.7 <= edit.quality < 1
        assert (commit.quality, commit.weak_share) == (1.0, 1.0)
        rows = await world.rows()
        replays = rows[2:]
        assert [(row.client, row.task, row.outcome, row.cost_nano_usd) for row in replays] == [
            ("eval-idle", "edit", "ok", 0),
            ("eval-idle", "commit", "ok", 0),
        ]
        assert {row.session for row in replays} == {f"eval-idle-{world.ledger.totals().day}"}
        assert {row.baseline_nano_usd for row in replays} == {None}
        assert {row.cache for row in replays} == {"bypass"}
        assert world.openai.bill_nano_usd == billed
        (total,) = await world.ledger.reports.costs("all")
        assert total.saved_nano_usd == sum((row.baseline_nano_usd or 0) - row.cost_nano_usd for row in rows[:2])
        by_client = {row.key: row for row in await world.ledger.reports.costs("client")}
        assert (by_client["eval-idle"].requests, by_client["eval-idle"].saved_nano_usd) == (2, 0)


async def test_a_local_answer_is_written_nowhere(tmp_path: Path) -> None:
    async with open_world(tmp_path, STORE_TEXT) as world:
        await world.ask("gpt-4o-mini", "Tell me of it.", temperature=0)
        world.ollama.say(LOCAL_CANARY)
        async with learning(world) as runtime:
            await wait_learned(runtime, "chat")
        await world.rows()
        assert LOCAL_CANARY not in str((await world.rows())[-1])
    kept = b"".join(file.read_bytes() for file in (tmp_path / "state").iterdir() if file.is_file())
    assert b"Tell me of it." in kept
    assert LOCAL_CANARY.encode() not in kept


async def test_a_request_is_replayed_once_whatever_restarts(tmp_path: Path) -> None:
    async with open_world(tmp_path, STORE_TEXT) as world:
        await world.ask("gpt-4o-mini")
        async with learning(world) as runtime:
            await wait_learned(runtime, "chat")
        async with learning(world) as runtime:
            assert (await wait_learned(runtime, "chat")).count == 1
            await eventually(lambda: "everything" in str(runtime.hooks.status_parts["eval_idle"]()), "nothing to do")
        assert world.ollama.asked == 1


async def test_without_consent_nothing_is_asked(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.ask("gpt-4o-mini")
        async with learning(world) as runtime:
            await eventually(
                lambda: "store_text is off" in str(runtime.hooks.status_parts["eval_idle"]()), "a reason"
            )
        assert world.ollama.asked == 0
