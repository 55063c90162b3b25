"""The dialects that clients speak to us, each at endpoints of its own.

Law: a dialect is one reader and one writer over the intermediate form of ``domain/request.py`` and
``domain/reply.py``; none of them knows of another one, or of any upstream's.
"""

from lodestard.protocols.anthropic.messages import AnthropicMessages
from lodestard.protocols.codec import ClientCodec
from lodestard.protocols.ollama.chat_client import OllamaChat
from lodestard.protocols.ollama.embed_client import OllamaEmbed, OllamaEmbeddings
from lodestard.protocols.ollama.generate_client import OllamaGenerate
from lodestard.protocols.openai.chat import OpenAIChat
from lodestard.protocols.openai.completions import OpenAICompletions
from lodestard.protocols.openai.embeddings import OpenAIEmbeddings
from lodestard.protocols.openai.fim import MistralFim

OPENAI_CHAT: ClientCodec = OpenAIChat()
OPENAI_COMPLETIONS: ClientCodec = OpenAICompletions()
OPENAI_EMBEDDINGS: ClientCodec = OpenAIEmbeddings()
MISTRAL_FIM: ClientCodec = MistralFim()
OLLAMA_CHAT = OllamaChat()
OLLAMA_GENERATE = OllamaGenerate()
OLLAMA_EMBED = OllamaEmbed()
OLLAMA_EMBEDDINGS = OllamaEmbeddings()
ANTHROPIC_MESSAGES: ClientCodec = AnthropicMessages()
CLIENTS: tuple[ClientCodec, ...] = (
    OPENAI_CHAT,
    OPENAI_COMPLETIONS,
    OPENAI_EMBEDDINGS,
    MISTRAL_FIM,
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
    OLLAMA_EMBED,
    OLLAMA_EMBEDDINGS,
    ANTHROPIC_MESSAGES,
)
