"""DeepIQA (WaDIQaM-FR) with the authors' published weights as a metric.

S. Bosse, D. Maniry, K.-R. Müller, T. Wiegand, W. Samek: "Deep Neural Networks for No-Reference and
Full-Reference Image Quality Assessment", IEEE TIP 27(1), 2018. The network is
`gsn_jax.metrics.wadiqam`; users supply the weights.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gsn_jax.metrics.preparation import checked_pair
from gsn_jax.metrics.user_weights import UserWeightsMetric, weights_path
from gsn_jax.metrics.wadiqam import PATCH, WaDIQaM
from gsn_jax.pretrained.deepiqa import INPUT_SCALE, read_deepiqa

_ENVIRONMENT = "GSN_DEEPIQA_WEIGHTS"
_WANTED = "the authors' fr_tid_weighted.model (github.com/dmaniry/deepIQA, folder models)"


class DeepiqaWeights(NamedTuple):
    """Variables of `WaDIQaM`; they include `weight1` if patches are weighted."""

    variables: dict[str, Any]


def deepiqa(
    reference: Float[Array, "*batch h w 3"],
    distorted: Float[Array, "*batch h w 3"],
    weights: DeepiqaWeights | None = None,
) -> Float[Array, "*batch"]:
    """DeepIQA: the weighted mean of the patches' quality.

    Args:
        reference: sRGB in [0, 1], at least 32 x 32.
        distorted: as `reference`.
        weights: what `read_weights` returns; by default the file that GSN_DEEPIQA_WEIGHTS names.

    Returns:
        Scores, float32, on the scale of the labels that the weights were trained with. The
        authors' TID2013 weights, which the registry's `deepiqa` assumes, give a MOS of about 0 to
        9, higher is better. (Their LIVE weights give a DMOS, lower is better.) Not symmetric.

    Raises:
        InputError: the images are too small, or no weights are given and GSN_DEEPIQA_WEIGHTS names
            no file.
    """
    variables = (METRICS["deepiqa"].weights if weights is None else weights).variables
    reference, distorted = checked_pair("deepiqa", PATCH, reference, distorted)
    size, leading = reference.shape[-3:], reference.shape[:-3]
    model = WaDIQaM(weighted="weight1" in variables["params"], input_scale=INPUT_SCALE)
    pairs = tuple(jnp.reshape(image, (-1, 1, *size)) for image in (reference, distorted))
    # One pair at a time: its patches already form a batch.
    scores = lax.map(lambda pair: jnp.asarray(model.apply(variables, *pair)), pairs)
    return jnp.reshape(scores, leading)


def read_weights(path: str | os.PathLike[str]) -> DeepiqaWeights:
    """Reads the authors' weights; see `gsn_jax.pretrained.deepiqa.read_deepiqa`."""
    return DeepiqaWeights(read_deepiqa(path)[1])


def _from_environment() -> DeepiqaWeights:
    return read_weights(weights_path(_ENVIRONMENT, _WANTED))


METRICS = {
    "deepiqa": UserWeightsMetric(
        "deepiqa",
        deepiqa,
        _from_environment,
        higher_is_better=True,
        value_range=(float("-inf"), float("inf")),
        min_size=PATCH,
    )
}
