"""Measures `gsn score` on a folder of many image sizes: time, compilations, memory.

    python benchmarks/many_sizes.py --metrics ssim,vif --pairs 200 --sizes 100
    python benchmarks/many_sizes.py --peers ~/peers/venv/bin/python   # piq and pyiqa beside it

Each metric scores the folder with an empty compilation cache and again with a full one, in separate
processes. The peers read the same files with Pillow. Times are those of whole processes, imports
included, and medians of --repeats runs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

METRICS = (
    "psnr,ssim,ms_ssim,gmsd,vif,vifp,fsim,iw_ssim,vsi,haarpsi,mdsi,nlpd,mad,lpips_alex,lpips_vgg,"
    "dists,gsn,gsn-b"
)
SIDES = 300, 700  # the smallest and the largest height and width
# The names of our metrics in the peers.
PIQ = {
    "psnr": "psnr",
    "ssim": "ssim",
    "ms_ssim": "multi_scale_ssim",
    "gmsd": "gmsd",
    "vifp": "vif_p",
    "iw_ssim": "information_weighted_ssim",
    "fsim": "fsim",
    "vsi": "vsi",
    "haarpsi": "haarpsi",
    "mdsi": "mdsi",
}
PYIQA = {
    **{name: name for name in ("psnr", "ssim", "ms_ssim", "gmsd", "vif", "fsim", "vsi", "nlpd")},
    "mad": "mad",
    "lpips_alex": "lpips",
    "lpips_vgg": "lpips-vgg",
    "dists": "dists",
}


def main() -> None:
    """Prints a table row per metric."""
    options = _options()
    from image_pairs import Recipe, make_pairs

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_pairs(
            Recipe(folder, f"{index:04}", size, index)
            for index, size in enumerate(_sizes(options.pairs, options.sizes))
        )
        print("metric, cold s, compilations, warm s, compilations, peak MiB, peers s")
        for name in options.metrics.split(","):
            runs = [_run_both(name, folder) for _ in range(options.repeats)]
            cold, again = (statistics.median(run[i] for run in runs) for i in (0, 2))
            peers = {peer: _run_peer(options, peer, name, folder) for peer in ("piq", "pyiqa")}
            others = " ".join(f"{peer} {s:.1f}" for peer, s in peers.items() if s is not None)
            _, first, _, second, peak = runs[0]
            print(
                f"{name}, {cold:.1f}, {first}, {again:.1f}, {second}, {peak / 2**20:.0f}, {others}",
                flush=True,
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--metrics", default=METRICS)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--sizes", type=int, default=20, help="number of different sizes")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter with piq and pyiqa")
    return parser.parse_args()


def _sizes(pairs: int, sizes: int) -> list[tuple[int, int]]:
    import numpy as np

    low, high = SIDES
    drawn = np.random.default_rng(0).integers(low, high + 1, (sizes, 2)).tolist()
    return [tuple(drawn[index % sizes]) for index in range(pairs)]


def _run_both(name: str, folder: Path) -> tuple[float, int, float, int, int]:
    """Seconds and compilations with an empty and a full cache, and the larger peak in bytes."""
    from commands import run, score_folders

    with tempfile.TemporaryDirectory() as cache:
        settings = {
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        measured: list[float] = []
        peaks = []
        for turn in "ab":
            command = score_folders(folder, Path(cache) / f"{turn}.csv")[3:]
            counting = [sys.executable, __file__, "as-gsn", *command, "--metric", name]
            ended = run(counting, **settings)
            measured += [ended.seconds, int(ended.output.splitlines()[-1])]
            peaks.append(ended.peak)
        return (*measured, max(peaks))


def _run_peer(options: argparse.Namespace, peer: str, name: str, folder: Path) -> float | None:
    """The median seconds of a peer's process; None where it lacks the metric."""
    from commands import run

    if options.peers is None or name not in {"piq": PIQ, "pyiqa": PYIQA}[peer]:
        return None
    command = [options.peers, __file__, "as-peer", peer, name, str(folder)]
    return statistics.median(run(command).seconds for _ in range(options.repeats))


def run_gsn(arguments: list[str]) -> None:
    """Runs the command `gsn`, then prints how many programs were compiled."""
    import jax.monitoring

    from gsn_jax.cli import cli

    missed = []
    jax.monitoring.register_event_listener(
        lambda event, **_: missed.append(event) if event.endswith("cache_misses") else None
    )
    try:
        cli(arguments, prog_name="gsn", standalone_mode=False)
    finally:
        print(len(missed))


def run_peer(peer: str, name: str, folder: Path) -> None:
    """Scores the pairs of a folder one by one with a peer."""
    import numpy as np
    import torch
    from PIL import Image

    function = peer_function(peer, name)
    start = time.perf_counter()
    with torch.inference_mode():
        for file in sorted((folder / "distorted").iterdir()):
            pair = [
                torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy())
                .permute(2, 0, 1)[None]
                .float()
                / 255
                for path in (file, folder / "reference" / file.name)
            ]
            print(file.name, float(function(*pair)))
    print(f"{time.perf_counter() - start:.2f} s without imports", file=sys.stderr)


def peer_function(peer: str, name: str) -> Callable[[Any, Any], Any]:
    """The peer's function of two tensors, the distorted image first."""
    if peer == "piq":
        import piq

        return getattr(piq, PIQ[name])
    import pyiqa

    return pyiqa.create_metric(PYIQA[name], device="cpu")


if __name__ == "__main__":
    if sys.argv[1:2] == ["as-gsn"]:
        run_gsn(sys.argv[2:])
    elif sys.argv[1:2] == ["as-peer"]:
        run_peer(*sys.argv[2:4], Path(sys.argv[4]))
    else:
        main()
