"""Quality labels of synthesised images, in [0, 1], up = better, 1 = identical.

- "ensemble": classical metrics and LPIPS, fused so that they follow TID2013's opinion scores. With
  d_m the distance of metric m (0 = identical), quality = sigmoid(b + o - sum_m w_m log(d_m + e_m)),
  w >= 0, and o an offset of the distortion type, as far as TID2013 knows the type or one like it.
  Fitted by `scripts/fit_synthesis_labels.py`; the coefficients are in `synthesis_weights`. For
  those types it is mixed with the label "level" (30 %), which orders levels that the metrics hardly
  tell apart (a change of saturation). Restored images (of scaling and restoration, as far as
  TID2013 has none like it) are judged by LPIPS and DISTS, each likewise mapped to quality, on
  average: LPIPS learned from what people say of such images, DISTS does not mind other textures of
  the same kind, and classical metrics agree least there (Zhang et al., CVPR 2018).
- "level": the mean opinion of the type's level in TID2013, and a common one for other types. It
  knows nothing of the photograph.
- NAME of a metric in `gsn_jax.metrics` whose values lie in [0, 1].

Whatever the label, it never rises with the level within a photograph and type (isotonic
regression).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.optimize

from data_pipelines import synthesis_weights as weights
from gsn_jax.errors import InputError
from gsn_jax.metric import FeatureCache, Remember, forget
from gsn_jax.pretrained import packages

DEFAULT = "ensemble"

# A mean opinion score of TID2013 (0-9) that stands for "as good as the original"; 7.21 is the best.
BEST_MOS = 7.2

# The part of the label "level" in "ensemble".
_LEVEL_SHARE = 0.3

# Distortions that are judged like one of TID2013's.
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


def check(name: str) -> None:
    """Refuses a label that does not exist.

    Raises:
        InputError: it is no label and no metric with values in [0, 1], or its metrics need weights
            that are not installed.
    """
    if name == "ensemble":
        packages.lpips_heads("alexnet")
        packages.dists_weights()
    if name in ("ensemble", "level"):
        return
    from gsn_jax import metrics

    if name not in metrics.names():
        raise InputError(f"no label {name!r}; give ensemble, level or one of gsn_jax's metrics")
    if metrics.get(name).value_range != (0.0, 1.0):
        raise InputError(f"metric {name!r} has values outside [0, 1]; give another label")


def label(
    name: str,
    kind: str,
    levels: Sequence[int],
    reference: np.ndarray,
    distorted: Sequence[np.ndarray],
) -> list[float]:
    """The quality of one photograph's images of one distortion type.

    Args:
        name: see `check`.
        kind: the distortion's name.
        levels: rising levels.
        reference: uint8 `(H, W, 3)`.
        distorted: one uint8 `(H, W, 3)` per level.

    Returns:
        One value in [0, 1] per level, never rising.
    """
    if name == "level":
        values = [level_quality(kind, level) for level in levels]
    elif name == "ensemble":
        values = _ensemble(kind, levels, reference, distorted)
    else:
        values = [1 - distance(name, reference, image) for image in distorted]
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


def restored_quality(values: np.ndarray) -> np.ndarray:
    """The quality `(N,)` of restored images with distances `(N, M)` by the M metrics for them."""
    floors, offsets, slopes = np.transpose(list(weights.RESTORED.values()))
    logs = np.log(np.maximum(values, 0) + floors)
    return np.mean(1 / (1 + np.exp(-(offsets - slopes * logs))), axis=1)


def _number(kind: str) -> int | None:
    """TID2013's number of the type, or of the one that it is judged like."""
    from data_pipelines import distortions

    return distortions.get(LIKE.get(kind, kind)).tid2013


def falling(values: Sequence[float]) -> np.ndarray:
    """The nearest never-rising sequence (least squares), clipped to [0, 1]."""
    fitted = scipy.optimize.isotonic_regression(values, increasing=False).x
    return np.clip(fitted, 0, 1)


def level_quality(kind: str, level: int) -> float:
    """TID2013's mean opinion of a type's level, or of the level over its types."""
    opinions = weights.MOS.get(_number(kind), weights.MEAN_MOS)
    return min(opinions[level - 1] / BEST_MOS, 1.0)


def distances(
    names: Sequence[str], reference: np.ndarray, distorted: Sequence[np.ndarray]
) -> np.ndarray:
    """Distances `(N, M)` of N images by the M metrics of these names, 0 = identical."""
    features = FeatureCache()
    return np.array(
        [
            [distance(name, reference, image, features.of(name)) for name in names]
            for image in distorted
        ]
    )


def ensemble_quality(kind: str, values: np.ndarray) -> np.ndarray:
    """The fused quality `(N,)` of distances `(N, M)`."""
    offset = weights.BIAS + weights.OFFSETS.get(LIKE.get(kind, kind), 0.0)
    logs = np.log(np.maximum(values, 0) + weights.FLOORS)
    return 1 / (1 + np.exp(-(offset - logs @ np.asarray(weights.WEIGHTS))))


def distance(
    name: str, reference: np.ndarray, distorted: np.ndarray, remember: Remember = forget
) -> float:
    """How far a metric of `gsn_jax.metrics` is from its value for identical images, >= 0.

    Args:
        name: of the metric.
        reference: uint8 `(H, W, 3)`.
        distorted: as `reference`.
        remember: keeps what the metric computes of the reference.
    """
    from gsn_jax import metrics

    metric = metrics.get(name)
    value = float(metric.score_arrays(reference, distorted, remember))
    return max(1.0 - value if metric.higher_is_better else value, 0.0)
