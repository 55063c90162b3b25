"""The dialects that we can speak to an upstream, by the name that a configuration gives them."""

from collections.abc import Mapping

from lodestard.protocols.anthropic_upstream import AnthropicCodec
from lodestard.protocols.codec import UpstreamCodec
from lodestard.protocols.emulation import Emulating
from lodestard.protocols.ollama_api import OllamaCodec
from lodestard.protocols.openai_upstream import OpenAICodec

_SPOKEN: Mapping[str, UpstreamCodec] = {
    "anthropic": AnthropicCodec(),
    "ollama": OllamaCodec(),
    "openai": OpenAICodec(),
}

CODECS: Mapping[str, UpstreamCodec] = {dialect: Emulating(codec) for dialect, codec in _SPOKEN.items()}
