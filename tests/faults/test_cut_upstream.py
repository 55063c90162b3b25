"""F5: no answer that was cut is ever taken for a whole one, whichever byte it was cut at."""

import random
from pathlib import Path

import pytest

from tests.fakes.world import open_world
from tests.faults.cuts import FORMS, Form, Outcome, cut_at, measure
from tests.faults.dialects import OVERLAY
from tests.faults.doses import Figure, Tell, some_of
from tests.faults.interposed import CutWire

SHORT = 24


@pytest.mark.parametrize("form", FORMS, ids=str)
async def test_an_answer_cut_at_every_byte(tmp_path: Path, form: Form, seed: int, tell: Tell) -> None:
    luck, outcome = random.Random(seed), Outcome()
    async with open_world(tmp_path, OVERLAY) as world:
        size = await measure(world, form)
        for rst in (False, True):
            for at in some_of(range(size), SHORT, luck):
                await cut_at(world, form, CutWire(at, rst=rst), outcome)
    how = "streamed" if form.stream else "plain"
    to = "" if form.client == "openai" else f", {form.client} client"
    of_all = f"{outcome.cuts} cuts of {size} bytes, EOF and RST"
    tell(Figure(f"F5 upstream cut: {form.alias}, {how}{to}", of_all, f"{outcome.whole} were whole by then"))
