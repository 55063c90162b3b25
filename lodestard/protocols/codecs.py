"""The dialects that we can speak to an upstream, by the name that a configuration gives them.

One that has no completions of its own is wrapped: ``CompletingCodec(ThatCodec())`` asks for them as chats.
"""

from collections.abc import Mapping

from lodestard.protocols.anthropic.upstream import AnthropicCodec
from lodestard.protocols.codec import UpstreamCodec
from lodestard.protocols.completion_as_chat import CompletingCodec
from lodestard.protocols.emulation import Emulating
from lodestard.protocols.gemini.upstream import GeminiCodec
from lodestard.protocols.ollama import generate as ollama_generate
from lodestard.protocols.ollama.api import OllamaCodec
from lodestard.protocols.openai import text_upstream as openai_text_upstream
from lodestard.protocols.openai.upstream import OpenAICodec

_SPOKEN: Mapping[str, UpstreamCodec] = {
    "anthropic": CompletingCodec(AnthropicCodec()),
    "gemini": CompletingCodec(GeminiCodec(), embeds=True),
    "ollama": CompletingCodec(OllamaCodec(), ollama_generate.completes, embeds=True),
    "openai": CompletingCodec(OpenAICodec(), openai_text_upstream.completes, embeds=True),
}

CODECS: Mapping[str, UpstreamCodec] = {dialect: Emulating(codec) for dialect, codec in _SPOKEN.items()}
