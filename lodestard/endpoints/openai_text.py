"""The paths of text completions, of gaps to be filled and of embeddings, in OpenAI's and Mistral's shapes."""

from collections.abc import Mapping

from lodestard.endpoints.serving import Route, serves
from lodestard.protocols.clients import MISTRAL_FIM, OPENAI_COMPLETIONS, OPENAI_EMBEDDINGS

ROUTES: Mapping[str, Route] = {
    "/completions": serves(OPENAI_COMPLETIONS),
    "/fim/completions": serves(MISTRAL_FIM),
    "/embeddings": serves(OPENAI_EMBEDDINGS),
}
