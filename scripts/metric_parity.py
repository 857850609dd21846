"""Compares our metrics with official values and other implementations, as Markdown tables.

    python scripts/metric_parity.py --official OFFICIAL.csv --images DIR --pairs TABLE.csv \
        --peers ". PEERS/env && python"

`docs/metrics.md` has the largest differences of these tables.

--official has the columns Method, I03.bmp, ...; --images is a folder with ref_dir/ and dist_dir/,
which hold these files. --pairs has the columns reference, distorted (paths relative to the table).
--peers is a shell command that runs Python where pyiqa, piq, torchmetrics, scikit-image and lpips
are installed.
"""

from __future__ import annotations

import argparse
import csv
import functools
import pathlib
import sys

import jax
import numpy as np
from PIL import Image

from gsn_jax import metrics
from gsn_jax.errors import InputError

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "benchmarks"))
from peer_process import Peers

# Row of the official table -> our function, its options, and a note on the official value.
OFFICIAL = {
    "psnr": ("psnr", {}, ""),
    "ssim": ("ssim", {}, ""),
    "ms_ssim": ("ms_ssim", {"pooling": "sum"}, 'pooled with `pooling="sum"`, as these values are'),
    "vif": ("vif", {}, "the official value .017 has only 3 decimals"),
    "fsim": ("fsimc", {}, "FSIMc"),
    "gmsd": ("gmsd", {}, ""),
    "nlpd": ("nlpd", {}, ""),
    "vsi": (
        "vsi",
        {},
        "these values match saliency at full resolution (to 1.4e-3 with a D65 white point); we "
        "follow the authors' `VSI.m` (256 x 256, D50), as piq and pyiqa do",
    ),
    "mad": ("mad", {}, ""),
    "lpips": ("lpips_alex", {}, ""),
    "dists": ("dists", {}, ""),
    "cw_ssim": ("cw_ssim", {}, ""),
}
# Why we differ from a peer by more than 1e-4.
REASONS = {
    ("psnr", "piq"): "adds 1e-8 to the mean squared error",
    ("psnr", "pyiqa"): "adds 1e-8 to the mean squared error",
    ("psnr_y", "pyiqa"): "studio luma weights .299 .587 .114, not rounded, 1e-8 added",
    ("ssim", "pyiqa"): "clips negative contrast terms per pixel; luma .299 .587 .114",
    ("ssim", "scikit-image"): "includes mirrored borders outside the valid window",
    ("ssim", "torchmetrics"): "includes mirrored borders outside the valid window",
    ("ms_ssim", "pyiqa"): "clips negative contrast terms per pixel",
    ("ms_ssim", "piq"): "zero padding when halving odd sizes",
    ("vif", "pyiqa"): "the peer is further from the official value (I19: 2.4e-3, ours 6e-5)",
    ("vifp", "piq"): "luma not rounded to 8 bits",
    ("iw_ssim", "piq"): "luma not rounded to 8 bits",
    ("gmsd", "piq"): "luma not rounded to 8 bits, biased deviation",
    ("gmsd", "pyiqa"): "luma weights .299 .587 .114",
    ("haarpsi", "piq"): "I and Q weights with a fourth digit",
    ("nlpd", "pyiqa"): "lacks one neighbour of the first band (weight .0072); luma not rounded",
    ("vmaf", "libvmaf integer"): "integer features",
    ("vmaf_neg", "libvmaf integer"): "integer features",
    ("vsi", "piq"): "decimates one pixel further up and left; resizes without antialiasing",
    ("vsi", "pyiqa"): "decimates one pixel further up and left; resizes without antialiasing",
    ("ssimulacra2", "ssimulacra2"): "another blur, mirrored borders, no last scale of small images",
    ("cw_ssim", "pyiqa"): "nearly flat images, for which pyiqa gives 7",
    ("sr_sim", "piq"): "nearly flat images, whose saliency is rounding error",
    ("dss", "piq"): "piq in float32; in float64 it agrees to 4e-7",
    ("ssimulacra2", "libjxl"): "recursive blur in float32",
}


@functools.cache
def _compiled(name: str, options: tuple) -> jax.stages.Wrapped:
    return jax.jit(functools.partial(getattr(metrics, name), **dict(options)))


def our_values(name: str, options: dict, pairs: list[tuple[str, str]]) -> np.ndarray:
    """Scores of the pairs of files."""
    function = _compiled(name, tuple(options.items()))
    # Read with Pillow, as the worker of the peers does.
    images = ([np.asarray(Image.open(path).convert("RGB")) for path in pair] for pair in pairs)
    return np.array([_score(function, *(i.astype(np.float32) / 255 for i in p)) for p in images])


def _score(function: jax.stages.Wrapped, reference: np.ndarray, distorted: np.ndarray) -> float:
    """The score, or NaN if the images are too small."""
    try:
        return float(function(reference, distorted))
    except InputError:
        return float("nan")


def available(name: str) -> str:
    """The reason why the metric cannot be computed, or ""."""
    if name not in metrics.names():
        return "not in the registry"
    try:
        probe = np.full((256, 256, 3), 0.5, np.float32)
        metrics.get(name)(probe, probe)  # weights are read at the first call
    except InputError as error:
        return str(error)
    return ""


def official_table(path: str, images: pathlib.Path, peers: Peers | None, chosen: set) -> None:
    """Prints our values and relative differences for the official pairs."""
    with open(path, newline="") as file:
        rows = {row.pop("Method"): row for row in csv.DictReader(file)}
    files = list(next(iter(rows.values())))
    pairs = [(str(images / "ref_dir" / f), str(images / "dist_dir" / f)) for f in files]
    print(
        "| official row | ours | " + " | ".join(files) + " | largest relative difference |", end=""
    )
    print(" nearest peer | note |\n" + "|---" * (len(files) + 5) + "|")
    for row, (name, options, note) in OFFICIAL.items():
        if name not in chosen:
            continue
        reason = available(name)
        if reason:
            print(
                f"| {row} | {name} | " + " | ".join("-" for _ in files) + f" | - | - | {reason} |"
            )
            continue
        expected = np.array([float(rows[row][file]) for file in files])
        values = our_values(name, options, pairs)
        others = peers.ask(values=pairs, metrics=[name]).get(name, {}) if peers else {}
        gaps = {peer: _gap(np.array(v, float), expected) for peer, v in others.items()}
        best = min(gaps, key=gaps.get) if gaps else None
        cells = " | ".join(
            f"{value:.6g} ({e:.6g})" for value, e in zip(values, expected, strict=True)
        )
        peer = f"{gaps[best]:.1e} {best}" if best else "-"
        print(f"| {row} | {name} | {cells} | {_gap(values, expected):.1e} | {peer} | {note} |")


def _gap(values: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(np.abs(values - expected) / np.maximum(np.abs(expected), 1e-12)))


def peer_table(table: pathlib.Path, limit: int, peers: Peers, chosen: set) -> None:
    """Prints the largest difference, and the largest and the median relative to the score."""
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    rows = rows[:: max(1, len(rows) // limit)][:limit]
    folder = table.parent
    pairs = [(str(folder / r["reference"]), str(folder / r["distorted"])) for r in rows]
    print(
        "| metric | peer | pairs | largest difference | largest relative difference | median "
        "| reason |\n|---|---|---|---|---|---|---|"
    )
    for name in metrics.names():
        if name not in chosen:
            continue
        reason = available(name)
        if reason:
            print(f"| {name} | - | - | - | - | - | {reason} |")
            continue
        values = our_values(name, {}, pairs)
        for peer, theirs in peers.ask(values=pairs, metrics=[name]).get(name, {}).items():
            expected = np.array([np.nan if v is None else v for v in theirs], float)
            usable = np.isfinite(expected) & np.isfinite(values)
            if not usable.any():
                print(f"| {name} | {peer} | 0 | - | - | - | the peer fails on these images |")
                continue
            errors = np.abs(values - expected)[usable]
            gaps = errors / np.maximum(np.abs(expected[usable]), 1e-12)
            why = REASONS.get((name, peer), "") if gaps.max() > 1e-4 else ""
            print(
                f"| {name} | {peer} | {usable.sum()} | {errors.max():.1e} | {gaps.max():.1e} "
                f"| {np.median(gaps):.1e} | {why} |",
                flush=True,
            )


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--official")
    parser.add_argument("--images", type=pathlib.Path)
    parser.add_argument("--pairs", type=pathlib.Path)
    parser.add_argument("--limit", type=int, default=12, help="number of pairs of --pairs to use")
    parser.add_argument("--metrics", nargs="*", default=metrics.names(), help="metrics to compare")
    parser.add_argument("--peers", required=True)
    arguments = parser.parse_args()
    chosen = set(arguments.metrics)
    with Peers(arguments.peers) as peers:
        if arguments.official:
            print("## Official values\n\nOurs (official):\n")
            official_table(arguments.official, arguments.images, peers, chosen)
        if arguments.pairs:
            print("\n## Other implementations, on further pairs\n")
            peer_table(arguments.pairs, arguments.limit, peers, chosen)


if __name__ == "__main__":
    main()
