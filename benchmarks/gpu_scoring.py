"""Times scoring by batch size on the default device, against pyiqa's LPIPS and DISTS.

    python benchmarks/gpu_scoring.py [--peers "COMMAND THAT RUNS PYTHON IN PYIQA'S ENVIRONMENT"]

Times run from decoded 8-bit images in memory to scores on the host, copies included. float32 and
bfloat16 are the precision of matrix products; for pyiqa, they mean float32 without TF32, and
autocast. Prints a Markdown table of medians; meant for one device.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from typing import Any

import jax
import numpy as np
from image_pairs import noisy, photograph
from peer_process import Peers

from gsn_jax.devices import batches
from gsn_jax.devices.batches import PairBatch
from gsn_jax.errors import InputError
from gsn_jax.metric import Batching
from gsn_jax.scoring import by_name

PRECISIONS = {"float32": "highest", "bfloat16": "bfloat16"}


def measure(metric: Any, pairs: list, repeats: int) -> list[float]:
    """Seconds of each repeat, after a first one that compiles."""
    if not isinstance(metric, Batching):
        raise SystemExit(f"{metric.name}: is not scored in batches; leave it out of --metrics")
    kind = metric.batch_class(pairs[0][0].shape[:2])
    if kind is None:
        raise SystemExit(
            f"{metric.name}: scores images of this size one by one; give a smaller --size"
        )
    per_device = -(-len(pairs) // batches.mesh().size)
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        jax.device_get(metric.score_batch(PairBatch(kind, pairs, per_device)))
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def main() -> None:
    """Measures and prints a Markdown table one row at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metrics", default="lpips_vgg,dists,gsn,gsn-b,ssim")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--size", type=int, nargs=2, default=[384, 512], metavar=("H", "W"))
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--peers")
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    reference = photograph(tuple(options.size), generator)
    device = jax.devices()[0]
    height, width = options.size
    print(f"{device.device_kind}, JAX {jax.__version__}, {width} x {height}\n")
    print("| metric | precision | batch | pairs/s | pyiqa, pairs/s |")
    print("|---|---|---|---|---|")
    with contextlib.ExitStack() as stack:
        peers = None
        if options.peers:
            peers = stack.enter_context(Peers(options.peers, worker="gpu_peers.py"))
        for name in options.metrics.split(","):
            try:
                metric = by_name.resolve(name)
            except InputError as error:  # its weights are not installed
                print(f"| {name} | {error} | | | |", flush=True)
                continue
            for precision, products in PRECISIONS.items():
                for size in options.batch_sizes:
                    pairs = [(reference, noisy(reference, 20, generator)) for _ in range(size)]
                    with jax.default_matmul_precision(products):
                        ours = size / statistics.median(measure(metric, pairs, options.repeats))
                    times = peers and peers.ask(
                        metric=name,
                        device="cpu" if device.platform == "cpu" else "cuda",
                        precision=precision,
                        shape=[size, height, width],
                        repeats=options.repeats,
                    ).get("seconds")
                    theirs = f"{size / statistics.median(times):.1f}" if times else "-"
                    print(f"| {name} | {precision} | {size} | {ours:.1f} | {theirs} |", flush=True)


if __name__ == "__main__":
    main()
