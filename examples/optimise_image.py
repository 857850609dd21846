"""Optimises an image under a metric: gradient descent on its pixels, from a damaged start.

    python examples/optimise_image.py photo.png --metric gsn --steps 200 --out optimised

Writes `start.png` and `optimised.png`, and prints the loss, PSNR and SSIM before and after.
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
    """Makes `start` as good as the metric can see, by Adam on its pixels.

    Args:
        reference: float `(H, W, 3)` in [0, 1].
        start: likewise.
        metric: see `gsn_jax.as_loss`.
        steps: number of steps.
        rate: of Adam, in units of the pixels' range.

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


def main() -> None:
    """Parses the command line, optimises, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", help="an image file")
    parser.add_argument("--metric", default="gsn")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--out", default="optimised", help="folder for the pictures")
    options = parser.parse_args()
    reference = np.asarray(images.as_array(options.reference))
    start = damaged(reference)
    image, losses = optimise(reference, start, options.metric, options.steps)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    for label, picture, loss in (("start", start, losses[0]), ("optimised", image, losses[-1])):
        Image.fromarray(np.round(255 * picture).astype(np.uint8)).save(folder / f"{label}.png")
        psnr, ssim = (float(gsn_jax.score(reference, picture, name)) for name in ("psnr", "ssim"))
        print(f"{label}: loss {loss:.4f}, PSNR {psnr:.2f} dB, SSIM {ssim:.4f}")


if __name__ == "__main__":
    main()
