"""DeepIQA (WaDIQaM-FR) with the authors' published weights as a metric.

S. Bosse, D. Maniry, K.-R. Müller, T. Wiegand, W. Samek: "Deep Neural Networks for No-Reference and
Full-Reference Image Quality Assessment", IEEE TIP 27(1), 2018. The model is
`gsn_jax.models.wadiqam`; users supply the weights.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gsn_jax.metrics.user_weights import UserWeightsMetric, weights_path
from gsn_jax.models.wadiqam import PATCH, WaDIQaM
from gsn_jax.pretrained.deepiqa import INPUT_SCALE, read_deepiqa

_ENVIRONMENT = "GSN_DEEPIQA_WEIGHTS"
_WANTED = "the authors' fr_tid_weighted.model (github.com/dmaniry/deepIQA, folder models)"


class DeepiqaWeights(NamedTuple):
    """Variables of `WaDIQaM`; whether patches are weighted shows in their names."""

    variables: dict[str, Any]


def deepiqa(
    reference: jax.Array, distorted: jax.Array, weights: DeepiqaWeights | None = None
) -> jax.Array:
    """DeepIQA: the weighted mean of the patches' quality.

    Args:
        reference: `(..., H, W, 3)`, sRGB in [0, 1], at least 32 x 32.
        distorted: as `reference`, of the same shape.
        weights: as `read_weights` gives them; the file that GSN_DEEPIQA_WEIGHTS names when None.

    Returns:
        Scores `(...)`, float32, on the scale of the labels the weights were trained with. With the
        authors' TID2013 weights, which the registry's `deepiqa` stands for, that is a MOS of about
        0 to 9; higher is better. (Their LIVE weights give a DMOS: lower is better.)

    Raises:
        InputError: no weights given and the environment names no file of them.
    """
    variables = (METRICS["deepiqa"].weights if weights is None else weights).variables
    size, leading = reference.shape[-3:], reference.shape[:-3]
    model = WaDIQaM(weighted="weight1" in variables["params"], input_scale=INPUT_SCALE)
    pair = (jnp.reshape(image, (-1, *size)) for image in (reference, distorted))
    return model.apply(variables, *pair).reshape(leading)


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
