"""Speed of GSN: one training step in three forms of its convolutions, and scoring one pair.

    python benchmarks/gsn_speed.py

Prints a Markdown table of medians. The forms take turns within one run, so that their ratios hold
even where the machine's speed drifts:

- plain: theta = 0, every convolution an ordinary one;
- cdc, one convolution: what `CDConv` computes;
- cdc, two convolutions: the definition, computed as it is written.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator

import jax
import numpy as np

from gsn_jax import layers
from gsn_jax.models import registry
from gsn_jax.scoring.model_metric import ModelMetric
from gsn_jax.training.config import base_config
from gsn_jax.training.meshes import make_mesh
from gsn_jax.training.optimizers import make_optimizer
from gsn_jax.training.state import create_state
from gsn_jax.training.step import make_loss, make_train_step


@contextlib.contextmanager
def two_convolutions() -> Iterator[None]:
    """While it is entered, a traced `CDConv` computes the two terms of its definition."""
    fold, convolve = layers.central_difference_kernel, layers.convolve
    pending: list[tuple[jax.Array, float]] = []

    def remember(kernel: jax.Array, theta: float) -> jax.Array:
        pending.append((kernel, theta))
        return kernel

    def compute(x: jax.Array, kernel: jax.Array, strides=(1, 1), groups: int = 1) -> jax.Array:
        y = convolve(x, kernel, strides, groups)
        if pending and pending[-1][1]:
            _, theta = pending.pop()
            y -= theta * convolve(x, kernel.sum(axis=(0, 1), keepdims=True), strides, groups)
        return y

    layers.central_difference_kernel, layers.convolve = remember, compute
    try:
        yield
    finally:
        layers.central_difference_kernel, layers.convolve = fold, convolve


def training_step(theta: float, batch: dict[str, jax.Array], two_terms: bool) -> Callable[[], None]:
    """A compiled training step that advances its own state."""
    config = base_config()
    config.model.theta = theta
    model = registry.build(config.model)
    optimizer, _ = make_optimizer(config.optimizer, 1000)
    size = batch["reference"].shape[1]
    state = create_state(model, optimizer, jax.random.key(0), crop_size=size, ema=True)
    step = make_train_step(
        model, optimizer, make_loss(config.loss), make_mesh(), ema_decay=config.optimizer.ema
    )
    with two_convolutions() if two_terms else contextlib.nullcontext():
        compiled = step.lower(state, batch).compile()
    holder = [state]

    def run() -> None:
        holder[0], metrics = compiled(holder[0], batch)
        jax.block_until_ready((holder[0], metrics))

    return run


def scoring(height: int, width: int) -> Callable[[], None]:
    """Scores one random pair, arrays to a score on the host."""
    model = registry.build(base_config().model)
    generator = np.random.default_rng(0)
    pair = generator.uniform(size=(2, height, width, 3)).astype(np.float32)
    small = np.zeros((1, 32, 32, 3), np.float32)
    variables = jax.jit(model.init)(jax.random.key(0), small, small)
    metric = ModelMetric(model, variables, name="gsn", calibration=None)
    return lambda: float(metric(*pair))


def interleaved(runs: dict[str, Callable[[], None]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each run, taking turns; the first round warms up and is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if round_number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def main() -> None:
    """Parses the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--crop-size", type=int, default=192)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    shape = (options.batch_size, options.crop_size, options.crop_size, 3)
    batch = {
        "reference": generator.integers(0, 256, shape, dtype=np.uint8),
        "distorted": generator.integers(0, 256, shape, dtype=np.uint8),
        "quality": generator.uniform(size=shape[0]).astype(np.float32),
    }
    steps = {
        "plain convolutions": training_step(0.0, batch, False),
        "cdc, one convolution": training_step(0.7, batch, False),
        "cdc, two convolutions": training_step(0.7, batch, True),
    }
    seconds = interleaved(steps, options.repeats)
    plain = seconds["plain convolutions"]
    print(f"{jax.device_count()} x {jax.devices()[0].device_kind}, JAX {jax.__version__}\n")
    print(f"| training step, {shape[0]} x {shape[1]} px | median ms | pairs/s | ratio to plain |")
    print("|---|---|---|---|")
    for name, values in seconds.items():
        median = statistics.median(values)
        ratio = statistics.median(a / b for a, b in zip(values, plain, strict=True))
        print(f"| {name} | {1e3 * median:.1f} | {shape[0] / median:.1f} | {ratio:.3f} |")
    pair = interleaved({"pair": scoring(384, 512)}, 4 * options.repeats)["pair"]
    print("\n| scoring | median ms | fastest ms |\n|---|---|---|")
    print(f"| one 512x384 pair | {1e3 * statistics.median(pair):.1f} | {1e3 * min(pair):.1f} |")


if __name__ == "__main__":
    main()
