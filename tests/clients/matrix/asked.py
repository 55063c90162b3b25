"""What the clients of the matrix ask, so that every one of them asks the same."""

import base64
from pathlib import Path
from typing import Any

HELLO = "Hello from a client"
WEATHER = "What is the weather in Paris?"
BOTH = "What is the weather in Paris, and which clock time is it there?"
PICTURE = "What is in this picture?"
LAMP = "Describe a lamp."
LIMIT = 16  # OpenAI's Responses API takes no lower one
LONG = "Please list the steps to bake bread."

CITY: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "get_weather": ("The weather of a city", CITY),
    "read_clock": ("The time in a city", CITY),
}
SUNNY = "Sunny, 21 degrees"
LAMP_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "watts": {"type": "integer"}},
    "required": ["name", "watts"],
    "additionalProperties": False,
}


def red_dot() -> str:
    """A picture, in base64."""
    return base64.b64encode(Path(__file__).with_name("red.png").read_bytes()).decode()
