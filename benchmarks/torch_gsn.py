"""Pairs/s of the training step beside the same GSN in plain PyTorch, on the same device.

    python benchmarks/torch_gsn.py --peers "COMMAND THAT RUNS PYTHON IN PYTORCH'S ENVIRONMENT"

PyTorch's model takes our weights; scores that differ by more than 1e-4 in float32 end the command.
Then the training steps take turns, in float32 and in bfloat16, and medians are printed as a
Markdown table. On a GPU PyTorch also runs with torch.compile and channels_last.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable

import jax
import numpy as np
from peer_process import Peers

from gsn_jax import models
from gsn_jax.images import as_float
from gsn_jax.training.config import base_config
from gsn_jax.training.meshes import make_mesh
from gsn_jax.training.optimizers import make_optimizer
from gsn_jax.training.state import create_state
from gsn_jax.training.step import make_loss, make_train_step

TOLERANCE = 1e-4


def make_batch(size: int, crop: int) -> dict[str, np.ndarray]:
    """Random pairs of growing noise."""
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


def our_step(
    batch: dict[str, np.ndarray], dtype: str
) -> tuple[Callable[[], float], dict, np.ndarray]:
    """Seconds of a step, the first parameters, and the scores that they give."""
    config = base_config()
    config.model.dtype = dtype
    config.optimizer.learning_rate, config.optimizer.schedule = 1e-5, "constant"
    model = models.build(config.model)
    optimizer, _ = make_optimizer(config.optimizer, 10_000)
    crop = batch["reference"].shape[1]
    state = jax.jit(lambda key: create_state(model, optimizer, key, crop_size=crop, ema=True))(
        jax.random.key(0)
    )
    params = jax.device_get(state.params)
    pair = as_float(batch["reference"]), as_float(batch["distorted"])
    scores = np.asarray(jax.jit(model.apply)({"params": params}, *pair))
    mesh = make_mesh(jax.devices()[:1])
    step = make_train_step(
        model, optimizer, make_loss(config.loss), mesh, ema_decay=config.optimizer.ema
    )
    here = jax.device_put(batch)
    compiled = step.lower(state, here).compile()
    holder = [state]

    def run() -> float:
        start = time.perf_counter()
        holder[0], metrics = compiled(holder[0], here)
        jax.block_until_ready((holder[0], metrics))
        return time.perf_counter() - start

    return run, params, scores


def save(path: pathlib.Path, params: dict, batch: dict[str, np.ndarray]) -> None:
    """Parameters, by their path, and the batch."""
    flat = {
        "params/" + "/".join(str(key.key) for key in keys): leaf
        for keys, leaf in jax.tree_util.tree_leaves_with_path(params)
    }
    np.savez(path, **flat, **batch)


def compare(
    dtype: str, forms: list[dict[str, bool]], options: argparse.Namespace
) -> tuple[dict[str, float], float]:
    """Median seconds of each step by name, and the largest difference of scores."""
    batch = make_batch(options.batch_size, options.crop_size)
    run, params, scores = our_step(batch, dtype)
    config = base_config()
    constants = {name: config.loss[name] for name in ("alpha", "beta", "temperature", "mse_weight")}
    seconds: dict[str, list[float]] = {"gsn_jax": []}
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "batch.npz"
        save(file, params, batch)
        difference = 0.0
        for form in forms:
            name = " ".join(["PyTorch", *(key for key, on in form.items() if on)])
            with Peers(options.peers, worker="gsn_torch_model.py") as peer:
                peer.ask(
                    load=str(file),
                    device="cpu" if jax.default_backend() == "cpu" else "cuda",
                    dtype=dtype,
                    options={"theta": config.model.theta, **constants},
                    **form,
                )
                theirs = np.array(peer.ask(score=True)["scores"])
                difference = float(np.abs(theirs - scores).max())
                # Not "greater than": NaN must not pass.
                if dtype == "float32" and not difference <= TOLERANCE:
                    raise SystemExit(f"scores differ by {difference:.2e}: not the same model")
                run(), peer.ask(train=2)
                seconds[name] = []
                for _ in range(options.rounds):
                    seconds["gsn_jax"] += [run() for _ in range(options.repeats)]
                    seconds[name] += peer.ask(train=options.repeats)["seconds"]
    return {name: statistics.median(values) for name, values in seconds.items()}, difference


def main() -> None:
    """Parses the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", required=True)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--crop-size", type=int, default=192)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    options = parser.parse_args()
    forms = [{"compile": False, "channels_last": False}]
    if jax.default_backend() != "cpu":
        forms += [{"compile": True, "channels_last": True}]
    print(f"{jax.devices()[0].device_kind}, JAX {jax.__version__}, batch {options.batch_size}\n")
    print("| dtype | step | median ms | pairs/s | against PyTorch | scores differ by |")
    print("|---|---|---|---|---|---|")
    for dtype in options.dtypes:
        seconds, difference = compare(dtype, forms, options)
        ours = seconds["gsn_jax"]
        for name, value in seconds.items():
            ratio = "" if name == "gsn_jax" else f"{value / ours:.2f}x"
            rate = options.batch_size / value
            print(f"| {dtype} | {name} | {1e3 * value:.1f} | {rate:.1f} | {ratio} | ", end="")
            print("|" if name == "gsn_jax" else f"{difference:.1e} |", flush=True)


if __name__ == "__main__":
    main()
