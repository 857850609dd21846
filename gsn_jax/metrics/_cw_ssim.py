"""Complex wavelet structural similarity.

M. P. Sampat, Z. Wang, S. Gupta, A. C. Bovik, M. K. Markey, "Complex wavelet structural similarity:
a new image similarity index", IEEE TIP 18(11), 2009; parameters of the authors' `cwssim_index.m`.
The complex steerable pyramid is matlabPyrTools' `buildSCFpyr.m`, after J. Portilla,
E. P. Simoncelli, "A parametric texture model based on joint statistics of complex wavelet
coefficients", IJCV 40(1), 2000.
"""

from __future__ import annotations

import functools
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, reductions
from gsn_jax.metrics.preparation import pairwise

LEVELS = 4  # only the bands of the coarsest one are compared
ORIENTATIONS = 8
WINDOW = 7
MIN_SIZE = 64  # the coarsest level then holds a window


@pairwise("cw_ssim", MIN_SIZE)
def cw_ssim(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """Similarity of the luma's complex wavelet coefficients; small shifts hardly matter.

    The mean over eight orientations of the fourth octave in 7 x 7 windows, with a Gaussian weight
    around the centre of the image.

    Args:
        reference: sRGB in [0, 1], at least 64 x 64.
        distorted: as `reference`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        A quality in [0, 1]; 1 for equal images, and for images without any structure. Symmetric.
    """
    planes = colour.luma_and_change(reference, distorted, rounded=rounded)
    band, change = _bands(reductions.without_offset(planes))
    losses = _losses(band, change)
    weights = jnp.asarray(_weights(*losses.shape[-2:], band.shape[-2] / 4), losses.dtype)
    return 1 - reductions.total(losses * weights).mean()


def _bands(planes: Float[Array, "2 h w"]) -> Complex[Array, "2 orientations h8 w8"]:
    """The coarsest bands, up to a factor that the index does not depend on."""
    rows, columns, masks = _masks(*planes.shape[-2:])
    spectrum = jnp.fft.fft2(planes)[:, rows[:, None], columns]
    return jnp.fft.ifft2(spectrum[:, None] * jnp.asarray(masks, spectrum.dtype))


def _losses(
    band: Complex[Array, "n h w"], change: Complex[Array, "n h w"]
) -> Float[Array, "n _h _w"]:
    """1 - 2 |c| / v with c = mean(x conj(y)), v = mean(|x|^2 + |y|^2) over windows.

    From the change d = y - x, so that equal images lose exactly nothing: v - 2 re(c) = mean(|d|^2),
    and im(c) = mean(im(x conj(d))).
    """
    x, y, d = ((values.real, values.imag) for values in (band, band + change, change))
    moments = jnp.stack(
        [
            x[0] * y[0] + x[1] * y[1],
            x[1] * d[0] - x[0] * d[1],
            d[0] * d[0] + d[1] * d[1],
            x[0] * x[0] + x[1] * x[1] + y[0] * y[0] + y[1] * y[1],
        ]
    )
    taps = filters.box_taps(WINDOW)
    real, imaginary, error, power = filters.correlate_separable(moments, taps, taps)
    length = finite.sqrt(real * real + imaginary * imaginary)
    # |c| - re(c), without cancellation.
    excess = jnp.where(
        real > 0,
        finite.divide(imaginary * imaginary, length + real, 0.0),
        length - real,
    )
    return finite.divide(error - 2 * excess, power, 0.0)


@functools.lru_cache(maxsize=16)
def _weights(height: int, width: int, sigma: float) -> np.ndarray:
    y, x = (np.arange(size) - (size - 1) / 2 for size in (height, width))
    window = np.exp(-(y[:, None] ** 2 + x**2) / (2 * sigma**2))
    return window / window.sum()


@functools.lru_cache(maxsize=16)
def _masks(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows and columns of the spectrum that the coarsest level keeps, and its filters.

    Returns:
        Indices `(h8,)` and `(w8,)`, and transfer functions `(orientations, h8, w8)`.
    """
    y, x = (_frequencies(size) for size in (height, width))
    radius = np.hypot(y[:, None], x)
    # The filters are not defined at frequency zero; its neighbour stands in.
    radius[height // 2, width // 2] = radius[height // 2, width // 2 - 1]
    octave, angle = np.log2(radius), np.arctan2(y[:, None], x)
    # Unsigned indices need no check for negative ones, which fails where x64 mode is switched on
    # after a first call.
    rows, columns = (np.fft.fftshift(np.arange(size, dtype=np.uint32)) for size in (height, width))
    mask = _low_pass(octave)
    for level in range(1, LEVELS):
        inner = tuple(_central_half(size) for size in mask.shape)
        rows, columns = rows[inner[0]], columns[inner[1]]
        octave, angle = octave[inner], angle[inner]
        mask = mask[inner] * _low_pass(octave + level)
    mask = mask * np.sqrt(1 - _low_pass(octave + LEVELS) ** 2)
    angles = angle - np.pi / ORIENTATIONS * np.arange(ORIENTATIONS)[:, None, None]
    sectors = np.maximum(np.cos(angles), 0) ** (ORIENTATIONS - 1)
    shifted = np.fft.ifftshift(mask * sectors, (-2, -1))
    return np.fft.ifftshift(rows), np.fft.ifftshift(columns), shifted


def _frequencies(size: int) -> np.ndarray:
    """From -1 up, 1 being half a cycle per sample, zero at `size // 2`."""
    return (np.arange(size) - size // 2) / (size / 2)


def _low_pass(octave: np.ndarray) -> np.ndarray:
    """A raised cosine that falls from 1 to 0 over the octave below 0."""
    return np.cos(np.pi / 2 * np.clip(octave + 1, 0, 1))


def _central_half(size: int) -> slice:
    """Where the spectrum of the next level lies in the shifted one of this level."""
    half = math.ceil((size - 0.5) / 2)
    start = math.ceil((size + 0.5) / 2) - math.ceil((half + 0.5) / 2)
    return slice(start, start + half)


METRICS = {"cw_ssim": FunctionMetric("cw_ssim", cw_ssim, True, (0.0, 1.0), min_size=MIN_SIZE)}
