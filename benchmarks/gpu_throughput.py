"""Measures the throughput of the training step on a GPU by batch size.

    python benchmarks/gpu_throughput.py [--trace FOLDER]

Runs the default model on crops of 192 pixels, in float32 and bfloat16, with batches of 64 to 512.
`--trace` also writes a JAX trace of three steps with the last batch size in bfloat16, to see what
limits them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import jax
import numpy as np

from gsn_jax.models import registry
from gsn_jax.training.config import base_config
from gsn_jax.training.meshes import divided, make_mesh, replicated
from gsn_jax.training.optimizers import make_optimizer
from gsn_jax.training.profiling import measure_work
from gsn_jax.training.state import create_state
from gsn_jax.training.step import make_loss, make_train_step


def measure(batch_size: int, crop: int, dtype: str, repeats: int, trace: str | None) -> list[float]:
    """Seconds of each step on one device, with the batch already there."""
    config = base_config()
    config.model.dtype = dtype
    mesh = make_mesh(jax.devices()[:1])
    model = registry.build(config.model)
    optimizer, _ = make_optimizer(config.optimizer, 10_000)
    state = jax.jit(
        lambda key: create_state(model, optimizer, key, crop_size=crop, ema=True),
        out_shardings=replicated(mesh),
    )(jax.random.key(0))
    generator = np.random.default_rng(0)
    shape = (batch_size, crop, crop, 3)
    batch = {
        "reference": generator.integers(0, 256, shape, dtype=np.uint8),
        "distorted": generator.integers(0, 256, shape, dtype=np.uint8),
        "quality": generator.uniform(size=batch_size).astype(np.float32),
    }
    batch = jax.device_put(batch, divided(mesh))
    step = make_train_step(
        model, optimizer, make_loss(config.loss), mesh, ema_decay=config.optimizer.ema
    )
    seconds = []
    for number in range(repeats + 3):
        if trace and number == repeats:
            jax.profiler.start_trace(trace)
        start = time.perf_counter()
        state, metrics = step(state, batch)
        jax.block_until_ready((state, metrics))
        seconds.append(time.perf_counter() - start)
    if trace:
        jax.profiler.stop_trace()
    return seconds[3:repeats]


def main() -> None:
    """Measures and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--crop-size", type=int, default=192)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--trace")
    parser.add_argument("--any-device", action="store_true", help="also run without a GPU")
    options = parser.parse_args()
    device = jax.devices()[0]
    if device.platform != "gpu" and not options.any_device:
        sys.exit(f"no GPU: JAX found only a {device.platform}; --any-device measures that")
    if options.repeats < 4:
        parser.error("--repeats must be at least 4: the first three steps warm up")
    work = measure_work(registry.build(base_config().model), options.crop_size, [device])
    print(
        f"{device.device_kind}, JAX {jax.__version__}, {options.crop_size} px; {work.describe()}\n"
    )
    print("| dtype | batch | median ms | pairs/s | TFLOP/s | of bfloat16 peak |")
    print("|---|---|---|---|---|---|")
    for dtype in ("float32", "bfloat16"):
        for size in options.batch_sizes:
            last = dtype == "bfloat16" and size == options.batch_sizes[-1]
            trace = options.trace if last else None
            median = statistics.median(
                measure(size, options.crop_size, dtype, options.repeats, trace)
            )
            rates = work.rates(size / median)
            share = f"{rates['fraction_of_peak']:.1%}" if "fraction_of_peak" in rates else "-"
            flops = rates.get("model_flops_per_second", float("nan")) / 1e12
            print(
                f"| {dtype} | {size} | {1e3 * median:.2f} | {size / median:.0f} "
                f"| {flops:.2f} | {share} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
