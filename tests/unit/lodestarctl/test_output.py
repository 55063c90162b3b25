"""Where things are written, and in which form."""

import io

import msgspec

from lodestarctl.output import Output
from lodestarctl.render.blocks import Cell, Column, Table
from lodestarctl.render.plain import wrap

TABLE = Table((Column("name"),), [(Cell("t600", "good"),)])


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def output(stdout: io.StringIO, *, json: bool = False, colour: bool = True) -> Output:
    return Output(stdout, io.StringIO(), json=json, colour=colour, width=100)


def test_a_pipe_gets_plain_text_eighty_columns_wide() -> None:
    pipe = io.StringIO()
    out = output(pipe)
    out.show([TABLE])
    assert (pipe.getvalue(), out.width, out.colour) == ("  name\n  t600\n", 80, False)
    assert out.tint("x", "good") == "x"


def test_a_terminal_gets_colours_unless_it_does_not_want_them() -> None:
    screen, grey = Screen(), Screen()
    output(screen).show([TABLE])
    output(grey, colour=False).show([TABLE])
    assert "\x1b[32m" in screen.getvalue()
    assert "\x1b" not in grey.getvalue()
    assert "t600" in grey.getvalue()


def test_where_there_are_no_letters_for_bars_others_stand_for_them() -> None:
    raw = io.BytesIO()
    out = output(io.TextIOWrapper(raw, "latin-1", errors="replace"))  # type: ignore[arg-type]
    out.write("█▌▏ ✓ ─ é\n")
    assert raw.getvalue() == b"##  + - \xe9\n"


def test_tints() -> None:
    out = output(Screen())
    assert out.tint("x", "bad") == "\x1b[31mx\x1b[0m"
    assert out.tint("x", "") == "x"


def test_envelopes_are_readable_or_one_line() -> None:
    pipe = io.StringIO()
    out = output(pipe, json=True)
    out.envelope("v", msgspec.Raw(b'{"a":1}'))
    out.envelope("v", msgspec.Raw(b'{"a":1}'), indent=0)
    text = pipe.getvalue()
    assert text.startswith('{\n  "version": 1,')
    assert text.endswith('{"version":1,"verb":"v","data":{"a":1}}\n')


def test_messages_are_cleaned_and_go_to_standard_error() -> None:
    out = output(io.StringIO())
    out.say("a\x1b[2Jb")
    assert out.stderr.getvalue() == "a�[2Jb\n"  # type: ignore[attr-defined]
    assert out.stdout.getvalue() == ""  # type: ignore[attr-defined]


def test_wrapping_keeps_long_words_whole() -> None:
    assert wrap("aa bb cc", 5) == ["aa bb", "cc"]
    assert wrap("a-very-long-word b", 5) == ["a-very-long-word", "b"]


def test_a_message_is_cleaned_and_its_own_colour_is_not() -> None:
    told = io.StringIO()
    Output(Screen(), told, colour=True).say("done\x1b[31m", "dim")
    assert told.getvalue().startswith("\x1b[2mdone")
    assert told.getvalue().endswith("\x1b[0m\n")
    assert told.getvalue().count("\x1b") == 2
