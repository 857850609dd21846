"""Complex wavelet structural similarity.

M. P. Sampat, Z. Wang, S. Gupta, A. C. Bovik, M. K. Markey, "Complex wavelet structural similarity:
a new image similarity index", IEEE TIP 18(11), 2009; parameters of the authors' `cwssim_index.m`.
The complex steerable pyramid is matlabPyrTools' `buildSCFpyr.m`, after J. Portilla,
E. P. Simoncelli, "A parametric texture model based on joint statistics of complex wavelet
coefficients", IJCV 40(1), 2000.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour, filters, finite, fourier, reductions
from gsn_jax.metrics.preparation import pairwise

LEVELS = 4  # only the bands of the coarsest level are compared
ORIENTATIONS = 8
WINDOW = 7
MIN_SIZE = 64  # the coarsest level then holds a window


@pairwise("cw_ssim", MIN_SIZE)
def cw_ssim(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """Similarity of the luma's complex wavelet coefficients; small shifts hardly matter.

    The mean over 7 x 7 windows and eight orientations of the fourth octave, with Gaussian weights
    around the centre of the image.

    Args:
        reference: sRGB in [0, 1], at least 64 x 64.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        rounded: whether luma is rounded to 8 bits, as `rgb2gray` does.

    Returns:
        A quality in [0, 1]; 1 for equal images, and for images without any structure. Symmetric.
    """
    planes = colour.luma_and_change(reference, distorted, rounded=rounded)
    band, change = _bands(reductions.without_offset(planes, extent), extent)
    losses = _losses(band, change)
    coarse = Extent(*map(_coarsest, extent or planes.shape[-2:]))
    sigma = jnp.asarray(coarse.height, losses.dtype) / 4
    windows = Extent(*(size - WINDOW + 1 for size in coarse))
    weights = _weights(losses.shape[-2:], windows, sigma)
    return 1 - reductions.total(losses * weights).mean()


def _bands(
    planes: Float[Array, "2 h w"], extent: Extent | None
) -> Complex[Array, "2 orientations h8 w8"]:
    """The coarsest bands, up to a factor that the index does not depend on."""
    shape, dtype = planes.shape[-2:], planes.dtype
    size = extent or Extent(*shape)
    rows, columns = (_kept(*axis) for axis in zip(shape, size, strict=True))
    forward = (
        fourier.matrix(kept, length, true, dtype)
        for kept, length, true in zip((rows, columns), shape, size, strict=True)
    )
    backward = (
        fourier.matrix(kept, kept.size, _coarsest(true), dtype)
        for kept, true in zip((rows, columns), size, strict=True)
    )
    half = [jnp.asarray(true, dtype) / 2 for true in size]
    y, x = (kept.astype(dtype) / h for kept, h in zip((rows, columns), half, strict=True))
    # A padded plane has no frequencies beyond the coarsest level of its image.
    inside = [rows < (_coarsest(size.height) + 1) // 2, columns < (_coarsest(size.width) + 1) // 2]
    masks = jnp.where(inside[0][:, None] & inside[1], _masks(y[:, None], x, 1 / half[1]), 0)
    spectrum = fourier.forward(planes, *forward)[:, None]
    filtered = filters.apply_transfer(spectrum, masks / (half[0] * half[1]))
    return fourier.inverse(filtered, *backward)


def _coarsest(size: Any) -> Any:
    """The height or width of the coarsest level."""
    for _ in range(1, LEVELS):
        size = (size + 1) // 2
    return size


def _kept(length: int, size: Any) -> Int[Array, " n"]:
    """The frequencies of the coarsest level along one axis, lowest first, in cycles per image.

    Args:
        length: number of samples in the array.
        size: number of samples of the image.
    """
    return jnp.arange(_coarsest(length), dtype=jnp.int32) - _coarsest(size) // 2


def _losses(
    band: Complex[Array, "n h w"], change: Complex[Array, "n h w"]
) -> Float[Array, "n _h _w"]:
    """1 - 2 |c| / v with c = mean(x conj(y)), v = mean(|x|^2 + |y|^2) over windows.

    Computed from the change d = y - x, so that the loss of equal images is exactly zero:
    v - 2 re(c) = mean(|d|^2), and im(c) = mean(im(x conj(d))).
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


def _weights(shape: tuple[int, ...], size: Extent, sigma: Array) -> Float[Array, "h w"]:
    """A Gaussian around the centre of an image of `size`, in an array of `shape`; sums to 1."""
    windows = []
    for length, true in zip(shape, size, strict=True):
        place = jnp.arange(length, dtype=jnp.int32)
        distance = (2 * place - (true - 1)).astype(sigma.dtype) / 2
        window = jnp.where(place < true, jnp.exp(-(distance**2) / (2 * sigma**2)), 0)
        windows.append(window / window.sum())
    return windows[0][:, None] * windows[1]


def _masks(
    y: Float[Array, "h8 1"], x: Float[Array, " w8"], least: Float[Array, ""]
) -> Float[Array, "orientations h8 w8"]:
    """The transfer functions of the coarsest level.

    Args:
        y: vertical frequencies, relative to Nyquist.
        x: horizontal frequencies.
        least: the radius to use at frequency zero, where the filters are not defined.
    """
    radius = jnp.hypot(y, x)
    octave, angle = jnp.log2(jnp.where(radius == 0, least, radius)), jnp.arctan2(y, x)
    low = [_low_pass(octave + level) for level in range(LEVELS + 1)]
    mask = math.prod(low[:-1]) * jnp.sqrt(1 - low[-1] ** 2)
    turns = jnp.arange(ORIENTATIONS, dtype=y.dtype)[:, None, None] * (math.pi / ORIENTATIONS)
    return mask * jnp.maximum(jnp.cos(angle - turns), 0) ** (ORIENTATIONS - 1)


def _low_pass(octave: Float[Array, "h w"]) -> Float[Array, "h w"]:
    """A raised cosine that falls from 1 to 0 between octaves -1 and 0."""
    return jnp.cos(jnp.pi / 2 * jnp.clip(octave + 1, 0, 1))


METRICS = {
    "cw_ssim": FunctionMetric("cw_ssim", cw_ssim, True, (0.0, 1.0), min_size=MIN_SIZE, padded=True)
}
