"""Loading: everything that is wrong is told at once, with key, file and line, and nothing but ConfigError leaves."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from lodestard.config import ConfigError, ConfigFault, Loaded, build, load
from lodestard.config.describe import describe
from lodestard.config.fault import dotted
from lodestard.config.source import MAX_FILE_BYTES, Source
from lodestard.domain.record import Record
from lodestard.domain.settings import Settings

MINIMAL = """
[upstreams.t600]
dialect = "ollama"
url = "http://127.0.0.1:11434"
free = true

[models.auto]
route = ["t600/llama3.1:8b"]
"""


class Rule(Record, frozen=True):
    when: str
    then: tuple[str, ...] = ()


class Probe(Record, frozen=True):
    enabled: bool = True
    every_s: Annotated[float, Meta(gt=0)] = 30.0
    rules: tuple[Rule, ...] = ()
    limits: dict[str, int] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.every_s > 1000:
            raise ValueError("a probe every 1000 seconds is no probe")


def write(folder: Path, text: str, **drop_ins: str) -> Path:
    path = folder / "lodestard.toml"
    path.write_text(text)
    for name, content in drop_ins.items():
        (folder / "conf.d").mkdir(exist_ok=True)
        (folder / "conf.d" / f"{name.replace('_', '-')}.toml").write_text(content)
    return path


def built(text: str) -> Loaded:
    return build([Source("x.toml", text)], module_schemas={"probe": Probe})


def faults(text: str) -> dict[str, ConfigFault]:
    with pytest.raises(ConfigError) as caught:
        built(text)
    return {fault.key: fault for fault in caught.value.faults}


def test_an_empty_file_gives_the_defaults_and_two_warnings() -> None:
    loaded = built("")

    assert loaded.settings == msgspec.structs.replace(Settings(), modules={"probe": Probe()})
    assert loaded.origins == {}
    assert [warning.key for warning in loaded.warnings] == ["upstreams", "models"]


def test_values_get_their_types() -> None:
    text = MINIMAL + '[cache]\nttl_s = 60\nmax_temperature = 0.5\n[prices."a/b"]\ninput = 0.1\noutput = 3\n'

    settings = built(text).settings

    assert settings.upstreams["t600"].free is True
    assert settings.models["auto"].route == ("t600/llama3.1:8b",)
    assert (settings.cache.ttl_s, settings.cache.max_temperature) == (60.0, 0.5)
    assert settings.prices["a/b"].input == Decimal("0.1")
    assert type(settings.cache.max_temperature) is float


def test_options_and_keep_alive_keep_their_kinds() -> None:
    table = 'options = { num_ctx = 4096, top_p = 0.5, use_mmap = true, x = "y" }\nkeep_alive = -1\n'
    upstream = built(MINIMAL.replace("free = true\n", "free = true\n" + table)).settings.upstreams["t600"]

    assert upstream.options == {"num_ctx": 4096, "top_p": 0.5, "use_mmap": True, "x": "y"}
    assert type(upstream.options["top_p"]) is float
    assert upstream.keep_alive == -1


def test_a_rate_is_no_time() -> None:
    assert built("[server.limits]\nbody_min_bytes_per_s = 100_000_000\n").settings.server.limits.body_min_bytes_per_s


def test_all_faults_come_at_once_with_key_and_line() -> None:
    found = faults(
        """\
[server]
lisen = ["127.0.0.1:4000"]
listen = ["127.0.0.1:4000", 5, "nowhere"]
drain_s = -1

[cache]
enabled = "yes"
ttl_s = 1e99

[log]
level = "loud"

[upstreams.a]
url = "ftp://x"

[models.m]
route = []

[models.n]
route = ["b/x", "nothing"]

[serverr]
"""
    )

    assert {key: (fault.place.line, fault.message) for key, fault in found.items()} == {
        "server.lisen": (2, "unknown key; did you mean 'listen'?"),
        "server.listen[1]": (3, "expected `string`, got `integer`"),
        "server.drain_s": (4, "expected `number` > 0.0"),
        "cache.enabled": (7, "expected `boolean`, got `string`"),
        "cache.ttl_s": (8, "expected at most 366 days of seconds"),
        "log.level": (11, "expected one of 'debug', 'info', 'warning', 'error'"),
        "upstreams.a.dialect": (13, "is missing"),
        "models.m.route": (17, "expected `array` of length >= 1"),
        "models.n.route[0]": (20, "no upstream 'b'"),
        "models.n.route[1]": (20, 'expected "upstream/model"'),
        "serverr": (22, "unknown key; did you mean 'server'?"),
    }


def test_a_fault_reads_as_one_line() -> None:
    assert str(faults("\n[server]\nlisen = 1\n")["server.lisen"]) == (
        "x.toml:3: server.lisen: unknown key; did you mean 'listen'?"
    )


def test_a_wrong_upstream_is_not_told_again_at_its_aliases_and_prices() -> None:
    found = faults(
        '[upstreams.a]\nurl = 5\n[models.m]\nroute = ["a/x"]\n[ledger]\nbaseline = "a/x"\n'
        '[prices."a/x"]\ninput = "x"\noutput = "y"\n'
    )

    assert set(found) == {
        "upstreams.a.dialect",
        "upstreams.a.url",
        'prices."a/x".input',
        'prices."a/x".output',
    }


def test_things_of_the_wrong_shape() -> None:
    found = faults(
        'server = 1\nupstreams = []\nmodules = 3\n[models]\na = "x"\n'
        '[prices]\n"a/b" = { input = "x", output = nan }\n'
    )

    assert found["server"].message.startswith("expected a table, [server], with some of: listen, ")
    assert found["upstreams"].message == "expected a table"
    assert found["modules"].message == "expected tables, [modules.NAME]"
    assert found["models.a"].message.startswith("expected a table")
    assert found['prices."a/b".output'].message == "expected a finite number"


def test_a_date_a_huge_integer_and_a_boolean_number() -> None:
    found = faults("state_dir = 2020-01-01\n[cache]\nmax_bytes = 99999999999999999999\nmemory_bytes = true\n")

    assert found["state_dir"].message == "expected `string`, got `date`"
    assert found["cache.max_bytes"].message == "larger than can be right"
    assert found["cache.memory_bytes"].message == "expected `integer`, got `boolean`"


def test_a_literal_key_is_refused_and_never_repeated() -> None:
    text = MINIMAL.replace("free = true", 'key = "sk-secret-1"\nheaders = { Authorization = "Bearer sk-secret-2" }')
    found = faults(text)

    assert "a key itself has no place in this file" in found["upstreams.t600.key"].message
    assert "a secret has no place" in found["upstreams.t600.headers.Authorization"].message
    assert not any("sk-secret" in str(fault) for fault in found.values())


@pytest.mark.parametrize("key", [key.name for key in describe()])
def test_a_secret_in_the_wrong_line_is_not_repeated(key: str) -> None:
    name = key.replace("<name>", "a")
    for value in ('"sk-SECRET 1"', '["sk-SECRET"]', '{ x = "sk-SECRET" }', "sk-SECRET", '"sk-SECRET'):
        try:
            built(f"{name} = {value}\n")
        except ConfigError as error:
            assert "SECRET" not in str(error)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a = 1\nb = \n", 2, 5, "not TOML: Invalid value"),
        ("a = 1\na = 2\n", 2, 6, "not TOML: Cannot overwrite a value"),
        ('a = "sk', 0, 0, "not TOML: "),
        ("a = " + "9" * 5000, 0, 0, "a number that is too large"),
        ("a = 1e" + "9" * 50, 0, 0, "a number that is too large"),
        ("a = " + "[" * 50_000, 0, 0, "nested too deeply"),
        ("[" + ".".join("a" * 40) + "]\n", 1, 0, "nested too deeply"),
        ("a = " + "{ a = " * 40 + "1" + "}" * 40, 1, 0, "nested too deeply"),
        ("a = " + "[" * 40 + "]" * 40, 1, 0, "nested too deeply"),
    ],
)
def test_text_that_is_not_toml(text: str, line: int, column: int, message: str) -> None:
    (fault,) = faults(text).values()

    assert fault.message.startswith(message)
    if line and column:
        assert (fault.place.line, fault.place.column) == (line, column)


def test_modules_get_their_settings_and_strangers_a_warning() -> None:
    text = (
        MINIMAL
        + '[modules.probe]\nevery_s = 5\nrules = [{ when = "x", then = ["y"] }]\nlimits = { a = 1 }\n[modules.prob]\n'
    )
    loaded = built(text)

    assert loaded.settings.modules == {
        "probe": Probe(every_s=5.0, rules=(Rule(when="x", then=("y",)),), limits={"a": 1})
    }
    (warning,) = loaded.warnings
    assert (warning.key, warning.place.line) == ("modules.prob", 13)
    assert warning.message.endswith("; did you mean 'probe'?")


def test_a_module_s_faults_are_told_like_any_other() -> None:
    found = faults("[modules.probe]\nevery = 5\nevery_s = 5000\n[[modules.probe.rules]]\nwhenn = 1\n")
    assert found["modules.probe.every"].message == "unknown key; did you mean 'every_s'?"
    assert found["modules.probe.rules[0].when"].place.line == 4
    assert (
        faults("[modules.probe]\nevery_s = 5000\n")["modules.probe"].message
        == "a probe every 1000 seconds is no probe"
    )
    assert faults("[modules.probe]\nrules = 5\n")["modules.probe.rules"].message == "expected an array"
    assert "expected a table" in faults("[modules]\nprobe = 5\n")["modules.probe"].message


def test_drop_ins_are_laid_over_in_the_order_of_their_names(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        MINIMAL + '[cache]\nttl_s = 1\nmax_bytes = 5000000\n[server]\nlisten = ["127.0.0.1:1", "127.0.0.1:2"]\n',
        b_late="[cache]\nttl_s = 3\n",
        a_early="[cache]\nttl_s = 2\ndisk = false\n"
        '[server]\nlisten = ["127.0.0.1:3"]\n[upstreams]\nt600.free = false\n',
    )
    (tmp_path / "conf.d" / ".hidden.toml").write_text("nonsense")
    (tmp_path / "conf.d" / "note.txt").write_text("nonsense")

    loaded = load(path)

    assert (loaded.settings.cache.ttl_s, loaded.settings.cache.max_bytes) == (3.0, 5_000_000)
    assert loaded.settings.server.listen == ("127.0.0.1:3",)
    assert loaded.origins["cache.ttl_s"] == f"{tmp_path}/conf.d/b-late.toml:2"
    assert loaded.origins["cache.disk"] == f"{tmp_path}/conf.d/a-early.toml:3"
    assert loaded.origins["cache.max_bytes"] == f"{path}:11"
    assert loaded.origins["upstreams.t600.url"] == f"{path}:4"
    assert loaded.origins["upstreams.t600.free"] == f"{tmp_path}/conf.d/a-early.toml:7"
    assert "server.listen[1]" not in loaded.origins


def test_a_table_and_a_value_of_one_name_replace_each_other(tmp_path: Path) -> None:
    path = write(tmp_path, "[cache]\nttl_s = 1\n[log]\n", a="cache = 5\nlog = 5", b="[cache]\nttl_s = 2\n")

    with pytest.raises(ConfigError) as caught:
        load(path)

    assert [str(fault.place) for fault in caught.value.faults] == [f"{tmp_path}/conf.d/a.toml:2"]


def test_a_fault_in_a_drop_in_names_it(tmp_path: Path) -> None:
    path = write(tmp_path, "[cache]\nttl_s = 1\n", a="[cache]\nttl_s = 0\n", b="[cache\n")

    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [str(fault.place) for fault in caught.value.faults] == [f"{tmp_path}/conf.d/b.toml:1:7"]

    (tmp_path / "conf.d" / "b.toml").unlink()
    with pytest.raises(ConfigError, match=r"conf\.d/a\.toml:2: cache\.ttl_s: expected `number` > 0"):
        load(path)


def test_files_that_can_not_be_read_are_all_told(tmp_path: Path) -> None:
    path = tmp_path / "lodestard.toml"
    drop_ins = tmp_path / "conf.d"
    (drop_ins / "a.toml").mkdir(parents=True)
    (drop_ins / "b.toml").write_bytes(b"a = 1\nb = '\xff'\n")
    (drop_ins / "c.toml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))

    with pytest.raises(ConfigError) as caught:
        load(path)

    assert [str(fault) for fault in caught.value.faults] == [
        f"{path}: can't be read: No such file or directory",
        f"{drop_ins}/a.toml: can't be read: Is a directory",
        f"{drop_ins}/b.toml:2: not UTF-8 text",
        f"{drop_ins}/c.toml: larger than 4194304 bytes",
    ]


def test_a_byte_order_mark_is_put_up_with(tmp_path: Path) -> None:
    path = tmp_path / "lodestard.toml"
    path.write_bytes(b"\xef\xbb\xbf[cache]\r\nttl_s = 5\r\n")

    assert load(str(path)).settings.cache.ttl_s == 5.0


def test_dotted_keys_are_written_as_toml_writes_them() -> None:
    assert dotted(("models", 'a"b.c', "route", 0)) == 'models."a\\"b.c".route[0]'


TABLES = st.sampled_from(
    ["server", "cache", "upstreams.a", "models.auto", 'prices."a/b"', "modules.probe", "modules.x", "log", "control"]
)
NAMES = st.sampled_from(
    ["listen", "limits", "enabled", "dialect", "url", "key", "route", "input", "output", "level", "rules", "ttl_s"]
)
VALUES = st.sampled_from(["1", "-1", "nan", "inf", "1e400", "[]", "[1, 'a']", "{}", "true", "1979-05-27"]) | (
    st.sampled_from(['"x"', '"http://[/"', '"http://a:99999999"', '"127.0.0.1:4000"', '"\\u0000\\ud7ff"'])
    | st.sampled_from(['["a/b", "a"]', "{ env = 'A' }", "{ x = { y = [{}] } }"])
)
LINES = st.one_of(
    TABLES.map("[{}]".format),
    st.tuples(NAMES, VALUES).map(" = ".join),
    st.text(max_size=20),
)


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_nothing_but_config_error_leaves(text: str) -> None:
    try:
        loaded = built(text)
    except ConfigError as error:
        assert error.faults
        assert all(fault.message for fault in error.faults)
    else:
        assert isinstance(loaded.settings, Settings)


@given(st.permutations(["cache", "log", "ledger", "control"]), st.integers(0, 3))
def test_origins_stay_right_in_whatever_order_tables_come(tables: list[str], gap: int) -> None:
    members = {
        "cache": "ttl_s = 5",
        "log": 'level = "info"',
        "ledger": "store_text = true",
        "control": "read_groups = []",
    }
    text = "".join(f"{'#[x]' * gap}\n" * gap + f"[{name}]\n{members[name]}\n" for name in tables)
    written = text.splitlines()

    origins = built(text).origins

    for name in tables:
        key = members[name].partition(" = ")[0]
        file, _, line = origins[f"{name}.{key}"].partition(":")
        assert (file, written[int(line) - 1]) == ("x.toml", members[name])
