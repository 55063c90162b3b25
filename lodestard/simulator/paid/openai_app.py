"""A simulated provider of OpenAI's shape: its routes, its keys, its models and its administration.

Law: refusals come in OpenAI's order: key, route, body, model, limits; nothing is billed for a refusal.
Owner: the provider's `Desk`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from lodestard.simulator.answering.mind import Mind
from lodestard.simulator.answering.question import Json, Script
from lodestard.simulator.exchange import JSON_TYPE, Exchange, Refusal
from lodestard.simulator.paid.chat import answer_chat
from lodestard.simulator.paid.desk import Desk
from lodestard.simulator.paid.errors import openai_error
from lodestard.simulator.paid.plain_text import answer_completions, answer_embeddings
from lodestard.simulator.paid.providers import PaidModel, Provider
from lodestard.simulator.paid.responses import answer_responses
from lodestard.simulator.walltime import WallNs

_BAD_KEY = "Incorrect API key provided. You can find your API key in your account settings."
_NO_KEY = "You didn't provide an API key. Provide it in an Authorization header using Bearer auth."
_ORGANIZATION = "/organization"
Route = Callable[[Desk, Exchange], Awaitable[None]]
_POSTS: dict[str, Route] = {
    "/chat/completions": answer_chat,
    "/completions": answer_completions,
    "/embeddings": answer_embeddings,
    "/responses": answer_responses,
}


class OpenAIApp:
    """One provider of OpenAI's shape."""

    def __init__(self, provider: Provider, *, wall_ns: WallNs, script: Script | None = None) -> None:
        self.desk = Desk(provider, wall_ns=wall_ns, script=script)
        self.wall_ns = wall_ns

    @property
    def mind(self) -> Mind:
        return self.desk.mind

    async def answer(self, exchange: Exchange) -> None:
        """Answers one request. Raises `Refusal`. Cancelled: billed by the provider's habit."""
        self.desk.meter.seen += 1
        path = self._local_path(exchange.request.path)
        if path.startswith(_ORGANIZATION) and exchange.request.method == "GET":
            await self.desk.admin.answer_openai(exchange, path.removeprefix(_ORGANIZATION))
            return
        self._check_key(exchange)
        route = _POSTS.get(path)
        if route is not None and exchange.request.method == "POST":
            await route(self.desk, exchange)
        elif path == "/models" or path.startswith("/models/"):
            await self._models(exchange, path.removeprefix("/models").removeprefix("/"))
        else:
            raise Refusal(404, f"Invalid URL ({exchange.request.method} {exchange.request.path})")

    def write_refusal(self, refusal: Refusal, index: int, /) -> tuple[Sequence[tuple[str, str]], bytes]:
        flavour = self.desk.provider.flavour
        headers = [JSON_TYPE, ("x-request-id", f"req_sim{index:08d}"), *self.desk.window.openai_headers()]
        return headers, openai_error(refusal, flavour.errors)

    def meter_json(self) -> Json:
        return self.desk.meter.to_json()

    def state_json(self) -> Json:
        return {"provider": self.desk.provider.name, "models": [model.name for model in self.desk.provider.models]}

    def reset(self) -> None:
        self.desk.reset()

    def restart(self, again: Mapping[str, Json]) -> None:
        """A provider forgets nothing."""

    def _check_key(self, exchange: Exchange) -> None:
        if self.desk.key_is_good(exchange):
            return
        carried = exchange.request.header("authorization") or exchange.request.header("api-key")
        status = self.desk.provider.flavour.bad_key_status
        raise Refusal(status, _BAD_KEY if carried else _NO_KEY, code="invalid_api_key" if status == 401 else None)

    def _local_path(self, path: str) -> str:
        """The path below the provider's base; ``/v1`` works for all of them."""
        for prefix in (self.desk.provider.flavour.prefix, "/v1"):
            if path.startswith(prefix + "/"):
                return path.removeprefix(prefix)
        return path

    async def _models(self, exchange: Exchange, name: str) -> None:
        if not name:
            listed = [self._model_json(model) for model in self.desk.provider.models]
            await exchange.json(200, {"object": "list", "data": listed})
            return
        model = self.desk.model(name)
        if model is None:
            raise Refusal(404, f"The model '{name}' does not exist", code="model_not_found", param="model")
        await exchange.json(200, self._model_json(model))

    def _model_json(self, model: PaidModel) -> dict[str, Json]:
        provider = self.desk.provider.name
        name = f"models/{model.name}" if provider == "gemini" else model.name
        return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": provider}
