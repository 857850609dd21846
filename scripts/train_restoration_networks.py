"""Trains the small networks of `data_pipelines.distortions.networks` and writes their weights.

    python scripts/train_restoration_networks.py kodak gb82

The folders hold photographs without visible compression; reserved Kodak scenes are left out. Takes
a few minutes per network on one core. Networks that `--kinds` does not name keep their weights.
"""

from __future__ import annotations

import argparse
import os
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console

from data_pipelines.distortions import networks
from data_pipelines.synthesize import find_photos
from data_pipelines.tid2013.crops import RESERVED
from gsn_jax.errors import InputError
from gsn_jax.images.files import load_image

Weights = list[tuple[jax.Array, jax.Array]]

FILE = Path(networks.__file__).with_name(networks.FILE)
WIDTH = 16
_CROP = 96
_PATCH = 40
_BATCH = 16
_CONSOLE = Console(stderr=True)


def main() -> None:
    """Trains the requested networks in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path, help="folders of photographs")
    parser.add_argument("--kinds", nargs="+", default=list(networks.DAMAGE))
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        photos = [load_image(path) for path in allowed(options.photos)]
    except InputError as error:
        parser.exit(2, f"train_restoration_networks: {error}\n")
    _CONSOLE.print(f"{len(photos)} photographs")
    for kind in options.kinds:
        rng = np.random.default_rng([zlib.crc32(kind.encode()), options.seed])
        write(FILE, kind, train(kind, photos, options.steps, rng))


def allowed(folders: list[Path]) -> list[Path]:
    """The photographs in the folders, without the reserved Kodak scenes."""
    reserved = {f"kodim{number:02d}" for number in RESERVED}
    return [p for folder in folders for p in find_photos(folder) if p.stem not in reserved]


def train(kind: str, photos: list[np.ndarray], steps: int, rng: np.random.Generator) -> Weights:
    """Trains a network for `steps` steps of Adam with a cosine schedule; returns its weights."""
    pool = crops(kind, photos, rng)
    weights = initial(rng)
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, steps))
    state = optimizer.init(weights)

    @jax.jit
    def step(weights, state, batch):
        loss, gradient = jax.value_and_grad(objective)(weights, *batch, texture=kind == "texture")
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(weights, updates), state, loss

    losses = []
    for number in range(1, steps + 1):
        weights, state, loss = step(weights, state, patches(pool, rng))
        losses.append(loss)
        if number % 200 == 0:
            _CONSOLE.print(f"{kind}, step {number}: loss {np.mean(losses[-200:]):.5f}")
    return weights


def crops(
    kind: str, photos: list[np.ndarray], rng: np.random.Generator, per_photo: int = 40
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clean crops and damaged ones, uint8 `(N, H, W, 3)`, and their conditions `(N,)`."""
    clean, damaged, known = [], [], []
    for photo in photos:
        for _ in range(per_photo):
            top, left = (rng.integers(size - _CROP + 1) for size in photo.shape[:2])
            crop = np.ascontiguousarray(photo[top : top + _CROP, left : left + _CROP])
            strength = strength_at(kind, rng.random())
            clean.append(crop)
            damaged.append(networks.DAMAGE[kind](crop, strength, rng))
            known.append(networks.condition(kind, strength))
    return np.stack(clean), np.stack(damaged), np.float32(known)


def strength_at(kind: str, part: float) -> float:
    """The inverse of `networks.condition`."""
    low, high = networks.TRAINED[kind]
    return part * high if low == 0 else low * (high / low) ** part


def patches(
    pool: tuple[np.ndarray, np.ndarray, np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A batch: clean patches, damaged ones with a margin of the network's reach, conditions."""
    clean, damaged, known = pool
    chosen = rng.integers(len(clean), size=_BATCH)
    size = _PATCH + 2 * networks.REACH
    corners = rng.integers(_CROP - size + 1, size=(_BATCH, 2))
    turns = rng.integers(4, size=_BATCH)

    def cut(images: np.ndarray) -> np.ndarray:
        return np.stack(
            [
                np.rot90(images[i, top : top + size, left : left + size], turn)
                for i, (top, left), turn in zip(chosen, corners, turns, strict=True)
            ]
        )

    inner = slice(networks.REACH, -networks.REACH)
    return cut(clean)[:, inner, inner], cut(damaged), known[chosen]


def initial(rng: np.random.Generator) -> Weights:
    """He's initialisation; the last layer starts near a zero residual."""
    widths = (4, *[WIDTH] * (len(networks.KERNELS) - 1), 3)
    shapes = [(k, k, a, b) for k, a, b in zip(networks.KERNELS, widths, widths[1:], strict=False)]
    scales = [np.sqrt(2 / np.prod(shape[:3])) for shape in shapes]
    scales[-1] *= 0.1
    return [
        (jnp.asarray(rng.normal(0, scale, shape), jnp.float32), jnp.zeros(shape[-1]))
        for shape, scale in zip(shapes, scales, strict=True)
    ]


def residual(weights: Weights, images: jax.Array, known: jax.Array) -> jax.Array:
    """What `networks.repair` adds to images, `(N, H, W, 3)`.

    The images are in [0, 1] and have a margin of the network's reach.
    """
    plane = jnp.broadcast_to(known[:, None, None, None], (*images.shape[:3], 1))
    values = jnp.concatenate([images, plane], axis=-1) - 0.5
    for number, (kernel, bias) in enumerate(weights):
        values = jax.nn.relu(values) if number else values
        values = bias + jax.lax.conv_general_dilated(
            values, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    return values


def objective(
    weights: Weights, clean: jax.Array, damaged: jax.Array, known: jax.Array, *, texture: bool
) -> jax.Array:
    """Mean absolute error; with `texture` also the error of the local amount of detail."""
    clean, damaged = clean / 255.0, damaged / 255.0
    inner = slice(networks.REACH, -networks.REACH)
    restored = damaged[:, inner, inner] + residual(weights, damaged, known)
    error = jnp.abs(restored - clean).mean()
    if texture:
        error += 3 * jnp.abs(detail(restored) - detail(clean)).mean()
    return error


def detail(images: jax.Array) -> jax.Array:
    """Root mean square of the Laplacian in 8 x 8 windows: the amount of detail, not its place."""
    middle = images[:, 1:-1, 1:-1]
    around = images[:, 2:, 1:-1] + images[:, :-2, 1:-1] + images[:, 1:-1, 2:] + images[:, 1:-1, :-2]
    power = (middle - around / 4) ** 2
    window, strides = (1, 8, 8, 1), (1, 2, 2, 1)
    mean = jax.lax.reduce_window(power, 0.0, jax.lax.add, window, strides, "VALID") / 64
    return jnp.sqrt(mean + 1e-6)


def write(path: Path, kind: str, weights: Weights) -> None:
    """Replaces one network in the file, in half precision, which is finer than 8-bit images."""
    arrays = dict(np.load(path, allow_pickle=False)) if path.exists() else {}
    for number, pair in enumerate(weights):
        for part, values in zip(("kernel", "bias"), pair, strict=True):
            arrays[f"{kind}/{number}/{part}"] = np.asarray(values, np.float16)
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, **arrays)
    os.replace(partial, path)


if __name__ == "__main__":
    main()
