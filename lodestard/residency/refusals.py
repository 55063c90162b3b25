"""The faults that a card's owner raises: why a request does not get its place, or loses it. Pure.

Law: nothing was sent for a request that waits, so nothing can have been billed; all but a superseded one may be done
by the next candidate.
"""

from lodestard.domain.errors import CallerFault, Code, UpstreamFault


def paused(host: str) -> UpstreamFault:
    return _busy(host, f"The card of {host} is lent to something else: lodestarctl gpu resume {host} takes it back.")


def pinned_out(host: str, model: str, pinned: str) -> UpstreamFault:
    return _busy(host, f"{model} can't be loaded on {host}: the card is pinned to {pinned} (lodestarctl gpu unpin).")


def queue_full(host: str, waiting: int) -> UpstreamFault:
    return _busy(host, f"{waiting} requests wait for {host} already, as many as residency.max_waiting allows.")


def waited_too_long(host: str, model: str, waited_s: float) -> UpstreamFault:
    return _busy(host, f"It waited {waited_s:.0f} s for {model} on {host}, as long as residency.max_wait_s allows.")


def preempted(host: str) -> UpstreamFault:
    """It ran only while there was nothing else to do."""
    return _busy(host, f"It was stopped on {host}: somebody waits for the card. Ask again later.")


def closing(host: str) -> UpstreamFault:
    return _busy(host, f"{host} is no longer in the configuration, or the daemon stops.")


def broken(host: str) -> UpstreamFault:
    return _busy(host, f"What keeps the card of {host} has failed and starts again; the log says why.")


def still_there(host: str, model: str, seconds: float) -> UpstreamFault:
    text = f"{host} still has {model} in memory, {seconds:.0f} s after it was told to unload it."
    return UpstreamFault(Code.UPSTREAM_TIMEOUT, text, upstream=host, billed=False)


def superseded() -> CallerFault:
    return CallerFault(Code.SUPERSEDED, "A newer completion request of the same editor has taken its place.")


def restated(fault: UpstreamFault, host: str) -> UpstreamFault:
    """Why a load or an unload failed, for one of those who waited for it: nothing of theirs was sent."""
    told = UpstreamFault(
        fault.code,
        fault.message,
        upstream=host,
        status=fault.status,
        sent=False,
        billed=False,
        retry_after_s=fault.retry_after_s,
    )
    told.said = fault.said
    return told


def _busy(host: str, text: str) -> UpstreamFault:
    return UpstreamFault(Code.UPSTREAM_BUSY, text, upstream=host, sent=False, billed=False)
