"""VMAF of still images, version 0.6.1 and its variant without enhancement gain.

Z. Li, A. Aaron, I. Katsavounidis, A. Moorthy, M. Manohara, "Toward a practical perceptual video
quality metric", Netflix Technology Blog, 2016; Z. Li, K. Swanson, C. Bampis, L. Krasula, A. Aaron,
"Toward a better quality metric for the video community", 2020, for `vmaf_neg`. Definition of
libvmaf's features in floating point. `vmaf_v0.6.1.npy` holds the support vectors of its models
`vmaf_float_v0.6.1` and `vmaf_float_v0.6.1neg`, which are the same: Copyright (c) 2016-2020 Netflix,
Inc., BSD-2-Clause-Patent, see `vmaf_v0.6.1.LICENSE`.
"""

from __future__ import annotations

import functools
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metric import FunctionMetric
from gsn_jax.metrics import colour
from gsn_jax.metrics.detail_loss import detail_kept
from gsn_jax.metrics.information_fidelity import information_kept
from gsn_jax.metrics.preparation import pairwise

MIN_SIZE = 17
ENHANCED = 100.0  # the gain up to which enhanced contrast counts
# Of the features detail, motion, and information at four scales: to the support vectors' range.
SLOPES = (
    2.8098077502505414,
    0.06264407466686016,
    1.222763456258933,
    1.5360318811084146,
    1.7620864995501058,
    2.08656468286432,
)
INTERCEPTS = (
    -1.7993968597186747,
    -0.003017198086831897,
    -0.1728125095425364,
    -0.5294309090081222,
    -0.7577185792093722,
    -1.083428597549764,
)
GAMMA, RHO = 0.04, -1.33133
SCORE_SLOPE, SCORE_INTERCEPT = 0.012020766332648465, -0.3092981927591963
BEST = 100.0


@pairwise("vmaf", MIN_SIZE)
def vmaf(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """VMAF 0.6.1 of one frame: kept detail and information, fused by support vectors.

    The features are those of the luma of BT.601 in the studio range, which FFmpeg makes of RGB
    images by default, without motion: the first frame of a video has none either. The viewer sees
    1080 lines from three times their height.

    Args:
        reference: sRGB in [0, 1], at least 17 x 17.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        rounded: whether luma is rounded to 8 bits, as in a video.

    Returns:
        A quality from 0 to 100, clipped to these, where the gradient is zero. Equal images score
        97.43, as there is no motion, and up to 0.02 less where they have little contrast; enhanced
        contrast can score more. Not symmetric.
    """
    return _score(reference, distorted, extent, rounded, ENHANCED)


@pairwise("vmaf_neg", MIN_SIZE)
def vmaf_neg(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    *,
    extent: Extent | None = None,
    rounded: bool = True,
) -> Float[Array, "*batch"]:
    """`vmaf` in which enhanced contrast is no gain; arguments and units as there."""
    return _score(reference, distorted, extent, rounded, 1.0)


def _score(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    extent: Extent | None,
    rounded: bool,
    gain_limit: float,
) -> Float[Array, ""]:
    """The score from features that count contrast up to `gain_limit` times the reference's."""
    planes = colour.luma_and_change(
        reference, distorted, weights=colour.STUDIO_LUMA, rounded=rounded
    )
    information = information_kept(planes, extent, gain_limit)
    both = jnp.stack([planes[0], planes[0] + planes[1]])
    detail = detail_kept(both, extent, gain_limit)
    motion = jnp.zeros_like(detail)
    return _fused(jnp.stack([detail, motion, *information]))


def _fused(features: Float[Array, " 6"]) -> Float[Array, ""]:
    """The support vector regression, and its result on the scale of the score."""
    weights, vectors, slopes, intercepts = (
        jnp.asarray(values, features.dtype)
        for values in (_vectors()[:, 0], _vectors()[:, 1:], SLOPES, INTERCEPTS)
    )
    distance = ((slopes * features + intercepts - vectors) ** 2).sum(-1)
    # The weights sum to zero, so exp may be expm1, which leaves less to cancel.
    raw = (weights * jnp.expm1(-GAMMA * distance)).sum() - RHO
    return jnp.clip((raw - SCORE_INTERCEPT) / SCORE_SLOPE, 0, BEST)


@functools.cache
def _vectors() -> np.ndarray:
    """The weight of each support vector, and the vector, `(211, 7)`."""
    return np.load(Path(__file__).with_name("vmaf_v0.6.1.npy"))


METRICS = {
    name: FunctionMetric(name, function, True, (0.0, BEST), min_size=MIN_SIZE, padded=True)
    for name, function in (("vmaf", vmaf), ("vmaf_neg", vmaf_neg))
}
