"""The package's copyright file (DEP 5): whose the bundled libraries are, and the whole text of each licence.

Law: what a library says of itself is what is written. One without a licence's text or name fails the build.
"""

import csv
import re
from email import message_from_string
from email.message import Message
from pathlib import Path

from settled import MODULES_PLACE

HEAD = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Lodestar
"""
TEXTS = re.compile(r"LICEN[CS]E|COPYING|NOTICE|AUTHORS", re.IGNORECASE)
HOLDERS = re.compile(
    r"^\W*(?:SPDX-FileCopyrightText:|Copyright)\s+(?:\(c\)|©)?\s*(.*\d{4}.*|.*(?:authors|contributors).*)$",
    re.IGNORECASE | re.MULTILINE,
)
COMMON = {
    "Apache-2.0": re.compile(r"\s*Apache License\s+Version 2\.0.*(?:END OF TERMS AND CONDITIONS|$)", re.DOTALL),
    "LGPL-2.1": re.compile(r"\s*GNU LESSER GENERAL PUBLIC LICENSE\s+Version 2\.1.*", re.DOTALL),
}
"""Licences that every Debian has; the copyright file points there."""


def copyright_file(foreign: Path, ours: Path) -> str:
    """Ours first, then library by library."""
    text = ours.read_text()
    infos = sorted((foreign / "modules").glob("*.dist-info"))
    libraries = [of_library(info, (foreign / "records" / info.name).read_text()) for info in infos]
    return "\n".join([HEAD, paragraph(["*"], holders(text), "MIT", text), *libraries])


def of_library(info: Path, record: str) -> str:
    """What the library's metadata and licence files say."""
    about = message_from_string((info / "METADATA").read_text())
    texts = sorted(path for path in info.rglob("*") if path.is_file() and TEXTS.search(path.name))
    if not texts:
        raise SystemExit(f"{info.name} has no licence file")
    text = "\n\n".join(without_common(path.read_text().strip()) for path in texts)
    whose = holders(text) or [f"the authors of {about['Name']}"]
    return paragraph(places(record), whose, licence_name(about, info), text)


def places(record: str) -> list[str]:
    """Where the files of a RECORD stand, by their top folders."""
    names = [row[0] for row in csv.reader(record.splitlines()) if row and not row[0].startswith("..")]
    tops = {f"{name.partition('/')[0]}/*" if "/" in name else name for name in names}
    return [f"{MODULES_PLACE.lstrip('/')}/{top}" for top in sorted(tops)]


def without_common(text: str) -> str:
    """A licence that every Debian has, by its place."""
    for name, whole in COMMON.items():
        text = whole.sub(f"\n/usr/share/common-licenses/{name} is its text.", text)
    return text.strip()


def licence_name(about: Message, info: Path) -> str:
    """A word for it, from the first place that has one."""
    said = about["License-Expression"] or about["License"]
    if not said or "\n" in said or len(said) > 60:
        trove = [
            value.rpartition(" :: ")[2] for value in about.get_all("Classifier", []) if value.startswith("License")
        ]
        said = " or ".join(trove)
    if not said:
        raise SystemExit(f"{info.name} does not name its licence")
    return said.replace(" License", "").replace(" ", "-").replace("-OR-", " or ").replace("-AND-", " and ")


def holders(text: str) -> list[str]:
    """Who is named in a licence's text."""
    return list(dict.fromkeys(found.strip().rstrip(".") for found in HOLDERS.findall(text)))


def paragraph(files: list[str], whose: list[str], licence: str, text: str) -> str:
    """One of the file's; empty lines are written as a dot."""
    body = "\n".join(f" {line.rstrip()}" if line.strip() else " ." for line in text.strip().splitlines())
    rows = {"Files": "\n ".join(files), "Copyright": "\n ".join(whose)}
    return "".join(f"{name}: {value}\n" for name, value in rows.items()) + f"License: {licence}\n{body}\n"
