"""The similarity of two maps that most gradient-based metrics share, and image gradients."""

from __future__ import annotations

import jax

from gsn_jax.metrics import filters, finite, reductions

PREWITT = (1 / 3, 1 / 3, 1 / 3)
SCHARR = (3 / 16, 10 / 16, 3 / 16)


def similarity(x: jax.Array, y: jax.Array, constant: float) -> jax.Array:
    """(2 x y + c) / (x^2 + y^2 + c)."""
    return (2 * x * y + constant) / (x * x + y * y + constant)


def energy_similarity(x: jax.Array, y: jax.Array, constant: float, masking: float = 0) -> jax.Array:
    """`similarity` of the magnitudes whose squares are given.

    Args:
        x: squared magnitudes.
        y: as `x`.
        constant: c of `similarity`.
        masking: this many times the product of the magnitudes is subtracted from both sides of
            the fraction.
    """
    product = finite.sqrt(x * y)
    return ((2 - masking) * product + constant) / (x + y - masking * product + constant)


def gradients(image: jax.Array, smoothing: tuple[float, ...]) -> tuple[jax.Array, jax.Array]:
    """Vertical and horizontal 3 x 3 differences of same size, zeros outside the image.

    Args:
        image: `(..., H, W)`.
        smoothing: the three taps across the difference, e.g. `PREWITT`.
    """
    padded = filters.pad(image, 1, 1, "constant")
    difference = (1, 0, -1)
    vertical = filters.correlate_separable(padded, difference, smoothing)
    horizontal = filters.correlate_separable(padded, smoothing, difference)
    return vertical, horizontal


def gradient_energy(image: jax.Array, smoothing: tuple[float, ...]) -> jax.Array:
    """The squared magnitude of `gradients`."""
    vertical, horizontal = gradients(image, smoothing)
    return vertical * vertical + horizontal * horizontal


def deviation(values: jax.Array, *, unbiased: bool) -> jax.Array:
    """Standard deviation over the last two axes, with zero gradient where it is zero."""
    count = values.shape[-1] * values.shape[-2] - unbiased
    return finite.sqrt(reductions.total(reductions.centred(values) ** 2) / count)
