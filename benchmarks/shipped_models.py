"""Times the shipped models beside the metrics that they replace.

    python benchmarks/shipped_models.py --peers "COMMAND THAT RUNS PYTHON IN THE PEERS' ENVIRONMENT"

`gsn` is compared with LPIPS (AlexNet), `gsn-b` with DISTS, both in the peers' implementations and
in ours. Calls with one pair of 512 x 384 pixels take turns, and medians are printed as a Markdown
table. Images in memory are uint8 arrays for us, and float tensors for the peers, which therefore
skip the conversion.
"""

from __future__ import annotations

import argparse
import functools
import statistics

import numpy as np
from peer_process import Peers
from turns import take_turns

import gsn_jax
from gsn_jax import metrics
from gsn_jax.models import shipped

HEIGHT, WIDTH = 384, 512
BESIDE = {"gsn": "lpips_alex", "gsn-b": "dists"}


def compare(
    model: str, other: str, repeats: int, rounds: int, peers: Peers
) -> dict[str, list[float]]:
    """Seconds of every call, by implementation."""
    generator = np.random.default_rng(0)
    reference = generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    noise = generator.normal(scale=25, size=reference.shape)
    pair = reference, np.clip(reference + noise, 0, 255).astype(np.uint8)
    ours = {
        name: functools.partial(metric, *pair)
        for name, metric in ((model, gsn_jax.load(model)), (other, metrics.get(other)))
    }
    for call in ours.values():
        call()  # compiles
    return take_turns(ours, peers, repeats, rounds, time=other, shape=[1, HEIGHT, WIDTH])


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", required=True)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("| what | ms per pair | time relative to the model |")
    print("|---|---|---|")
    with Peers(options.peers) as peers:
        for model, other in BESIDE.items():
            if model not in shipped.names():
                continue
            seconds = compare(model, other, options.repeats, options.rounds, peers)
            medians = {name: statistics.median(times) for name, times in seconds.items()}
            for name, median in medians.items():
                ratio = "" if name == model else f"{median / medians[model]:.2f}x"
                whose = name if name in (model, other) else f"{other} by {name}"
                print(f"| {whose} | {1e3 * median:.1f} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
