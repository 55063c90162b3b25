"""``lodestarctl statusline``: one line of figures for a prompt or for tmux, from one small file.

Law: fast and harmless. It imports nothing that Python has not imported already (no ``json``, no ``argparse``, no
``pathlib``), starts nothing, asks nobody, and exits with 0 whatever happens: a prompt must not break. The daemon's
module ``statusline`` writes the file: one flat JSON object of numbers and one plain text, so that it can be read
without a parser.
"""

import os
import sys
import time

FRESH_S = 60
FILE = "statusline.json"
SYSTEM_SOCKET = "/run/lodestard.sock"
DOWN = "lodestard down"
NANO_PER_CENT = 10_000_000
WARN_PERCENT = 80
FULL_PERCENT = 100
UNKNOWN = "-"
TEXTS = ("card", "use")

Figures = dict[str, int | str | None]


def main(words: list[str]) -> int:
    """Print the line. Returns 0."""
    try:
        options = read_options(words)
        figures = find_figures(statusline_files(options["socket"]))
        print_line(write_line(figures, options["format"], tmux=bool(options["tmux"])))
    except (OSError, ValueError) as error:
        print_line(DOWN)
        sys.stderr.write(f"lodestarctl: {error}\n")
    return 0


def read_options(words: list[str]) -> dict[str, str]:
    """The words after ``statusline``. Raises ``ValueError`` for one that means nothing."""
    options = {"format": "", "socket": "", "tmux": ""}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if word == "--tmux":
            options["tmux"] = "yes"
        elif word.startswith("--") and name in ("format", "socket") and (equals or rest):
            options[name] = value if equals else rest.pop(0)
        else:
            raise ValueError(f"statusline takes --format TEXT, --tmux and --socket PATH, not {word!r}")
    return options


def print_line(text: str) -> None:
    """On standard output, whatever the locale can say."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()


# -- the file ----------------------------------------------------------------------------------------------------


def statusline_files(socket: str = "") -> list[str]:
    """Where the file may be, likeliest first: for each control socket that there may be, a folder of its name."""
    return [statusline_file(path) for path in ([socket] if socket else socket_paths())]


def statusline_file(socket: str) -> str:
    """``/run/lodestard.sock`` → ``/run/lodestard/statusline.json``."""
    return f"{socket.removesuffix('.sock')}/{FILE}" if socket.endswith(".sock") else f"{socket}.d/{FILE}"


def socket_paths() -> list[str]:
    """As ``lodestard.control.client.socket_paths``, whose import costs more than all of this; a test compares."""
    environ = os.environ
    if given := environ.get("LODESTAR_SOCKET"):
        return [given]
    home = (environ.get("HOME") or "/").rstrip("/")
    state_home = _absolute("XDG_STATE_HOME", f"{home}/.local/state")
    own = _absolute("XDG_RUNTIME_DIR", f"{state_home}/lodestard") + "/lodestard.sock"
    demo = f"{state_home}/lodestard-demo/lodestard.sock"
    return [SYSTEM_SOCKET, own, demo] if os.getuid() == 0 else [own, SYSTEM_SOCKET, demo]


def _absolute(name: str, default: str) -> str:
    given = os.environ.get(name, "")
    return (given.rstrip("/") if given != "/" else "") if given.startswith("/") else default


def find_figures(files: list[str]) -> Figures | None:
    """The figures of the first file that is fresh; None where there is none."""
    now_ms = int(time.time() * 1_000)  # noqa: TID251  the ctl has no clock handed in, and no time to import one
    for file in files:
        try:
            with open(file, "rb") as opened:  # noqa: PTH123
                figures = read_figures(opened.read(4_096).decode())
        except (OSError, ValueError):
            continue
        at_ms = number_of(figures, "at_ms")
        if at_ms is not None and now_ms - at_ms <= FRESH_S * 1_000:
            return figures
    return None


def read_figures(text: str) -> Figures:
    """A flat JSON object of whole numbers, nulls, and plain texts in ``TEXTS``. Raises ``ValueError`` otherwise."""
    text = text.strip()
    if text[:1] != "{" or text[-1:] != "}":
        raise ValueError("not an object")
    figures: Figures = {}
    for member in text[1:-1].split(","):
        name, _, value = member.partition(":")
        key, word = name.strip().strip('"'), value.strip()
        if key in TEXTS:
            figures[key] = read_text(word)
        else:
            figures[key] = None if word == "null" else int(word)
    return figures


def read_text(word: str) -> str:
    """A text that is written as it is. Raises ``ValueError`` for one that is not, or would have to be unescaped."""
    if len(word) < 2 or word[0] != '"' or word[-1] != '"' or "\\" in word:
        raise ValueError("not a plain text")
    return word[1:-1]


def number_of(figures: Figures, name: str) -> int | None:
    value = figures.get(name)
    return value if isinstance(value, int) else None


# -- the line ----------------------------------------------------------------------------------------------------


def write_line(figures: Figures | None, form: str = "", *, tmux: bool = False) -> str:
    """The line; ``form`` names its fields in braces."""
    if figures is None:
        return f"#[fg=red]{DOWN}#[default]" if tmux else DOWN
    fields = write_fields(figures)
    if form:
        line = form
        for name, text in fields.items():
            line = line.replace(f"{{{name}}}", text)
    else:
        parts = [f"{fields['cost_today']} today"]
        parts += [f"{fields['saved_today']} saved"] if figures.get("saved_today_nano_usd") is not None else []
        parts += [fields["budget"]] if figures.get("budget_percent") is not None else []
        parts += [fields["card"]] if fields["card"] else []
        parts += [f"use {fields['use']}"] if fields["use"] else []
        line = " · ".join(parts)
    colour = budget_colour(number_of(figures, "budget_percent")) if tmux else ""
    return f"#[fg={colour}]{line}#[default]" if colour else line


def write_fields(figures: Figures) -> dict[str, str]:
    """What ``--format`` can name."""
    budget, requests = number_of(figures, "budget_percent"), number_of(figures, "requests_under_way")
    return {
        "cost_today": dollars(number_of(figures, "cost_today_nano_usd"), up=True),
        "cost_month": dollars(number_of(figures, "cost_month_nano_usd"), up=True),
        "saved_today": dollars(number_of(figures, "saved_today_nano_usd"), up=False),
        "budget": UNKNOWN if budget is None else f"{budget} %",
        "requests": UNKNOWN if requests is None else str(requests),
        "card": str(figures.get("card") or ""),
        "use": str(figures.get("use") or ""),
    }


def dollars(nano_usd: int | None, *, up: bool) -> str:
    """Whole cents: what was spent is rounded up, what was saved down."""
    if nano_usd is None:
        return UNKNOWN
    cents = -(-nano_usd // NANO_PER_CENT) if up else nano_usd // NANO_PER_CENT
    sign = "-" if cents < 0 else ""
    return f"{sign}${abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def budget_colour(percent: int | None) -> str:
    """tmux's colour for how much of a budget is used; empty where it is no matter."""
    if percent is None or percent < WARN_PERCENT:
        return ""
    return "red" if percent >= FULL_PERCENT else "yellow"
