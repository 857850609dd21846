"""Protocols: what metrics see of an image (luma, borders), as papers state with their scores.

    protocol = NAMED["sr-x4"]  # PSNR and SSIM on Y without 4 pixels at each border
    protocol.of(gsn_jax.metrics.get("psnr"))("original.png", "restored.png")

A metric under a protocol is itself a `Metric`, and works wherever metrics do.
"""

from __future__ import annotations

import dataclasses
import numbers
from typing import Any, Literal, TypeVar, get_args

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.images import as_float
from gsn_jax.metric import Metric
from gsn_jax.metrics import displays
from gsn_jax.metrics.displays import Display
from gsn_jax.scoring import pu21
from gsn_jax.scoring.pairs import Hdr, Loading

Luma = Literal["full", "studio"]
Array = TypeVar("Array", np.ndarray, jax.Array)

# Weights of R, G and B, and the offset, of MATLAB's rgb2gray and rgb2ycbcr (BT.601), scaled to
# values in [0, 1].
_LUMA: dict[Luma, tuple[tuple[float, float, float], float]] = {
    "full": ((0.298936021293775, 0.587043074451121, 0.114020904255103), 0.0),
    "studio": ((65.481 / 255, 128.553 / 255, 24.966 / 255), 16 / 255),
}


@dataclasses.dataclass(frozen=True)
class Protocol:
    """What metrics see of an image.

    Attributes:
        luma: None for the colours; "full" for the BT.601 luma from 0 to 255 (MATLAB's `rgb2gray`);
            "studio" for the one from 16 to 235 (Y of MATLAB's `rgb2ycbcr`), which papers on
            super-resolution report. Metrics get it as a gray image. It is not rounded, not even by
            metrics that otherwise round luma to 8 bits.
        crop_border: number of rows and columns removed at each border.
        hdr: "pu21" for HDR images: files as `gsn_jax.images.load_luminance` reads them, or arrays
            of linear RGB with the primaries of BT.709 in cd/m2. Metrics get PU21 values, see
            `gsn_jax.scoring.pu21`. None for sRGB images.
        peak_nits: with `hdr`, the peak luminance of the display in cd/m2, see
            `gsn_jax.images.load_luminance`.
        display: the display that images are seen on, for metrics that depend on it (cvvdp): a name
            in `gsn_jax.metrics.displays.DISPLAYS`, or a `Display`. Other metrics ignore it.

    Raises:
        InputError: a value is not one of these, or two exclude each other.
    """

    luma: Luma | None = None
    crop_border: int = 0
    hdr: Hdr | None = None
    peak_nits: float | None = None
    display: str | Display | None = None

    def __post_init__(self) -> None:
        if self.luma not in (None, *get_args(Luma)):
            raise InputError(f"luma must be one of {', '.join(get_args(Luma))}, got {self.luma!r}")
        if not isinstance(self.crop_border, numbers.Integral) or self.crop_border < 0:
            raise InputError(
                f"crop_border must be a whole number of at least 0, got {self.crop_border!r}"
            )
        if self.hdr not in (None, *get_args(Hdr)):
            raise InputError(f"hdr must be {', '.join(get_args(Hdr))}, got {self.hdr!r}")
        if self.hdr and self.luma:
            raise InputError("luma cannot be combined with hdr; leave out luma, and use psnr_y")
        if self.peak_nits is not None:
            pu21.check_peak(self.peak_nits)
            if not self.hdr:
                raise InputError("peak_nits is for HDR images; give hdr pu21 too")
        if self.display is not None:
            displays.named(self.display)

    def __str__(self) -> str:
        parts = {
            f"luma {self.luma}": self.luma,
            f"crop border {self.crop_border}": self.crop_border,
            f"hdr {self.hdr}": self.hdr,
            f"peak {self.peak_nits or 0:g} cd/m2": self.peak_nits,
            f"display {self.display}": self.display,
        }
        return ", ".join(text for text, given in parts.items() if given)

    def of(self, metric: Metric) -> Metric:
        """The metric under this protocol; the metric itself if the protocol changes nothing."""
        # Imported here because that module imports this class.
        from gsn_jax.scoring.protocol_metric import under

        return under(self, metric)

    def crop(self, image: Array) -> Array:
        """An image `(..., H, W, C)` without its borders.

        Raises:
            InputError: nothing would be left.
        """
        border = self.crop_border
        height, width = image.shape[-3:-1]
        if min(height, width) <= 2 * border:
            raise InputError(
                f"{width} x {height} is too small to remove {border} pixels at each border"
            )
        return image[..., border : height - border, border : width - border, :]

    def prepare(self, image: Array) -> Array:
        """What metrics see of an image `(..., H, W, 3)` of uint8, uint16 or floats in [0, 1].

        An HDR image (linear RGB in cd/m2) is only cropped here; `pu21.seen_by` encodes it for each
        metric.

        Returns:
            `(..., H - 2 * crop_border, W - 2 * crop_border, 3)`; luma is float32 in [0, 1].

        Raises:
            InputError: the image is too small, see `crop`.
        """
        image = self.crop(image)
        if self.luma is None:
            return image
        weights, offset = _LUMA[self.luma]
        values = as_float(image)
        gray = sum(values[..., i, None] * np.float32(weight) for i, weight in enumerate(weights))
        xp: Any = np if isinstance(image, np.ndarray) else jnp
        gray = xp.minimum(gray + np.float32(offset), 1)  # rounding could exceed white
        return xp.broadcast_to(gray, image.shape)


# The protocols of papers on super-resolution by 2, 3 and 4, and of BasicSR's `test_y_channel`.
NAMED = {f"sr-x{scale}": Protocol("studio", scale) for scale in (2, 3, 4)}


def named_protocol(protocol: Protocol | str) -> Protocol:
    """The protocol itself, or the one of that name in `NAMED`.

    Raises:
        InputError: no protocol has that name.
    """
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in NAMED:
        raise InputError(f"unknown protocol {protocol!r}; known: {', '.join(NAMED)}")
    return NAMED[protocol]


def described(protocol: Protocol, loading: Loading) -> dict[str, Any]:
    """What tables of scores record: everything that changes images before metrics get them.

    Args:
        protocol: what metrics see of an image.
        loading: how files become pairs of images.
    """
    reading = {"resize": loading.resize, "alpha": loading.alpha, "align": loading.align}
    display = None if protocol.display is None else str(protocol.display)
    return {**dataclasses.asdict(protocol), "display": display, **reading}
