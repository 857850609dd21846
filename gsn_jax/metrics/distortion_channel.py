"""The distortion model of VIF, IW-SSIM and VMAF: locally, distorted = gain * reference + error.

Everything is computed from the change, distorted - reference, so that equal images have a gain of
exactly 1 and no error, and nearly equal ones lose no bits to cancellation.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.metrics import finite


def moments(
    reference: Float[Array, "*batch h w"], change: Float[Array, "*batch h w"]
) -> Float[Array, "5 *batch h w"]:
    """The planes whose local means give the local `variances`."""
    squares = reference * reference, change * change, reference * change
    return jnp.stack([reference, change, *squares])


def variances(
    means: Float[Array, "5 *batch h w"],
) -> tuple[Float[Array, "*batch h w"], Float[Array, "*batch h w"], Float[Array, "*batch h w"]]:
    """Variances of the reference and of the change, and their covariance, from local `moments`."""
    mean, mean_change, square, change_square, product = means
    variance = jnp.maximum(square - mean * mean, 0)
    change_variance = jnp.maximum(change_square - mean_change * mean_change, 0)
    return variance, change_variance, product - mean * mean_change


def distortion_channel(
    variance: Float[Array, "*shape"],
    change_variance: Float[Array, "*shape"],
    covariance: Float[Array, "*shape"],
    tolerance: float | Float[Array, "*shape"],
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Returns the gain minus one and the error variance of the least-squares fit.

    Where the reference is flat, the gain is 0, or 1 if nothing changed.

    Args:
        variance: of the reference, >= 0.
        change_variance: of the change, >= 0.
        covariance: of the reference and the change.
        tolerance: a variance of the reference below this counts as zero.
    """
    # Rounding may give a larger covariance than the variances allow.
    bound = finite.sqrt(variance * change_variance)
    covariance = jnp.where(jnp.abs(covariance) > bound, jnp.sign(covariance) * bound, covariance)
    flat = variance < tolerance
    slope = covariance / jnp.where(flat, 1, variance)
    error = jnp.maximum(change_variance - slope * covariance, 0)
    gain_change = jnp.where(flat, jnp.where(change_variance > 0, -1, 0), slope)
    return gain_change, jnp.where(flat, change_variance, error)


def information_change(
    gain_change: Float[Array, "*shape"],
    error: Float[Array, "*shape"],
    signal: Float[Array, "*shape"],
    noise: float,
) -> Float[Array, "*shape"]:
    """Change of the reference's information in the channel, in nats; negative where it is lost.

    log(1 + gain^2 signal / (error + noise)) - log(1 + signal / noise), exactly 0 for a gain of 1
    without error. A gain below 0 counts as 0.

    Args:
        gain_change: the gain minus one.
        error: variance of the error, >= 0.
        signal: variance of the reference, >= 0.
        noise: variance of the visual noise.
    """
    gain_change = jnp.maximum(gain_change, -1)
    gain = 1 + gain_change
    both = (error + noise) * (noise + signal)
    change = signal * (noise * gain_change * (2 + gain_change) - error) / both
    ratio = noise * (noise + error + gain * gain * signal) / both
    close = change > -0.5
    return jnp.where(
        close, jnp.log1p(jnp.where(close, change, 0)), jnp.log(jnp.where(close, 1, ratio))
    )
