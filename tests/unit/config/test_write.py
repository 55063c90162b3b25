"""What a program changes goes to its own drop-in: checked first, swapped in whole, nobody else's file touched."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lodestard.config import ConfigError, load
from lodestard.config.write import drop_in_path, read_change, write_drop_in

MAIN = """\
# mine
[cache]
ttl_s = 60 # a minute
[models."gpt-3.5"]
route = ["a/m"]
[upstreams.a]
url = "http://a"
dialect = "ollama"
free = true
"""


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "lodestard.toml"
    path.write_text(MAIN)
    return path


def test_a_change_is_in_effect_and_the_main_file_untouched(main: Path) -> None:
    loaded = write_drop_in(main, {("cache", "ttl_s"): 30.0, ("models", "gpt-3.5", "description"): "x"})

    assert loaded.settings.cache.ttl_s == 30.0
    assert load(main).settings == loaded.settings
    assert load(main).origins == loaded.origins
    assert main.read_text() == MAIN
    text = drop_in_path(main).read_text()
    assert text.startswith("# Written by lodestarctl.")
    assert '[models."gpt-3.5"]\ndescription = "x"\n' in text
    assert loaded.origins["cache.ttl_s"] == f"{main.parent}/conf.d/90-lodestarctl.toml:5"


def test_changes_add_up_and_can_be_taken_back(main: Path) -> None:
    write_drop_in(main, {("cache", "ttl_s"): 30.0})
    write_drop_in(main, {("log", "level"): "debug", ("prices", "a/b"): {"input": 0.1, "output": 1}})
    loaded = write_drop_in(main, {("cache", "ttl_s"): None, ("log", "level"): None, ("none", "such"): None})

    assert loaded.settings.cache.ttl_s == 60.0
    assert str(loaded.settings.prices["a/b"].input) == "0.1"
    assert "cache" not in drop_in_path(main).read_text()
    assert "log" not in drop_in_path(main).read_text()


def test_a_key_inside_another_is_taken_back_alone(main: Path) -> None:
    write_drop_in(main, {("cache", "ttl_s"): 30.0, ("cache", "disk"): False})
    loaded = write_drop_in(main, {("cache", "ttl_s"): None})

    assert (loaded.settings.cache.ttl_s, loaded.settings.cache.disk) == (60.0, False)


@pytest.mark.parametrize(
    "change", [{("cache", "ttl_s"): -1}, {("cach", "x"): 1}, {("log",): "x"}, {("state_dir",): object()}]
)
def test_a_change_that_would_be_wrong_changes_nothing(main: Path, change: dict[tuple[str, ...], Any]) -> None:
    write_drop_in(main, {("cache", "ttl_s"): 30.0})
    before = drop_in_path(main).read_text()

    with pytest.raises(ConfigError):
        write_drop_in(main, change)

    assert drop_in_path(main).read_text() == before
    assert sorted(path.name for path in drop_in_path(main).parent.iterdir()) == ["90-lodestarctl.toml"]


def test_a_later_drop_in_keeps_the_last_word(main: Path) -> None:
    (main.parent / "conf.d").mkdir()
    (main.parent / "conf.d" / "99-mine.toml").write_text("[cache]\nttl_s = 5\n")
    (main.parent / "conf.d" / "10-mine.toml").write_text("[cache]\nttl_s = 4\ndisk = false\n")

    loaded = write_drop_in(main, {("cache", "ttl_s"): 30.0, ("cache", "disk"): True})

    assert (loaded.settings.cache.ttl_s, loaded.settings.cache.disk) == (5.0, True)


def test_a_table_where_a_value_was(main: Path) -> None:
    with pytest.raises(ConfigError):
        write_drop_in(main, {("log",): 1, ("log", "level"): "debug", ("cache",): date(2020, 1, 1)})
    assert write_drop_in(main, {("log", "level"): "debug"}).settings.log.level == "debug"


def test_a_folder_that_can_not_be_written(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ConfigError, match="can't be written: Permission denied"):
        write_drop_in(main, {("cache", "ttl_s"): 30.0})
    assert list(drop_in_path(main).parent.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "value", "change"),
    [
        ("cache.ttl_s", "30", {("cache", "ttl_s"): 30}),
        ("log.level", "debug", {("log", "level"): "debug"}),
        ("log.level", '"debug"', {("log", "level"): "debug"}),
        ('models."gpt-4.1".route', '["t600/a", "b/c"]', {("models", "gpt-4.1", "route"): ["t600/a", "b/c"]}),
        ('prices."openai/gpt-4o".input', "2.50", {("prices", "openai/gpt-4o", "input"): Decimal("2.50")}),
        ("models.a", '{ route = ["x/y"] }', {("models", "a", "route"): ["x/y"]}),
        ("cache.ttl_s", None, {("cache", "ttl_s"): None}),
    ],
)
def test_what_a_person_types(key: str, value: str | None, change: dict[tuple[str, ...], object]) -> None:
    assert read_change(key, value) == change


@pytest.mark.parametrize("key", ["", "a b", "a.", ".a", "a = 1\nb", "models.gpt-4.1 = 3 #", "a={b", '"a', "ä"])
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(ConfigError, match="not a key"):
        read_change(key, "1")


@pytest.mark.parametrize("value", ["1\nb = 2", "x\x1b[31m", "a\0b"])
def test_what_is_no_value(value: str) -> None:
    with pytest.raises(ConfigError, match="one line"):
        read_change("cache.ttl_s", value)


def test_a_price_is_written_as_it_was_typed(main: Path) -> None:
    write_drop_in(main, {**read_change('prices."a/x".input', "2.50"), ("prices", "a/x", "output"): 1})
    assert "input = 2.50" in drop_in_path(main).read_text()
