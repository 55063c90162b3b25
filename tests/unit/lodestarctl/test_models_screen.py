"""The models for people: how well their tokens are estimated is shown once something was learned."""

from lodestarctl.render.blocks import Table
from lodestarctl.render.models import render_models
from lodestard.control.messages import ModelRow, ModelsReport, ModelTarget


def table_of(*targets: ModelTarget) -> Table:
    table = render_models(ModelsReport(models=(ModelRow(alias="a", targets=targets),)))[0]
    assert isinstance(table, Table)
    return table


def test_nothing_was_learned() -> None:
    table = table_of(ModelTarget(target="u/m"))
    assert [column.title for column in table.columns][-1] == "$/M out"
    assert {len(row) for row in table.rows} == {5}


def test_how_far_estimates_are_off() -> None:
    table = table_of(ModelTarget(target="u/m", token_samples=9, token_error=0.0312), ModelTarget(target="u/n"))
    assert [column.title for column in table.columns][-1] == "tokens ±"
    assert [row[-1].text for row in table.rows] == ["3.1 %", ""]
