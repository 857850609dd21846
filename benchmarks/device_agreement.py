"""Compares scores and gradients on the default device with those on a CPU.

    python benchmarks/device_agreement.py [--metrics psnr,ssim]

Computes scores of every metric and model whose weights are installed, and the gradient of a
training step's loss. Prints a Markdown table of the largest differences; the exit code is 1 if one
exceeds --tolerance (relative for values above 1). Without an accelerator, both devices are the CPU.
"""

from __future__ import annotations

import argparse
import copy
import sys

import jax
import numpy as np
from image_pairs import noisy, photograph

from gsn_jax.errors import InputError
from gsn_jax.images import as_float
from gsn_jax.metric import Metric
from gsn_jax.models import registry
from gsn_jax.scoring import by_name
from gsn_jax.training.config import base_config
from gsn_jax.training.gradients import whole
from gsn_jax.training.step import make_loss

Pairs = list[tuple[np.ndarray, np.ndarray]]


def make_pairs(size: tuple[int, int], levels: list[int]) -> Pairs:
    """A pair per noise amplitude: a photograph and a noisy version of it, uint8."""
    generator = np.random.default_rng(0)
    reference = photograph(size, generator)
    return [(reference, noisy(reference, level, generator)) for level in levels]


def scores(metric: Metric, pairs: Pairs, device: jax.Device) -> np.ndarray:
    """Scores of the pairs on a device."""
    with jax.default_device(device), jax.default_matmul_precision("highest"):
        mine = copy.deepcopy(metric)  # a copy has no programs compiled for another device
        return np.array([float(mine(*pair)) for pair in pairs])


def gradients(pairs: Pairs, crop: int, device: jax.Device) -> np.ndarray:
    """The default model's loss, followed by its gradient scaled to a largest magnitude of 1."""
    config = base_config()
    model, loss = registry.build(config.model), make_loss(config.loss)
    corners = [[image[:crop, :crop] for image in pair] for pair in pairs]
    batch = {
        "reference": as_float(np.stack([first for first, _ in corners])),
        "distorted": as_float(np.stack([second for _, second in corners])),
        "quality": np.linspace(1, 0, len(pairs), dtype=np.float32),
    }
    with jax.default_device(device), jax.default_matmul_precision("highest"):
        start = jax.jit(model.init)
        params = start(jax.random.key(0), batch["reference"], batch["distorted"])["params"]
        value, slopes = jax.jit(whole(model, loss))(params, batch, jax.random.key(1))
        flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(slopes)])
    return np.append(float(value), flat / np.abs(flat).max())


def difference(found: np.ndarray, want: np.ndarray) -> float:
    """The largest difference, relative for values above 1; infinite if only one is finite."""
    if not np.array_equal(np.isfinite(found), np.isfinite(want)):
        return np.inf
    finite = np.isfinite(want)
    apart = np.abs(found[finite] - want[finite]) / np.maximum(1, np.abs(want[finite]))
    return float(apart.max(initial=0.0))


def main() -> None:
    """Compares and prints one row at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metrics", help="comma-separated (default: all with installed weights)")
    parser.add_argument("--size", type=int, nargs=2, default=[384, 512], metavar=("H", "W"))
    parser.add_argument("--levels", type=int, nargs="+", default=[2, 8, 30, 90])
    parser.add_argument("--crop-size", type=int, default=192)
    parser.add_argument("--tolerance", type=float, default=1e-3)
    options = parser.parse_args()
    device, cpu = jax.devices()[0], jax.devices("cpu")[0]
    pairs = make_pairs(tuple(options.size), options.levels)
    print(f"{device.device_kind} against {cpu.device_kind}, JAX {jax.__version__}\n")
    print("| what | largest difference | |")
    print("|---|---|---|")
    bad = 0

    def row(name: str, apart: float) -> None:
        nonlocal bad
        beyond = not apart <= options.tolerance
        bad += beyond
        print(f"| {name} | {apart:.1e} | {'TOO LARGE' if beyond else ''} |", flush=True)

    names = options.metrics.split(",") if options.metrics else by_name.every_name()
    for name in names:
        try:
            metric = by_name.resolve(name)
        except InputError as error:  # its weights are not installed
            print(f"| {name} | - | {error} |", flush=True)
            continue
        row(name, difference(scores(metric, pairs, device), scores(metric, pairs, cpu)))
    found, want = (gradients(pairs, options.crop_size, where) for where in (device, cpu))
    row("gradient of a training step, scaled to a maximum of 1", difference(found, want))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
