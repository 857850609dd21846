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
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import filters, finite, folded_fourier, log_gabor, reductions
from gsn_jax.metrics.order_statistics import median
from gsn_jax.metrics.staging import staged

SCALES = 4
ORIENTATIONS = 4
SHORTEST_WAVE = 6
SIGMA_ON_F = 0.55
ANGLE_ON_SIGMA = 1.2
NOISE_DEVIATIONS = 2.0
EPSILON = 1e-4
WAVES = tuple(SHORTEST_WAVE * 2**scale for scale in range(SCALES))
SPREAD = abs(math.log(SIGMA_ON_F))
ANGLES = log_gabor.orientations(ORIENTATIONS)
ANGLE_SIGMA = math.pi / ORIENTATIONS / ANGLE_ON_SIGMA
# Mean plus deviations of Rayleigh amplitudes, of which the original takes a part.
RAYLEIGH = (math.sqrt(math.pi / 2) + NOISE_DEVIATIONS * math.sqrt(2 - math.pi / 2)) / (
    1.7 * math.sqrt(math.log(2))
)


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
        waves = (
            jnp.fft.ifft2(filters.apply_transfer(spectrum, jnp.asarray(transfer, plane.dtype)))
            for transfer in bank[orientation]
        )
        responses = [(wave.real, wave.imag) for wave in waves]
        squares = [even**2 + odd**2 for even, odd in responses]
        threshold = float(noise[orientation]) * finite.sqrt(median(squares[0]))
        energies.append(jnp.maximum(_energy(responses) - threshold[..., None, None], 0))
        amplitudes.extend(finite.sqrt(square) for square in squares)
    return finite.divide(reductions.add(energies), reductions.add(amplitudes), 0.0)


def padded_phase_congruency(planes: Float[Array, "n h w"], extent: Extent) -> Float[Array, "n h w"]:
    """`phase_congruency` of planes in the top left corners of their arrays.

    The transforms are products with matrices that depend on the true size (`folded_fourier`). One
    plane at a time, so that the arithmetic for equal planes is identical.
    """
    rows, columns = (
        folded_fourier.axis(length, size, planes.dtype)
        for length, size in zip(planes.shape[-2:], extent, strict=True)
    )
    held = folded_fourier.samples(rows, columns)
    radial, angle = _folded_filters(rows, columns)
    weights = rows.once[:, None] * columns.once
    spectra = lax.map(lambda plane: folded_fourier.spectrum(plane, rows, columns), planes)

    def of_orientation(centre: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Energies and amplitudes `(n, 2, 2, i, j)`."""
        distance = jnp.abs(angle - centre)
        distance = jnp.minimum(distance, 2 * math.pi - distance)
        transfers = staged(radial * jnp.exp(-(distance**2) / (2 * ANGLE_SIGMA**2)))
        noise = _folded_noise_factor(transfers, weights)

        def of_plane(spectrum: folded_fourier.Spectrum) -> tuple[jax.Array, jax.Array]:
            even, odd = folded_fourier.filtered(spectrum, transfers, rows, columns)
            responses = [(even[..., scale, :], odd[..., scale, :]) for scale in range(SCALES)]
            squares = [real**2 + imaginary**2 for real, imaginary in responses]
            finest = jnp.where(held, squares[0], jnp.inf).reshape(-1, held.shape[-1])
            threshold = noise * finite.sqrt(median(finest, extent.height * extent.width))
            energy = jnp.maximum(_energy(responses) - threshold, 0)
            return energy, reductions.add(map(finite.sqrt, squares))

        return lax.map(of_plane, spectra)

    energies, amplitudes = lax.map(of_orientation, jnp.asarray(ANGLES, planes.dtype))
    folded = finite.divide(reductions.add(energies), reductions.add(amplitudes), 0.0)
    return jnp.stack(
        [folded_fourier.unfolded(plane, planes.shape[-2:], extent) for plane in folded]
    )


def _folded_filters(
    rows: folded_fourier.Axis, columns: folded_fourier.Axis
) -> tuple[Float[Array, "i n j"], Float[Array, "2 2 i 1 j"]]:
    """Radial parts of the filters of each scale, and angles in radians, as in `filter_bank`."""
    y, x = (jnp.stack(_frequencies(axis)) for axis in (rows, columns))
    radius = jnp.hypot(y[0][:, None, None], x[0])
    logarithm = jnp.log(jnp.where(radius > 0, radius, 1))
    centres = jnp.log(1 / jnp.asarray(WAVES, radius.dtype))[:, None]
    radial = jnp.exp(-((logarithm - centres) ** 2) / (2 * SPREAD**2))
    radial = jnp.where(radius > 0, radial * log_gabor.low_pass(radius), 0)
    return radial, jnp.arctan2(-y[:, None, :, None, None], x[None, :, None, None, :])


def _frequencies(axis: folded_fourier.Axis) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
    """Cycles per sample of the bins k and -k, spaced as in `log_gabor.polar_frequencies`."""
    bins = jnp.arange(axis.once.size, dtype=jnp.int32)
    spacing = jnp.maximum(axis.size - axis.size % 2, 1).astype(axis.once.dtype)
    frequencies = bins / spacing
    # The highest bin of an even size is its own mirror image, and its frequency is negative.
    return jnp.where(2 * bins == axis.size, -frequencies, frequencies), -frequencies


def _folded_noise_factor(
    transfers: Float[Array, "2 2 i n j"], weights: Float[Array, "i j"]
) -> Float[Array, ""]:
    """`_noise_factor` of folded transfer functions."""
    total = transfers.sum(-2)
    even = ((total[0, 0] + total[1, 1]) ** 2 + (total[0, 1] + total[1, 0]) ** 2) / 2
    finest = reductions.total(weights * transfers[..., 0, :] ** 2).sum()
    return RAYLEIGH * finite.sqrt(reductions.total(weights * even) / finest)


def _energy(responses: list[tuple[jax.Array, jax.Array]]) -> jax.Array:
    """Sum over scales of A (cos d - |sin d|), with d the deviation from the mean phase.

    Args:
        responses: of each scale, the real (even) and the imaginary (odd) part.
    """
    even = reductions.add(real for real, _ in responses)
    odd = reductions.add(imaginary for _, imaginary in responses)
    norm = finite.sqrt(even**2 + odd**2) + EPSILON
    even, odd = even / norm, odd / norm
    return reductions.add(
        real * even + imaginary * odd - jnp.abs(real * odd - imaginary * even)
        for real, imaginary in responses
    )


@functools.lru_cache(maxsize=8)
def filter_bank(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Transfer functions `(ORIENTATIONS, SCALES, H, W)` and noise factors `(ORIENTATIONS,)`.

    The noise threshold of an orientation is its factor times the square root of the median squared
    response at the finest scale.
    """
    radius, angle = log_gabor.polar_frequencies(height, width)
    radial = np.stack([log_gabor.radial(radius, 1 / wave, SPREAD) for wave in WAVES])
    radial *= log_gabor.low_pass(radius)
    angular = np.stack([log_gabor.angular(angle, centre, ANGLE_SIGMA) for centre in ANGLES])
    bank = angular[:, None] * radial
    return bank.astype(np.float32), np.array([_noise_factor(filters) for filters in bank])


def _noise_factor(filters: np.ndarray) -> float:
    """Threshold over the root of the median energy, for Gaussian noise (Rayleigh amplitudes).

    By Parseval's theorem, from the part of the filters that is even in frequency. The original sums
    the squares of the impulse responses and their products over pairs of scales, which together are
    the square of their sum.
    """
    total = filters.sum(0)
    mirrored = np.roll(total[::-1, ::-1], (1, 1), axis=(0, 1))
    return RAYLEIGH * math.sqrt((((total + mirrored) / 2) ** 2).sum() / (filters[0] ** 2).sum())
