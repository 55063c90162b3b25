"""The dialects that we can speak to an upstream, by the name that a configuration gives them."""

from collections.abc import Mapping

from lodestard.protocols.codec import UpstreamCodec
from lodestard.protocols.ollama_api import OllamaCodec
from lodestard.protocols.openai_upstream import OpenAICodec

CODECS: Mapping[str, UpstreamCodec] = {"ollama": OllamaCodec(), "openai": OpenAICodec()}
