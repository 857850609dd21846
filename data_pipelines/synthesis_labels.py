"""Quality labels of synthesised images, in [0, 1], up = better, 1 = identical.

- "ensemble": classical metrics and LPIPS, fused to follow TID2013's opinion scores. With d_m the
  distance of metric m (0 = identical), quality = sigmoid(b + o - sum_m w_m log(d_m + e_m)),
  w >= 0. The offset o is that of the distortion type or of the similar one in `LIKE`, and 0 for
  types that were not fitted. `scripts/fit_synthesis_labels.py` fits the coefficients in
  `synthesis_weights`. For types that TID2013 has, and those like them, the label "level" has a
  weight of 30 %; it orders levels that metrics hardly distinguish (changes of saturation). Restored
  images (groups scaling and restoration, except types of TID2013) get the mean of LPIPS and DISTS
  instead, each mapped to quality: LPIPS was trained on human judgements of such images, DISTS
  tolerates resampled texture, and classical metrics agree least with people there (Zhang et al.,
  CVPR 2018).
- "level": TID2013's mean opinion of the type and level, averaged over all types for types that it
  lacks. It does not depend on the photograph.
- NAME of a metric with values in [0, 1]: one of `gsn_jax.metrics`, or anything else that the
  caller's `find` returns, such as a teacher model.

Within a photograph and type, labels never rise with the level (isotonic regression).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import scipy.optimize
from jaxtyping import Float
from numpy.typing import ArrayLike

from data_pipelines import synthesis_weights as weights
from gsn_jax.errors import InputError
from gsn_jax.metric import FeatureCache, Metric, ReferenceCaching, Remember, forget
from gsn_jax.pretrained import packages

DEFAULT = "ensemble"

Find = Callable[[str], Metric]  # returns a metric by name; raises InputError if there is none

# TID2013's mean opinion score (0-9) that maps to quality 1; the best image has 7.21.
BEST_MOS = 7.2

# Weight of the label "level" in "ensemble".
_LEVEL_SHARE = 0.3

# Distortions that use the offset and level opinions of a similar type of TID2013.
LIKE = {
    "colour_diffusion": "chromatic_aberration",
    "colour_shift": "chromatic_aberration",
    "brighten": "mean_shift",
    "darken": "mean_shift",
    "lens_blur": "gaussian_blur",
    "motion_blur": "gaussian_blur",
    "saturation_hsv": "saturation",
    "saturation_lab": "saturation",
    "upscaling_bilinear": "gaussian_blur",
    "upscaling_bicubic": "gaussian_blur",
    "upscaling_lanczos": "gaussian_blur",
    "upscaling_sharpened": "gaussian_blur",
    "back_projection": "gaussian_blur",
    "upscaling_network": "gaussian_blur",
    "upscaling_texture": "gaussian_blur",
    "nlmeans": "denoising",
    "bilateral_filter": "denoising",
    "median_filter": "denoising",
    "denoising_network": "denoising",
    "dct_coder": "denoising",
    "webp": "jpeg",
    "deblocking": "jpeg",
    "deblocking_network": "jpeg",
}


def registered(name: str) -> Metric:
    """A metric of `gsn_jax.metrics`.

    Raises:
        InputError: there is none of that name.
    """
    from gsn_jax import metrics

    if name not in metrics.names():
        raise InputError(f"no label {name!r}; give ensemble, level or one of gsn_jax's metrics")
    return metrics.get(name)


@functools.lru_cache(maxsize=1)
def _found(name: str, find: Find) -> Metric:
    """Cached, since a model in a folder would be loaded and compiled for every photograph."""
    return find(name)


def check(name: str, find: Find = registered) -> None:
    """Checks that a label can be computed.

    Raises:
        InputError: there is no such label, the metric has values outside [0, 1], or its weights
            are not installed.
    """
    if name == "ensemble":
        packages.lpips_heads("alexnet")
        packages.dists_weights()
    if name in ("ensemble", "level"):
        return
    if _found(name, find).value_range != (0.0, 1.0):
        raise InputError(f"metric {name!r} has values outside [0, 1]; give another label")


def label(
    name: str,
    kind: str,
    levels: Sequence[int],
    reference: np.ndarray,
    distorted: Sequence[np.ndarray],
    find: Find = registered,
) -> list[float]:
    """The quality labels of one photograph under one distortion type.

    Args:
        name: see `check`.
        kind: the distortion's name.
        levels: ascending levels.
        reference: uint8 `(H, W, 3)`.
        distorted: one uint8 `(H, W, 3)` per level.
        find: returns a metric by name.

    Returns:
        One value in [0, 1] per level, up = better, non-increasing.
    """
    values: Sequence[float] | np.ndarray
    if name == "level":
        values = [level_quality(kind, level) for level in levels]
    elif name == "ensemble":
        values = _ensemble(kind, levels, reference, distorted)
    else:
        metric = _found(name, find)
        values = [1 - distance(metric, reference, image) for image in distorted]
    return [float(value) for value in falling(values)]


def _ensemble(
    kind: str, levels: Sequence[int], reference: np.ndarray, distorted: Sequence[np.ndarray]
) -> np.ndarray:
    if _is_restored(kind):
        return restored_quality(distances(tuple(weights.RESTORED), reference, distorted))
    quality = ensemble_quality(kind, distances(weights.METRICS, reference, distorted))
    if _number(kind) is None:
        return quality
    prior = np.array([level_quality(kind, level) for level in levels])
    return (1 - _LEVEL_SHARE) * quality + _LEVEL_SHARE * prior


def _is_restored(kind: str) -> bool:
    from data_pipelines import distortions

    entry = distortions.get(kind)
    return entry.group in ("scaling", "restoration") and entry.tid2013 is None


def restored_quality(values: Float[np.ndarray, "n m"]) -> Float[np.ndarray, " n"]:
    """Quality `(N,)` of restored images from distances `(N, M)` under `weights.RESTORED`."""
    floors, offsets, slopes = np.transpose(list(weights.RESTORED.values()))
    logs = np.log(np.maximum(values, 0) + floors)
    return np.mean(1 / (1 + np.exp(-(offsets - slopes * logs))), axis=1)


def _number(kind: str) -> int | None:
    """TID2013's number of the type, or of the similar one in `LIKE`; None if there is neither."""
    from data_pipelines import distortions

    return distortions.get(LIKE.get(kind, kind)).tid2013


def falling(values: ArrayLike) -> np.ndarray:
    """The nearest non-increasing sequence (least squares), clipped to [0, 1]."""
    fitted = scipy.optimize.isotonic_regression(values, increasing=False).x
    return np.clip(fitted, 0, 1)


def level_quality(kind: str, level: int) -> float:
    """TID2013's mean opinion as quality: of the type and level, or of the level for other types."""
    number = _number(kind)
    opinions = weights.MEAN_MOS if number is None else weights.MOS[number]
    return min(opinions[level - 1] / BEST_MOS, 1.0)


def distances(
    names: Sequence[str], reference: np.ndarray, distorted: Sequence[np.ndarray]
) -> np.ndarray:
    """Distances `(N, M)` of N images under M metrics, 0 = identical."""
    features = FeatureCache()
    metrics = {name: registered(name) for name in names}
    return np.array(
        [
            [
                distance(metric, reference, image, features.of(name))
                for name, metric in metrics.items()
            ]
            for image in distorted
        ]
    )


def ensemble_quality(kind: str, values: Float[np.ndarray, "n m"]) -> Float[np.ndarray, " n"]:
    """Fused quality `(N,)` from distances `(N, M)` under `weights.METRICS`."""
    offset = weights.BIAS + weights.OFFSETS.get(LIKE.get(kind, kind), 0.0)
    logs = np.log(np.maximum(values, 0) + weights.FLOORS)
    return 1 / (1 + np.exp(-(offset - logs @ np.asarray(weights.WEIGHTS))))


def distance(
    metric: Metric, reference: np.ndarray, distorted: np.ndarray, remember: Remember = forget
) -> float:
    """Distance of a metric's score from its value for identical images, >= 0.

    Args:
        metric: must implement `ReferenceCaching`.
        reference: uint8 `(H, W, 3)`.
        distorted: uint8 `(H, W, 3)`.
        remember: caches the reference's features, see `gsn_jax.metric.Remember`.

    Raises:
        TypeError: the metric does not score arrays.
    """
    if not isinstance(metric, ReferenceCaching):
        raise TypeError(f"{metric.name} does not score arrays")
    value = float(metric.score_arrays(reference, distorted, remember))
    return max(1.0 - value if metric.higher_is_better else value, 0.0)
