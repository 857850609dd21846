"""Phase congruency, as FSIM uses it.

P. Kovesi, "Image features from phase congruency", Videre 1(3), 1999: four scales and four
orientations of log-Gabor filters, noise compensation from the median response.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import finite, log_gabor, reductions, spectra
from gsn_jax.metrics.order_statistics import median

SCALES = 4
ORIENTATIONS = 4
SHORTEST_WAVE = 6
SIGMA_ON_F = 0.55
ANGLE_ON_SIGMA = 1.2
NOISE_DEVIATIONS = 2.0
EPSILON = 1e-4


def phase_congruency(
    plane: Float[Array, "h w"], extent: Extent | None = None
) -> Float[Array, "h w"]:
    """Phase congruency in [0, 1]; zero where the plane has no structure at all.

    Args:
        plane: luma in [0, 255], up to an offset. The filters ignore an offset, but float32 does
            not: a plane around zero loses fewer bits.
        extent: where the image is in the plane.
    """
    spectrum = spectra.whole(plane) if extent is None else spectra.folded(plane, extent)
    angle = jnp.arctan2(-spectrum.y, spectrum.x)
    radial = _radial(spectrum.radius())

    def add(
        totals: tuple[jax.Array, jax.Array], orientation: Float[Array, ""]
    ) -> tuple[tuple[jax.Array, jax.Array], None]:
        angular = log_gabor.angular(angle, orientation, math.pi / ORIENTATIONS / ANGLE_ON_SIGMA)
        responses = spectrum.filtered(radial, angular)
        squares = [response.real**2 + response.imag**2 for response in responses]
        finest = jnp.where(spectrum.inside, squares[0], jnp.inf)
        noise = _noise_factor(radial, angular, spectrum) * finite.sqrt(
            median(finest.reshape(-1, finest.shape[-1]), spectrum.count)
        )
        energy = jnp.maximum(_energy(responses) - noise, 0)
        amplitude = reductions.add(finite.sqrt(square) for square in squares)
        return (totals[0] + energy, totals[1] + amplitude), None

    start = (jnp.zeros(angle.shape, plane.dtype),) * 2
    orientations = jnp.asarray(log_gabor.orientations(ORIENTATIONS), plane.dtype)
    (energies, amplitudes), _ = lax.scan(add, start, orientations)
    return spectrum.plane(finite.divide(energies, amplitudes, 0.0))


def _energy(responses: list[Complex[Array, "*batch h w"]]) -> Float[Array, "*batch h w"]:
    """Sum over scales of A (cos d - |sin d|), with d the deviation from the mean phase."""
    even = reductions.add(response.real for response in responses)
    odd = reductions.add(response.imag for response in responses)
    norm = finite.sqrt(even**2 + odd**2) + EPSILON
    even, odd = even / norm, odd / norm
    return reductions.add(
        r.real * even + r.imag * odd - jnp.abs(r.real * odd - r.imag * even) for r in responses
    )


def _radial(radius: Float[Array, "n m"]) -> list[Float[Array, "n m"]]:
    """The transfer functions of the scales, without orientation."""
    low = log_gabor.low_pass(radius)
    waves = [SHORTEST_WAVE * 2**scale for scale in range(SCALES)]
    return [low * log_gabor.radial(radius, 1 / wave, abs(math.log(SIGMA_ON_F))) for wave in waves]


def _noise_factor(
    radial: Sequence[Float[Array, "n m"]],
    angular: Float[Array, "*quadrants n m"],
    spectrum: spectra.Whole | spectra.Folded,
) -> Float[Array, ""]:
    """Threshold per root of the median energy at the finest scale, for Gaussian noise.

    Its amplitudes are Rayleigh's. The filters' impulse responses enter by their real parts, whose
    transfer functions are the even parts.
    """

    def total(values: Float[Array, "*quadrants n m"]) -> Float[Array, ""]:
        return reductions.total(values * spectrum.weight).sum()

    even = ((angular + spectrum.mirrored(angular)) / 2) ** 2
    energy = total(reductions.add(radial) ** 2 * even)
    power = 1 / (math.log(2) * total((radial[0] * angular) ** 2))
    tau = jnp.sqrt(energy * power)
    mean, sigma = tau * math.sqrt(math.pi / 2), tau * math.sqrt(2 - math.pi / 2)
    return (mean + NOISE_DEVIATIONS * sigma) / 1.7
