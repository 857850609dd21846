"""Phase congruency, as FSIM uses it.

P. Kovesi, "Image features from phase congruency", Videre 1(3), 1999: log-Gabor filters at four
scales and four orientations, with a noise threshold from the median response.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from gsn_jax.metrics import filters, finite, log_gabor, reductions
from gsn_jax.metrics.order_statistics import median

SCALES = 4
ORIENTATIONS = 4
SHORTEST_WAVE = 6
SIGMA_ON_F = 0.55
ANGLE_ON_SIGMA = 1.2
NOISE_DEVIATIONS = 2.0
EPSILON = 1e-4


def phase_congruency(plane: Float[Array, "*batch h w"]) -> Float[Array, "*batch h w"]:
    """Phase congruency in [0, 1]; zero where the plane has no structure at all.

    Args:
        plane: luma in [0, 255], up to an offset. The filters ignore an offset, but float32 does
            not: a plane around zero loses fewer bits.
    """
    bank, noise = filter_bank(*plane.shape[-2:])
    spectrum = jnp.fft.fft2(plane)
    energies: list[jax.Array] = []
    amplitudes: list[jax.Array] = []
    for orientation in range(ORIENTATIONS):
        responses = [
            jnp.fft.ifft2(filters.apply_transfer(spectrum, jnp.asarray(transfer, plane.dtype)))
            for transfer in bank[orientation]
        ]
        squares = [response.real**2 + response.imag**2 for response in responses]
        threshold = float(noise[orientation]) * finite.sqrt(median(squares[0]))
        energies.append(jnp.maximum(_energy(responses) - threshold[..., None, None], 0))
        amplitudes.extend(finite.sqrt(square) for square in squares)
    return finite.divide(reductions.add(energies), reductions.add(amplitudes), 0.0)


def _energy(responses: list[Complex[Array, "*batch h w"]]) -> Float[Array, "*batch h w"]:
    """Sum over scales of A (cos d - |sin d|), with d the deviation from the mean phase."""
    even = reductions.add(response.real for response in responses)
    odd = reductions.add(response.imag for response in responses)
    norm = finite.sqrt(even**2 + odd**2) + EPSILON
    even, odd = even / norm, odd / norm
    return reductions.add(
        r.real * even + r.imag * odd - jnp.abs(r.real * odd - r.imag * even) for r in responses
    )


@functools.lru_cache(maxsize=8)
def filter_bank(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Transfer functions `(ORIENTATIONS, SCALES, H, W)` and noise factors `(ORIENTATIONS,)`.

    The noise threshold of an orientation is its factor times the square root of the median squared
    response at the finest scale.
    """
    radius, angle = log_gabor.polar_frequencies(height, width)
    waves = [SHORTEST_WAVE * 2**scale for scale in range(SCALES)]
    spread = abs(math.log(SIGMA_ON_F))
    radial = np.stack([log_gabor.radial(radius, 1 / wave, spread) for wave in waves])
    radial *= log_gabor.low_pass(radius)
    sigma = math.pi / ORIENTATIONS / ANGLE_ON_SIGMA
    angles = log_gabor.orientations(ORIENTATIONS)
    angular = np.stack([log_gabor.angular(angle, centre, sigma) for centre in angles])
    bank = angular[:, None] * radial
    return bank.astype(np.float32), np.array([_noise_factor(filters) for filters in bank])


def _noise_factor(filters: np.ndarray) -> float:
    """Threshold over the root of the median energy, for Gaussian noise (Rayleigh amplitudes)."""
    impulses = np.fft.ifft2(filters).real * math.sqrt(filters[0].size)
    own = (impulses**2).sum()
    cross = (impulses.sum(0) ** 2).sum() - own  # twice the sum over pairs of scales
    power = 1 / (math.log(2) * (filters[0] ** 2).sum())
    tau = math.sqrt((2 * own + 2 * cross) * power / 2)
    mean, sigma = tau * math.sqrt(math.pi / 2), tau * math.sqrt(2 - math.pi / 2)
    return (mean + NOISE_DEVIATIONS * sigma) / 1.7
