"""The commands about what is on the cards: their part of the table."""

from lodestarctl.command import Command, Option

MODEL = Option(("model",), "an alias, a model's own name, or host/model", "model")
HOST = Option(("host",), "which host; needed where there are more", "host", optional=True)
ONLY_HOST = Option(("host",), "only this host", "host", optional=True)

GPU_COMMANDS = (
    Command("models pull", "download a model to its host; says how far it is", "models_pull", (MODEL,)),
    Command("gpu", "what is on each card and why, and how fast its models are", "gpu", (ONLY_HOST,)),
    Command("gpu queue", "who is on the card and who waits, in the order expected", "gpu_queue", (ONLY_HOST,)),
    Command(
        "gpu pin",
        "keep a model on its card, over restarts too",
        "gpu_pin",
        (MODEL, Option(("--exclusive",), "nothing displaces it, whoever waits", "flag")),
    ),
    Command("gpu unpin", "take a pin back", "gpu_pin", (MODEL,)),
    Command(
        "gpu pause",
        "lend a card to something else: its models leave it",
        "gpu_pause",
        (HOST, Option(("--for",), "for how long: 2h, 30m, 1d (default: until resume)", metavar="AGE", dest="time")),
    ),
    Command("gpu resume", "take a card back", "gpu_pause", (HOST,)),
    Command("warm", "load a model and wait until it is ready", "warm", (MODEL,)),
    Command("unload", "take a model off its card once its requests are answered", "unload", (MODEL,)),
)
