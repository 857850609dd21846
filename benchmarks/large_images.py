"""Measures the time and memory of metrics on a pair of large images, against piq and pyiqa.

    python benchmarks/large_images.py --size 3840x2160 --metrics ssim,gsn
    python benchmarks/large_images.py --peers ~/peers/venv/bin/python

Each metric runs in its own process, which scores a pair of `uint8` arrays: a photograph and a noisy
version of it. The first call compiles; later calls repeat it. Memory is the peak of the process,
images and libraries included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from many_sizes import METRICS, PIQ, PYIQA


def main() -> None:
    """Prints a table row per metric and implementation."""
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(*sys.argv[2:5], int(sys.argv[5]))))
        return
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--metrics", default=METRICS)
    parser.add_argument("--size", default="1920x1080", help="WIDTHxHEIGHT")
    parser.add_argument("--calls", type=int, default=3, help="number of calls after the first")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter with piq and pyiqa")
    options = parser.parse_args()
    print("metric, library, first call s, later call s, peak MiB")
    with tempfile.TemporaryDirectory() as temporary:
        file = _pair(Path(temporary), options.size)
        for name in options.metrics.split(","):
            pythons = {"gsn_jax": sys.executable}
            if options.peers:
                known = {"piq": PIQ, "pyiqa": PYIQA}
                pythons |= {peer: options.peers for peer in known if name in known[peer]}
            for by, python in pythons.items():
                print(_row(python, by, name, file, options.calls), flush=True)


def _row(python: str, by: str, name: str, file: Path, calls: int) -> str:
    from commands import run

    with tempfile.TemporaryDirectory() as cache:
        command = [python, __file__, "measure", by, name, str(file), str(calls)]
        try:
            ended = run(command, JAX_COMPILATION_CACHE_DIR=cache)
        except RuntimeError as error:
            return f"{name}, {by}, failed: {str(error).strip().splitlines()[-1][:80]}"
    first, *others = json.loads(ended.output.splitlines()[-1])
    later = f"{statistics.median(others):.2f}" if others else "-"
    return f"{name}, {by}, {first:.1f}, {later}, {ended.peak / 2**20:.0f}"


def _pair(folder: Path, size: str) -> Path:
    """Writes both images as one NumPy file and returns its path."""
    import numpy as np
    from image_pairs import noisy, photograph

    width, height = map(int, size.split("x"))
    generator = np.random.default_rng(0)
    tile = photograph((min(height, 1024), min(width, 1024)), generator)
    repeats = (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1)
    image = np.tile(tile, repeats)[:height, :width]
    bands = [noisy(image[row : row + 512], 20, generator) for row in range(0, height, 512)]
    file = folder / "pair.npy"
    np.save(file, np.stack([image, np.concatenate(bands)]))
    return file


def measure(by: str, name: str, file: str, calls: int) -> list[float]:
    """Seconds of the first call and of `calls` later ones."""
    import numpy as np

    score = _gsn(name) if by == "gsn_jax" else _peer(by, name)
    pair = np.load(file)
    seconds = []
    for _ in range(calls + 1):
        start = time.perf_counter()
        float(score(*pair))
        seconds.append(time.perf_counter() - start)
    return seconds


def _gsn(name: str) -> Callable[[Any, Any], Any]:
    from gsn_jax.scoring.by_name import resolve_all

    return resolve_all([name])[0]


def _peer(by: str, name: str) -> Callable[[Any, Any], Any]:
    import torch
    from many_sizes import peer_function

    function = peer_function(by, name)

    def score(*images: Any) -> float:
        pair = [torch.from_numpy(i).permute(2, 0, 1)[None].float() / 255 for i in images]
        with torch.inference_mode():
            return float(function(pair[1], pair[0]))

    return score


if __name__ == "__main__":
    main()
