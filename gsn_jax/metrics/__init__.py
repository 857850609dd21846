"""Full-reference quality metrics as pure JAX functions, and their registry.

    gsn_jax.metrics.names()                      # every registry name
    metric = gsn_jax.metrics.get("ms_ssim")      # a Metric, which checks its input and compiles
    metric("reference.png", "distorted.png")
    gsn_jax.metrics.ms_ssim(reference, distorted)  # the pure function, for jit, vmap and grad

A pure function takes float arrays `(..., H, W, 3)` of sRGB in [0, 1], the reference first, and
returns scores `(...)`. It checks shapes and types but not values. A metric's module is imported
when it is first used.

Most functions also take images of different sizes padded to one array shape, so that XLA compiles
one program for all: each image lies in the top left corner of its array, and
`extent=Extent(heights, widths)` (`gsn_jax.images.size_classes`) gives the true sizes, int32 arrays
of shape `(...)`. The score is that of the image alone to 1e-6, whatever the padding holds. For
`mdsi`, `vsi` and `sr_sim`, an image whose shorter side is below 384 needs an array whose shorter
side is below 384 too; otherwise the score is NaN.

To add a metric NAME, write a module with `METRICS = {"NAME": Metric}` and a function `NAME`, and
add a line to `_MODULES`. A module must not have the name of a metric, because importing it would
hide the function.
"""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from gsn_jax.errors import InputError
from gsn_jax.metric import Metric

# Registry name -> module of this package that holds METRICS[name] and the pure function `name`.
_MODULES = {
    "psnr": "_psnr",
    "psnr_y": "_psnr",
    "ssim": "_ssim",
    "ms_ssim": "_ssim",
    "iw_ssim": "_iw_ssim",
    "vif": "_vif",
    "vifp": "_vifp",
    "gmsd": "_gmsd",
    "ms_gmsd": "_gmsd",
    "mdsi": "_mdsi",
    "haarpsi": "_haarpsi",
    "nlpd": "_nlpd",
    "fsim": "_fsim",
    "fsimc": "_fsim",
    "vsi": "_vsi",
    "lpips_alex": "_lpips",
    "lpips_vgg": "_lpips",
    "dists": "_dists",
    "adists": "_adists",
    "pieapp": "_pieapp",
    "deepiqa": "_deepiqa",
    "mad": "_mad",
    "ssimulacra2": "_ssimulacra2",
    "butteraugli": "_butteraugli",
    "butteraugli_3norm": "_butteraugli",
    "cvvdp": "_cvvdp",
    "vmaf": "_vmaf",
    "vmaf_neg": "_vmaf",
    "psnr_hvs": "_psnr_hvs",
    "psnr_hvs_m": "_psnr_hvs",
    "ciede2000": "_ciede2000",
    "flip": "_flip",
    "cw_ssim": "_cw_ssim",
    "sr_sim": "_sr_sim",
    "dss": "_dss",
}

__all__ = ["get", "names", *_MODULES]


def names() -> tuple[str, ...]:
    """Returns the names of all metrics, including those whose weights are not in this package."""
    return tuple(_MODULES)


def get(name: str) -> Metric:
    """Returns the metric of that name.

    Raises:
        InputError: no metric has that name.
    """
    if not isinstance(name, str):
        raise InputError(f"the name of a metric must be text, got {type(name).__name__}")
    if name not in _MODULES:
        raise InputError(f"unknown metric {name!r}; {_hint(name)}")
    return _module(name).METRICS[name]


def _hint(name: str) -> str:
    if name.startswith("gsn"):
        return f"trained models are loaded with gsn_jax.load({name!r})"
    close = difflib.get_close_matches(name.lower(), _MODULES, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(_MODULES)}"


def _module(name: str) -> Any:
    return importlib.import_module(f"gsn_jax.metrics.{_MODULES[name]}")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(_module(name), name)
    raise AttributeError(f"module 'gsn_jax.metrics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
