"""Times our functions and the peers in turns, so that a drift of speed cancels in the ratios."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
from peer_process import Peers


def take_turns(
    ours: Mapping[str, Callable[[], jax.Array]],
    peers: Peers,
    repeats: int,
    rounds: int,
    **request: Any,
) -> dict[str, list[float]]:
    """Seconds of every call, by implementation; `request` is what the peers time."""
    seconds: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, call in ours.items():
            seconds.setdefault(name, []).extend(_times(call, repeats))
        for name, times in peers.ask(repeats=repeats, **request).items():
            seconds.setdefault(name, []).extend(times)
    return seconds


def _times(call: Callable[[], jax.Array], repeats: int) -> list[float]:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call().block_until_ready()
        seconds.append(time.perf_counter() - start)
    return seconds
