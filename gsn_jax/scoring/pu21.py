"""PU21: encodes HDR images for metrics that were made for 8-bit SDR images.

R. K. Mantiuk, M. Azimi, "PU21: a novel perceptually uniform encoding for adapting existing quality
metrics for HDR", PCS 2021; the authors' variant `banding_glare`. Values run from 0 for 0.005 cd/m2
to 595 for 10000, and 256 stands for 100 cd/m2. As the authors do, metrics with a peak value (PSNR,
SSIM, MS-SSIM) use 256 as the peak, and metrics whose constants assume 8 bits (FSIM, VSI) take the
values as they are. The authors leave VIF open; here it is treated like FSIM, on the luminance.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.images import ImageLike, load_luminance
from gsn_jax.metric import FunctionMetric, Metric

Array = TypeVar("Array", np.ndarray, jax.Array)

DARKEST, BRIGHTEST = 0.005, 10_000.0  # cd/m2
_P = (0.353487901, 0.3734658629, 8.277049286e-05, 0.9062562627, 0.09150303166, 0.9099517204,
      596.3148142)  # fmt: skip
# Weights of R, G and B with BT.709 primaries, as rounded by the authors.
_LUMINANCE = (0.212656, 0.715158, 0.072186)

_PEAK, _EIGHT_BITS = 256.0, 255.0


class _View(NamedTuple):
    """How a metric sees HDR images.

    Attributes:
        white: the PU21 value that is scaled to 1, which all metrics here take for white.
        luminance: whether the metric gets PU21 values of the luminance, as a gray image.
    """

    white: float
    luminance: bool


_VIEWS = {
    "psnr": _View(_PEAK, luminance=False),
    "psnr_y": _View(_PEAK, luminance=True),
    "ssim": _View(_PEAK, luminance=True),
    "ms_ssim": _View(_PEAK, luminance=True),
    "fsim": _View(_EIGHT_BITS, luminance=False),
    "fsimc": _View(_EIGHT_BITS, luminance=False),
    "vsi": _View(_EIGHT_BITS, luminance=False),
    "vif": _View(_EIGHT_BITS, luminance=True),
    "vifp": _View(_EIGHT_BITS, luminance=True),
}


def encode(luminance: Array) -> Array:
    """PU21 values of luminances in cd/m2, which are clipped to [0.005, 10000]."""
    xp: Any = np if isinstance(luminance, np.ndarray) else jnp
    power = xp.clip(luminance, DARKEST, BRIGHTEST) ** _P[3]
    ratio = (_P[0] + _P[1] * power) / (1 + _P[2] * power)
    return xp.maximum(_P[6] * (ratio ** _P[4] - _P[5]), 0)


def seen_by(name: str, image: Array) -> Array:
    """What a metric sees of an HDR image.

    Args:
        name: name of a metric that passes `check_defined`.
        image: `(..., H, W, 3)`, linear RGB with BT.709 primaries in cd/m2.

    Returns:
        PU21 values as float32 `(..., H, W, 3)`, scaled so that 1 is the metric's white.
    """
    view = _VIEWS[name]
    xp: Any = np if isinstance(image, np.ndarray) else jnp
    if not view.luminance:
        return (encode(image) / view.white).astype(xp.float32)
    red, green, blue = (image[..., i, None] * weight for i, weight in enumerate(_LUMINANCE))
    luminance: Any = red + green + blue
    gray = (encode(luminance) / view.white).astype(xp.float32)
    return xp.broadcast_to(gray, image.shape)


def check_defined(metric: Metric) -> None:
    """Refuses a metric that is not defined for HDR images.

    Raises:
        InputError: the metric is not one of those listed in this module.
    """
    if metric.name not in _VIEWS or not isinstance(metric, FunctionMetric):
        raise InputError(
            f"{metric.name}: is not defined for HDR images; with hdr pu21 use one of "
            f"{', '.join(_VIEWS)}"
        )


def check_peak(peak_nits: float) -> None:
    """Refuses a peak luminance that no display has.

    Raises:
        InputError: it is not a number from 1 to 10000.
    """
    if not 1 <= peak_nits <= BRIGHTEST:
        raise InputError(f"peak_nits must lie in [1, {BRIGHTEST:g}] cd/m2, got {peak_nits:g}")


def as_luminance(image: ImageLike, where: str, peak_nits: float | None) -> Any:
    """A path or an array as linear RGB with BT.709 primaries in cd/m2, `(..., H, W, 3)`.

    Args:
        image: an HDR file, see `gsn_jax.images.load_luminance`; or floats `(..., H, W, 3)`.
        where: what to call the image in an error message.
        peak_nits: see `gsn_jax.images.load_luminance`; arrays are also clipped to this value.

    Raises:
        InputError: the file cannot be read, or the array has another shape or type, or values that
            are not finite.
    """
    if isinstance(image, (str, os.PathLike)):
        return load_luminance(image, peak_nits=peak_nits)
    values = image if isinstance(image, (np.ndarray, jax.Array)) else np.asarray(image)
    if values.ndim < 3 or values.shape[-1] != 3 or 0 in values.shape:
        raise InputError(
            f"{where}: an HDR image is an array (..., height, width, 3), got shape {values.shape}"
        )
    if not jnp.issubdtype(values.dtype, jnp.floating):
        raise InputError(f"{where}: an HDR image is float in cd/m2, got {values.dtype}")
    xp: Any = np if isinstance(values, np.ndarray) else jnp
    if not isinstance(values, jax.core.Tracer) and not bool(xp.isfinite(values).all()):
        raise InputError(f"{where}: holds values that are not finite (NaN or infinite)")
    values = values.astype(xp.float32)
    return values if peak_nits is None else xp.minimum(values, xp.float32(peak_nits))
