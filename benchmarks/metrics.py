"""Times our metrics against other implementations, in one run on the same cores.

    python benchmarks/metrics.py --peers "COMMAND THAT RUNS PYTHON IN THE PEERS' ENVIRONMENT"

For each metric, our function and those of the peers take turns; medians are compared. Inputs are
float32 arrays in memory, batches of 1 and 8 pairs of 512 x 384 pixels. The compile time is listed
separately. Every row compares implementations of the same definition (see docs/metrics.md).
"""

from __future__ import annotations

import argparse
import statistics
import time

import jax
import numpy as np
from peer_process import Peers
from turns import take_turns

from gsn_jax import metrics
from gsn_jax.errors import InputError

HEIGHT, WIDTH = 384, 512


def compare(name: str, batch: int, repeats: int, rounds: int, peers: Peers) -> dict:
    """Median milliseconds by implementation, and under "compile" our compile time in seconds."""
    shape = (batch, HEIGHT, WIDTH, 3)
    random = np.random.default_rng(0)
    x = random.uniform(size=shape).astype(np.float32)
    y = np.clip(x + 0.1 * random.normal(size=shape), 0, 1).astype(np.float32)
    pair = (jax.device_put(x), jax.device_put(y))
    start = time.perf_counter()
    function = jax.jit(getattr(metrics, name)).lower(*pair).compile()
    result = {"compile": time.perf_counter() - start}
    function(*pair).block_until_ready()
    seconds = take_turns(
        {"ours": lambda: function(*pair)},
        peers,
        repeats,
        rounds,
        time=name,
        shape=[batch, HEIGHT, WIDTH],
    )
    return result | {who: 1e3 * statistics.median(times) for who, times in seconds.items()}


def row(name: str, batch: int, times: dict) -> str:
    """One line of the Markdown table."""
    compile_time, ours = times.pop("compile"), times.pop("ours")
    others = ", ".join(f"{peer} {value:.1f}" for peer, value in sorted(times.items()))
    fastest = min(times, key=times.get) if times else None
    ratio = f"{times[fastest] / ours:.1f}x {fastest}" if fastest else "-"
    return f"| {name} | {batch} | {ours:.1f} | {others or '-'} | {ratio} | {compile_time:.1f} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", required=True)
    parser.add_argument("--metrics", nargs="*", default=metrics.names())
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 8])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print("| metric | pairs | ours (ms) | others (ms) | speed relative to fastest | compile (s) |")
    print("|---|---|---|---|---|---|")
    with Peers(arguments.peers) as peers:
        for name in arguments.metrics:
            for batch in arguments.batches:
                try:
                    times = compare(name, batch, arguments.repeats, arguments.rounds, peers)
                except InputError as error:  # its weights are not installed
                    print(f"| {name} | - | - | - | {error} | - |")
                    break
                print(row(name, batch, times), flush=True)


if __name__ == "__main__":
    main()
