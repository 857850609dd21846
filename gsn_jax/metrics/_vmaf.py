"""VMAF for still images: version 0.6.1 and its variant without enhancement gain.

Z. Li, A. Aaron, I. Katsavounidis, A. Moorthy, M. Manohara, "Toward a practical perceptual video
quality metric", Netflix Technology Blog, 2016; Z. Li, K. Swanson, C. Bampis, L. Krasula, A. Aaron,
"Toward a better quality metric for the video community", 2020, for `vmaf_neg`. The features follow
libvmaf's floating-point definitions. `vmaf_v0.6.1.npy` holds the support vectors that its models
`vmaf_float_v0.6.1` and `vmaf_float_v0.6.1neg` share: Copyright (c) 2016-2020 Netflix, Inc.,
BSD-2-Clause-Patent, see `vmaf_v0.6.1.LICENSE`.
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
ENHANCED = 100.0  # largest gain of contrast that counts in `vmaf`
# Map the features (detail, motion, information at four scales) to the support vectors' range.
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
    """VMAF 0.6.1 of one frame: detail and information features, fused by a support vector machine.

    The features are computed from BT.601 luma in the studio range, to which FFmpeg converts RGB
    images by default. Motion is zero, as in the first frame of a video. The viewing distance is
    three times the height of 1080 lines.

    Args:
        reference: sRGB in [0, 1], at least 17 x 17.
        distorted: as `reference`.
        extent: height and width of padded images, see `gsn_jax.metrics`.
        rounded: whether luma is rounded to 8 bits, as in a video.

    Returns:
        A quality, clipped to [0, 100]; the gradient is zero where it is clipped. Equal images score
        97.43 because there is no motion, and up to 0.02 less if they have little contrast; enhanced
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
    """`vmaf` without credit for enhanced contrast; arguments and units as there."""
    return _score(reference, distorted, extent, rounded, 1.0)


def _score(
    reference: Float[Array, "h w 3"],
    distorted: Float[Array, "h w 3"],
    extent: Extent | None,
    rounded: bool,
    gain_limit: float,
) -> Float[Array, ""]:
    """The score, where contrast counts up to `gain_limit` times the reference's."""
    planes = colour.luma_and_change(
        reference, distorted, weights=colour.STUDIO_LUMA, rounded=rounded
    )
    information = information_kept(planes, extent, gain_limit)
    both = jnp.stack([planes[0], planes[0] + planes[1]])
    detail = detail_kept(both, extent, gain_limit)
    motion = jnp.zeros_like(detail)
    return _fused(jnp.stack([detail, motion, *information]))


def _fused(features: Float[Array, " 6"]) -> Float[Array, ""]:
    """Support vector regression, rescaled to the range of the score."""
    weights, vectors, slopes, intercepts = (
        jnp.asarray(values, features.dtype)
        for values in (_vectors()[:, 0], _vectors()[:, 1:], SLOPES, INTERCEPTS)
    )
    distance = ((slopes * features + intercepts - vectors) ** 2).sum(-1)
    # The weights sum to zero, so expm1 can replace exp, which leaves less to cancel.
    raw = (weights * jnp.expm1(-GAMMA * distance)).sum() - RHO
    return jnp.clip((raw - SCORE_INTERCEPT) / SCORE_SLOPE, 0, BEST)


@functools.cache
def _vectors() -> np.ndarray:
    """The support vectors, each after its weight, `(211, 7)`."""
    return np.load(Path(__file__).with_name("vmaf_v0.6.1.npy"))


METRICS = {
    name: FunctionMetric(name, function, True, (0.0, BEST), min_size=MIN_SIZE, padded=True)
    for name, function in (("vmaf", vmaf), ("vmaf_neg", vmaf_neg))
}
