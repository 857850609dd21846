"""Optimises a noisy image for each given metric, by gradient descent on its pixels.

    python examples/optimise_image.py photo.png --metric gsn,ssimulacra2 --steps 200 --out optimised

Writes `start.png` and, for each metric, `NAME.png`, and prints the metric's score, PSNR and SSIM
before and after. `--crop N` uses the central N x N pixels.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from PIL import Image

import gsn_jax
from gsn_jax import images


def damaged(reference: np.ndarray, seed: int = 0) -> np.ndarray:
    """The start: the reference with strong noise, float `(H, W, 3)` in [0, 1]."""
    noise = np.random.default_rng(seed).normal(scale=0.15, size=reference.shape)
    return np.clip(reference + noise, 0, 1).astype(np.float32)


def optimise(
    reference: np.ndarray, start: np.ndarray, metric: str, steps: int, rate: float = 0.005
) -> tuple[np.ndarray, list[float]]:
    """Minimises the metric's loss over the pixels of `start`, with Adam.

    Args:
        reference: float `(H, W, 3)` in [0, 1].
        start: likewise.
        metric: see `gsn_jax.as_loss`.
        steps: number of steps.
        rate: learning rate, for pixels in [0, 1].

    Returns:
        The image, float `(H, W, 3)` in [0, 1], and the loss before each step and after the last.
    """
    loss = gsn_jax.as_loss(metric)
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, steps))

    @jax.jit
    def step(image: jax.Array, state: optax.OptState) -> tuple[Any, Any, Any]:
        value, gradient = jax.value_and_grad(loss, argnums=1)(reference, image)
        updates, state = optimiser.update(gradient, state)
        return jnp.clip(optax.apply_updates(image, updates), 0, 1), state, value

    image, state, losses = jnp.asarray(start), optimiser.init(jnp.asarray(start)), []
    for _ in range(steps):
        image, state, value = step(image, state)
        losses.append(float(value))
    losses.append(float(jax.jit(loss)(reference, image)))
    return np.asarray(image), losses


def cropped(image: np.ndarray, side: int) -> np.ndarray:
    """The central square of an image, or less where the image is smaller."""
    top, left = (max(0, (size - side) // 2) for size in image.shape[:2])
    return image[top : top + side, left : left + side]


def written(picture: np.ndarray, path: Path) -> np.ndarray:
    """Writes a picture to an 8-bit file; returns it as stored, float32 in [0, 1]."""
    stored = np.round(255 * picture).astype(np.uint8)
    Image.fromarray(stored).save(path)
    return stored.astype(np.float32) / 255


def main() -> None:
    """Parses the command line, optimises, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", help="an image file")
    parser.add_argument("--metric", default="gsn", help="one or several, separated by commas")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--crop", type=int, help="side of the central square to use, in pixels")
    parser.add_argument("--out", default="optimised", help="folder for the pictures")
    options = parser.parse_args()
    reference = np.asarray(images.as_array(options.reference))
    if options.crop:
        reference = cropped(reference, options.crop)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    start = written(damaged(reference), folder / "start.png")
    print("| metric | its score | PSNR, dB | SSIM |\n|---|---|---|---|")
    for metric in options.metric.split(","):
        image = written(
            optimise(reference, start, metric, options.steps)[0], folder / f"{metric}.png"
        )
        cells = (
            " to ".join(f"{gsn_jax.score(reference, y, name):.{digits}f}" for y in (start, image))
            for name, digits in ((metric, 3), ("psnr", 2), ("ssim", 3))
        )
        print(f"| `{metric}` | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
