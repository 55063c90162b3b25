"""What is read off lines and pages, whatever they say: exact, unknown, or passed over; never an exception."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.telemetry import Telemetry
from lodestard.modules.gpu.dcgm_page import read_dcgm
from lodestard.modules.gpu.exporter_page import read_exporter
from lodestard.modules.gpu.exposition import MAX_LINE_CHARS, MAX_SAMPLES, Page, Sample, parse_line, parse_page
from lodestard.modules.gpu.figures import choose_card, reasons_of, same_card, state_of
from lodestard.modules.gpu.smi_rows import (
    FIELDS,
    MAX_LINE_BYTES,
    Field,
    Fields,
    LineCutter,
    drop_unknown_field,
    parse_row,
    query_words,
    read_number,
    read_text,
)
from lodestard.modules.gpu.troubles import ADVICE, Trouble, finding_of, judge_exit, shown

UUID = "GPU-5b0c6f0e-3a41-7d52-9c1b-2f6a8e4d7130"
ABSENT = (
    "[N/A]",
    "N/A",
    "n/a",
    "[Not Supported]",
    "Not Supported",
    "[Unknown Error]",
    "[Insufficient Permissions]",
    "[Requested functionality has been deprecated]",
    "[Something that no driver has said yet]",
    "ERR!",
    "",
)
# Member of Telemetry → (what nvidia-smi says, what it means).
SAID = {
    "uuid": (UUID, UUID),
    "card": ("NVIDIA T600", "NVIDIA T600"),
    "performance_state": ("P0", "P0"),
    "used_percent": ("97", 97),
    "memory_total_bytes": ("4096", 2**32),
    "memory_used_bytes": ("3568", 3_568 * 2**20),
    "temperature_c": ("61", 61),
    "power_w": ("39.62", 39.62),
    "power_limit_w": ("40.00", 40),
    "power_default_w": ("40.00", 40),
    "clock_mhz": ("1305", 1_305),
    "clock_max_mhz": ("2100", 2_100),
    "pcie_generation": ("1", 1),
    "pcie_generation_max": ("3", 3),
    "pcie_width": ("16", 16),
    "pcie_width_max": ("16", 16),
    "throttled": ("0x0000000000000024", ("sw_power_cap", "sw_thermal")),
}
UNKNOWN = {"uuid": "", "card": "", "performance_state": "", "throttled": ()}
VITAL = {"used_percent", "memory_used_bytes", "temperature_c"}
absences = st.dictionaries(st.sampled_from(sorted(SAID)), st.sampled_from(ABSENT))


def a_line(absent: dict[str, str], fields: Fields = FIELDS) -> str:
    said = {member: text for member, (text, _) in SAID.items()} | {"index": "0"} | absent
    return ", ".join(said[field.member] for field in fields)


# -- nvidia-smi's lines ------------------------------------------------------------------------------------------


@given(absences)
def test_any_figure_in_any_form_of_not_available_is_unknown_and_the_others_are_exact(absent: dict[str, str]) -> None:
    row = parse_row(a_line(absent), FIELDS, "local")
    assert row is not None
    if all(absent.get(member, "") in ("[Unknown Error]", "ERR!") for member in VITAL):
        assert (row.reading.state, row.reading.fault) == ("unknown", "gpu_lost")
        return
    assert (row.reading.state, row.reading.fault, row.number) == ("ok", "", "0")
    for member, (_, meant) in SAID.items():
        expected = UNKNOWN.get(member) if member in absent else meant
        assert getattr(row.reading, member) == expected, member


@given(absences, st.sampled_from(["[GPU is lost]", "[GPU requires reset]"]), st.sampled_from(sorted(SAID)))
def test_a_card_that_says_that_it_is_lost_is_unknown(absent: dict[str, str], cell: str, member: str) -> None:
    row = parse_row(a_line({**absent, member: cell}), FIELDS, "ssh")
    assert row is not None
    assert row.reading.state == "unknown"
    assert row.reading.fault == ("gpu_lost" if "lost" in cell else "reset_needed")
    assert row.reading.temperature_c is None
    assert row.reading.problem


@given(st.text(max_size=300))
def test_any_text_is_a_row_or_none(text: str) -> None:
    row = parse_row(text, FIELDS, "local")
    assert row is None or text.count(",") == len(FIELDS) - 1


@given(st.lists(st.text(st.characters(exclude_characters=","), max_size=12), min_size=18, max_size=18))
def test_any_cells_make_a_reading_that_a_card_can_have(cells: list[str]) -> None:
    row = parse_row(",".join(cells), FIELDS, "local")
    if row is not None and row.reading.used_percent is not None:
        assert 0 <= row.reading.used_percent <= 100


def test_a_header_and_units_are_put_up_with() -> None:
    """A command that ssh forces may leave out noheader and nounits."""
    header = ", ".join(field.query for field in FIELDS)
    assert parse_row(header, FIELDS, "ssh") is None
    units = {"used_percent": "97 %", "memory_used_bytes": "3568 MiB", "power_w": "39.62 W", "clock_mhz": "1305 MHz"}
    row = parse_row(a_line(units), FIELDS, "ssh")
    assert row is not None
    assert (row.reading.used_percent, row.reading.memory_used_bytes) == (97, 3_568 * 2**20)
    assert (row.reading.power_w, row.reading.clock_mhz) == (39.62, 1_305)


@pytest.mark.parametrize(
    ("cell", "figure"),
    [("0", 0), ("-3", -3), ("38.20", 38.2), (" 7 ", 7), ("1e3", None), ("nan", None), ("inf", None), ("0x10", None),
     ("1_000", None), ("12 apples", None), ("٣", None), ("9" * 19, None)],
)  # fmt: skip
def test_numbers_are_strict(cell: str, figure: float | None) -> None:
    assert read_number(cell) == figure


@pytest.mark.parametrize(
    ("member", "cell"),
    [("memory_used_bytes", "17592186044416"), ("used_percent", "101"), ("temperature_c", "4294967295"),
     ("power_w", "-1"), ("pcie_width", "0"), ("power_limit_w", "0.00")],
)  # fmt: skip
def test_what_no_card_can_be_is_unknown(member: str, cell: str) -> None:
    row = parse_row(a_line({member: cell}), FIELDS, "local")
    assert row is not None
    assert getattr(row.reading, member) is None


def test_names_are_made_presentable() -> None:
    assert read_text("[N/A]") == read_text("") == read_text(" n/a ") == ""
    row = parse_row(a_line({"card": "T600\x1b[31m" + "x" * 300}), FIELDS, "ssh")
    assert row is not None
    assert row.reading.card.startswith("T600 [31mxxx")
    assert len(row.reading.card) == 160
    assert row.reading.card.isprintable()


def test_a_field_that_a_driver_does_not_know_is_asked_otherwise_or_not_at_all() -> None:
    queries = [field.query for field in FIELDS]
    older = drop_unknown_field(FIELDS, ['Field "clocks_event_reasons.active" is not a valid field to query.', ""])
    assert older is not None
    assert [field.query for field in older] == [*queries[:-1], "clocks_throttle_reasons.active"]
    none = drop_unknown_field(older, ['Field "clocks_throttle_reasons.active" is not a valid field to query.'])
    assert none is not None
    assert [field.query for field in none] == queries[:-1]
    row = parse_row(a_line({}, none), none, "local")
    assert row is not None
    assert row.reading.throttled == ()
    assert row.reading.temperature_c == 61
    assert drop_unknown_field(FIELDS, ['Field "uuid" is not a valid field to query.']) is None
    assert drop_unknown_field(FIELDS, ['Field "other" is not a valid field to query.', "Segmentation fault"]) is None


@given(st.lists(st.sampled_from([field.query for field in FIELDS] + ["clocks_throttle_reasons.active"])))
def test_asking_otherwise_comes_to_an_end(unknown: list[str]) -> None:
    fields: Fields = FIELDS
    tries = 0
    while True:
        refused = next((field.query for field in fields if field.query in unknown), None)
        words = [f'Field "{refused}" is not a valid field to query.'] if refused else []
        dropped = drop_unknown_field(fields, words)
        if dropped is None:
            break
        fields, tries = dropped, tries + 1
    assert tries <= len(FIELDS) + 1
    assert FIELDS[0] in fields
    assert "uuid" in unknown or not {field.query for field in fields} & set(unknown)


def test_what_nvidia_smi_is_asked() -> None:
    fields = (Field("uuid", "uuid"), Field("power.draw", "power_w"))
    assert query_words(fields, 10.4, "") == (
        "nvidia-smi", "--query-gpu=uuid,power.draw", "--format=csv,noheader,nounits", "--loop=10",
    )  # fmt: skip
    assert query_words(fields, 1.0, UUID)[-2:] == ("--loop=1", f"--id={UUID}")
    shell = set("$`\"'\\;&|<>(){}*?[]!#~ \t\n")
    assert not any(shell & set(word) for word in query_words(FIELDS, 5, UUID))


@given(st.binary(max_size=400), st.lists(st.integers(1, 50), max_size=40))
def test_lines_are_the_same_however_they_arrive(data: bytes, sizes: list[int]) -> None:
    whole = LineCutter().feed(data + b"\n")
    cutter, pieces, rest = LineCutter(), [], data + b"\n"
    for size in sizes:
        pieces += cutter.feed(rest[:size])
        rest = rest[size:]
    assert pieces + cutter.feed(rest) == whole


def test_a_line_without_an_end_is_not_kept() -> None:
    cutter = LineCutter()
    for _ in range(100):
        assert cutter.feed(b"x" * 1_000) == []
    assert cutter.feed(b"tail\nnext\n") == ["next"]
    assert cutter.feed(b"y" * (MAX_LINE_BYTES + 1) + b"\nz\n") == ["z"]


# -- Prometheus' text format -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "sample"),
    [
        ("a 1", Sample("a", {}, 1)),
        ("a:b_c1\t-1.5e-03 1690000000000", Sample("a:b_c1", {}, -0.0015)),
        ('a{b="c"} 8.58783744e+08', Sample("a", {"b": "c"}, 858_783_744)),
        ('a{b="c",d="e",} .5', Sample("a", {"b": "c", "d": "e"}, 0.5)),
        ('a { b = "c" , d="" } 5.', Sample("a", {"b": "c", "d": ""}, 5)),
        ("a{} +Inf", Sample("a", {}, math.inf)),
        ("a -Inf", Sample("a", {}, -math.inf)),
        (r'a{b="q\"q\\n\n}{,=\x"} 2', Sample("a", {"b": 'q"q\\n\n}{,=\\x'}, 2)),
        ('a{b="c"} 3 # {trace="t"} 0.5', Sample("a", {"b": "c"}, 3)),
        ('a{ü="c"} 3', None),
        ("a", None),
        ("a b", None),
        ("1a 1", None),
        ("a{b=c} 1", None),
        ('a{b="c} 1', None),
        ('a{b="c" d="e"} 1', None),
        ("a 1_000", None),
        ("a 0x10", None),
        ("a infinity", None),
        ("a 1 2 3", None),
        ('{"a", b="c"} 1', None),
        ("<html>", None),
    ],
)
def test_lines_of_a_page(line: str, sample: Sample | None) -> None:
    assert parse_line(line) == sample


def test_not_a_number_is_read_as_that() -> None:
    sample = parse_line("a NaN")
    assert sample is not None
    assert math.isnan(sample.value)


names = st.from_regex(r"[A-Za-z_:][A-Za-z0-9_:]{0,20}", fullmatch=True)
labels = st.dictionaries(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), st.text(max_size=20), max_size=4
)


def written(sample: Sample) -> str:
    def escaped(value: str) -> str:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    inside = ",".join(f'{name}="{escaped(value)}"' for name, value in sample.labels.items())
    return f"{sample.name}{{{inside}}} {sample.value!r}"


@given(st.builds(Sample, names, labels, st.floats(allow_nan=False, allow_infinity=False)))
def test_what_was_written_is_read(sample: Sample) -> None:
    page = parse_page(f"# HELP x y\n# TYPE x gauge\n\n{written(sample)}\n# EOF")
    assert page == Page((sample,))


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    page = parse_page(text)
    for reading in (read_exporter(page, ""), read_dcgm(page, "")):
        assert isinstance(reading, Telemetry | Trouble)


def test_pages_are_bounded() -> None:
    page = parse_page("a 1\n" * (MAX_SAMPLES + 5) + "b" * (MAX_LINE_CHARS + 1) + " 1\n")
    assert len(page.samples) == MAX_SAMPLES
    assert page.strange == 1


figures = st.sampled_from(
    ["utilization_gpu_ratio", "memory_used_bytes", "temperature_gpu", "power_draw_watts", "pstate", "index",
     "clocks_event_reasons_active", "temperature_gpu_tlimit", "gpu_recovery_action"]
)  # fmt: skip


@given(st.dictionaries(figures, st.floats()))
def test_no_figure_of_an_exporter_is_too_strange(values: dict[str, float]) -> None:
    page = Page(tuple(Sample(f"nvidia_smi_{name}", {"uuid": "u"}, value) for name, value in values.items()))
    reading = read_exporter(page, "")
    if not values:
        assert isinstance(reading, Trouble)
        return
    assert isinstance(reading, Telemetry)
    percent = values.get("utilization_gpu_ratio", math.nan)
    assert (reading.used_percent is None) == (not 0 <= percent * 100 <= 100)


@pytest.mark.parametrize(
    ("own", "says"),
    [
        (
            "nvidia_smi_command_exit_code 0\nnvidia_smi_last_collect_success 0",
            "it could not be run, or took too long",
        ),
        ("nvidia_smi_command_exit_code 77", "it ended with 77"),
        ("nvidia_smi_command_exit_code NaN", "it ended with nan"),
        ("nvidia_smi_nvml_return_code 15\nnvidia_smi_last_collect_success 0", "the card has fallen off the bus"),
    ],
)
def test_an_exporter_says_that_its_last_look_has_failed(own: str, says: str) -> None:
    """Figures that it still shows are those of an earlier look."""
    reading = read_exporter(parse_page(f'nvidia_smi_temperature_gpu{{uuid="u"}} 50\n{own}\n'), "")
    assert reading == Trouble(code="exporter_failing", text=f"the exporter is up, but its nvidia-smi fails: {says}")


def test_slices_and_strangers_on_a_page_of_dcgm_are_passed_over() -> None:
    labels = 'gpu="0",UUID="GPU-a",modelName="NVIDIA T600"'
    page = parse_page(
        f"DCGM_FI_DEV_GPU_TEMP{{{labels}}} 50\n"
        f'DCGM_FI_DEV_GPU_TEMP{{{labels},GPU_I_ID="3"}} 99\n'
        f"another_temperature{{{labels}}} 98\n"
        "DCGM_FI_DEV_GPU_TEMP 97\n"
        'DCGM_FI_DEV_GPU_TEMP{gpu="1",UUID="GPU-b"} 60\n'
    )
    first, second = read_dcgm(page, ""), read_dcgm(page, "GPU-b")
    assert isinstance(first, Telemetry)
    assert isinstance(second, Telemetry)
    assert (first.temperature_c, first.fault) == (50, "several_cards")
    assert (second.temperature_c, second.fault) == (60, "")
    assert isinstance(read_dcgm(page, "7"), Trouble)


# -- which card, and why not -------------------------------------------------------------------------------------


def test_which_card_is_meant() -> None:
    cards = [("10", "GPU-c"), ("2", "GPU-b"), ("0", "GPU-a")]
    assert choose_card(cards, "") == ("GPU-a", True)
    assert choose_card(cards, "2") == ("GPU-b", False)
    assert choose_card(cards, "C") == ("GPU-c", False)
    assert choose_card(cards, "GPU-d") is None
    assert choose_card([("0", "x")], "") == ("x", False)
    assert choose_card([], "") is None
    assert same_card("GPU-AB", "ab")


def test_reasons_and_states() -> None:
    assert reasons_of(0x1) == reasons_of(None) == reasons_of(math.nan) == reasons_of(-1) == ()
    assert reasons_of(0xFFFF) == (
        "applications_clocks", "sw_power_cap", "hw_slowdown", "sync_boost", "sw_thermal", "hw_thermal",
        "hw_power_brake", "display_clocks",
    )  # fmt: skip
    assert [state_of(number) for number in (0, 8, 15, 16, 32, -1, 1.5, None, math.nan)] == [
        "P0", "P8", "P15", "", "", "", "", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "code"),
    [(2, "smi_failed"), (4, "no_permission"), (6, "no_devices"), (8, "no_power_cable"), (9, "no_driver"),
     (12, "no_nvml"), (15, "gpu_lost"), (16, "reset_needed"), (17, "no_permission"), (18, "library_mismatch"),
     (126, "not_found"), (127, "not_found"), (255, "smi_failed"), (0, "smi_failed"), (-9, "smi_failed")],
)  # fmt: skip
def test_what_nvidia_smi_ends_with(status: int, code: str) -> None:
    trouble = judge_exit("local", status, ["something else"])
    assert trouble.code == code
    finding = finding_of(trouble.code, trouble.text)
    assert (finding.code, finding.severity, bool(finding.hint)) == (code, "error", True)


def test_a_foreign_line_is_shown_short_and_printable() -> None:
    assert judge_exit("ssh", 255, ["x\x07y.\n"]).text == "ssh failed: x y"
    assert judge_exit("local", -11, []).text == "nvidia-smi was killed by signal 11"
    assert len(shown("x" * 1_000)) == 160


def test_all_advice_is_a_sentence() -> None:
    for severity, hint in ADVICE.values():
        assert severity in ("error", "warning", "info")
        assert hint.endswith((".", "?"))
