"""The dialects that clients speak to us, each at endpoints of its own.

Law: a dialect is one reader and one writer over the intermediate form of ``domain/request.py`` and
``domain/reply.py``; none of them knows of another one, or of any upstream's.
"""

from lodestard.protocols.anthropic.messages import AnthropicMessages
from lodestard.protocols.codec import ClientCodec
from lodestard.protocols.ollama import embed_client as ollama_embed
from lodestard.protocols.ollama.chat_client import read_chat
from lodestard.protocols.ollama.client_write import CHAT, GENERATE, write_embedding, write_embeddings
from lodestard.protocols.ollama.embed_client import VectorClient
from lodestard.protocols.ollama.generate_client import read_generate
from lodestard.protocols.ollama.line_client import LineClient
from lodestard.protocols.openai.chat import OpenAIChat
from lodestard.protocols.openai.completions import OpenAICompletions
from lodestard.protocols.openai.embeddings import OpenAIEmbeddings
from lodestard.protocols.openai.fim import MistralFim

OPENAI_CHAT: ClientCodec = OpenAIChat()
OPENAI_COMPLETIONS: ClientCodec = OpenAICompletions()
OPENAI_EMBEDDINGS: ClientCodec = OpenAIEmbeddings()
MISTRAL_FIM: ClientCodec = MistralFim()
OLLAMA_CHAT = LineClient("ollama", CHAT, read_chat)
OLLAMA_GENERATE = LineClient("ollama-generate", GENERATE, read_generate)
OLLAMA_EMBED = VectorClient("ollama-embed", ollama_embed.SAID, ollama_embed.read_embed, write_embeddings)
OLLAMA_EMBEDDINGS = VectorClient(
    "ollama-embeddings", ollama_embed.SAID_OF_ONE, ollama_embed.read_embeddings, write_embedding
)
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
