"""Compares the training step with the same GSN in plain PyTorch on the same device.

    python benchmarks/torch_gsn.py --peers "COMMAND THAT RUNS PYTHON IN PYTORCH'S ENVIRONMENT"

PyTorch's model takes our weights. The command fails if scores or loss differ by more than 1e-4 in
float32 (1e-2 in bfloat16), or are NaN; on a GPU, float32 is compared without TF32 and timed with
it. Then the training steps take turns, in float32 and in bfloat16, and medians are printed as a
Markdown table. Both train with the default optimiser: clipped AdamW with warm-up and cosine decay,
and averaged parameters. On a GPU, PyTorch also runs with channels_last, without and with
torch.compile. On a CPU, both use all the cores available to them; `taskset -c 0 python ...`
compares them on one core.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from peer_process import Peers

from data_pipelines import parallel
from gsn_jax.images import as_float
from gsn_jax.models import registry
from gsn_jax.training.config import base_config
from gsn_jax.training.meshes import make_mesh
from gsn_jax.training.optimizers import make_optimizer
from gsn_jax.training.state import create_state
from gsn_jax.training.step import make_loss, make_train_step

TOLERANCES = {"float32": 1e-4, "bfloat16": 1e-2}
# Least range of the scores; if they were nearly equal, their agreement would prove little.
LEAST_RANGE = 0.1
# Largest load of other programs. PyTorch's threads busy-wait for one another, so a core that
# another program takes slows it down a lot.
BUSY = 0.5


@dataclasses.dataclass(frozen=True)
class OurStep:
    """Our training step, and the values that PyTorch must agree with.

    Attributes:
        run: runs one step and returns its seconds.
        params: parameters before the first step.
        scores: scores of the batch with these parameters.
        loss: loss of these scores.
    """

    run: Callable[[], float]
    params: dict
    scores: np.ndarray
    loss: float


def make_batch(size: int, crop: int) -> dict[str, np.ndarray]:
    """Random pairs with increasing noise."""
    generator = np.random.default_rng(0)
    shape = (size, crop, crop, 3)
    reference = generator.integers(0, 256, shape, dtype=np.uint8)
    spread = np.linspace(2, 80, size)[:, None, None, None]
    distorted = np.clip(reference + spread * generator.normal(size=shape), 0, 255)
    quality = np.linspace(1, 0, size, dtype=np.float32)
    return {
        "reference": reference,
        "distorted": distorted.astype(np.uint8),
        "quality": quality,
    }


def our_step(batch: dict[str, np.ndarray], dtype: str) -> OurStep:
    """The default model's step, compiled."""
    config = base_config()
    config.model.dtype = dtype
    model = registry.build(config.model)
    optimizer, _ = make_optimizer(config.optimizer, config.train.steps)
    crop = batch["reference"].shape[1]
    state = jax.jit(lambda key: create_state(model, optimizer, key, crop_size=crop, ema=True))(
        jax.random.key(0)
    )
    params = jax.device_get(state.params)
    pair = as_float(batch["reference"]), as_float(batch["distorted"])
    loss = make_loss(config.loss)
    with jax.default_matmul_precision("highest"):
        scores = np.asarray(jax.jit(model.apply)({"params": params}, *pair))
    mesh = make_mesh(jax.devices()[:1])
    step = make_train_step(model, optimizer, loss, mesh, ema_decay=config.optimizer.ema)
    here = jax.device_put(batch)
    compiled = step.lower(state, here).compile()
    holder = [state]

    def run() -> float:
        start = time.perf_counter()
        holder[0], metrics = compiled(holder[0], here)
        jax.block_until_ready((holder[0], metrics))
        return time.perf_counter() - start

    return OurStep(run, params, scores, float(loss(scores, batch["quality"])))


def save(path: pathlib.Path, params: dict, batch: dict[str, np.ndarray]) -> None:
    """Writes the parameters, under their paths, and the batch to an .npz file."""
    flat = {
        "params/" + "/".join(str(key.key) for key in keys): leaf
        for keys, leaf in jax.tree_util.tree_leaves_with_path(params)
    }
    np.savez(path, **flat, **batch)


def check(ours: OurStep, theirs: dict[str, Any], dtype: str) -> float:
    """Checks that scores and loss agree; returns the largest difference of scores.

    Raises:
        SystemExit: they do not agree, or our scores are too similar to tell.
    """
    if not np.ptp(ours.scores) >= LEAST_RANGE:
        raise SystemExit(
            f"{dtype}: the scores span only {np.ptp(ours.scores):.3f}, too little to compare "
            f"models; they must span {LEAST_RANGE}"
        )
    difference = float(np.abs(np.array(theirs["scores"]) - ours.scores).max())
    of_loss = abs(theirs["loss"] - ours.loss)
    # Not written with `>`, because NaN must fail.
    if not (difference <= TOLERANCES[dtype] and of_loss <= TOLERANCES[dtype]):
        raise SystemExit(
            f"{dtype}: scores differ by {difference:.2e}, the loss by {of_loss:.2e}; "
            "the models or the losses are not the same"
        )
    return difference


def compare(
    dtype: str, forms: list[dict[str, bool]], options: argparse.Namespace
) -> tuple[dict[str, float], dict[str, float], np.ndarray]:
    """Median seconds of each step, PyTorch's largest differences of scores, and our scores."""
    batch = make_batch(options.batch_size, options.crop_size)
    ours = our_step(batch, dtype)
    config = base_config()
    constants = {
        "theta": config.model.theta,
        **{name: config.loss[name] for name in ("alpha", "beta", "temperature", "mse_weight")},
        **{name: config.optimizer[name] for name in ("learning_rate", "weight_decay", "ema")},
        "warmup_steps": config.optimizer.warmup_steps,
        "steps": config.train.steps,
    }
    seconds: dict[str, list[float]] = {"gsn_jax": []}
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "batch.npz"
        save(file, ours.params, batch)
        differences = {}
        for form in forms:
            with Peers(options.peers, worker="gsn_torch_model.py") as peer:
                loaded = peer.ask(
                    load=str(file),
                    device="cpu" if jax.default_backend() == "cpu" else "cuda",
                    dtype=dtype,
                    options=constants,
                    **form,
                )
                ways = [key for key, on in form.items() if on]
                name = " ".join(["PyTorch", loaded["torch"], *ways])
                differences[name] = check(ours, peer.ask(score=True), dtype)
                ours.run(), peer.ask(train=2)
                seconds[name] = []
                for _ in range(options.rounds):
                    seconds["gsn_jax"] += [ours.run() for _ in range(options.repeats)]
                    seconds[name] += peer.ask(train=options.repeats)["seconds"]
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return medians, differences, ours.scores


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", required=True)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--crop-size", type=int, default=192)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    options = parser.parse_args()
    forms = [{"channels_last": False, "compile": False}]
    if jax.default_backend() == "gpu":
        forms += [{"channels_last": True, "compile": compiled} for compiled in (False, True)]
    load = os.getloadavg()[0]
    if load > BUSY:
        print(f"load {load:.1f}: other programs distort the times below", file=sys.stderr)
    on_cpu = jax.default_backend() == "cpu"
    cores = f"{parallel.cores()} CPU core(s)"
    device = cores if on_cpu else jax.devices()[0].device_kind
    batch = f"{options.batch_size} pairs of {options.crop_size} px"
    print(f"{device}, JAX {jax.__version__}, {batch}\n")
    print("| dtype | step | median ms | pairs/s | gsn_jax faster by | scores or difference |")
    print("|---|---|---|---|---|---|")
    for dtype in options.dtypes:
        seconds, differences, scores = compare(dtype, forms, options)
        ours = seconds["gsn_jax"]
        for name, value in seconds.items():
            ratio = "" if name == "gsn_jax" else f"{value / ours:.2f}x"
            rate = options.batch_size / value
            print(f"| {dtype} | {name} | {1e3 * value:.1f} | {rate:.1f} | {ratio} | ", end="")
            says = (
                f"{differences[name]:.1e}"
                if name in differences
                else f"{scores.min():.3f} to {scores.max():.3f}"
            )
            print(f"{says} |", flush=True)


if __name__ == "__main__":
    main()
