"""How bad something is."""

from typing import Literal

Severity = Literal["error", "warning", "info"]
