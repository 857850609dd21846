"""Training losses over the global batch: pairwise (Norm-in-Norm) and listwise (KL) terms.

Every function takes `predictions` and `labels` of the same shape `(N,)`, both up = better, and
returns a scalar, down = better. Means, norms and log-sum-exps run over the global batch:

- Under `jit` with a batch that is sharded over devices, this is automatic.
- For steps of your own under `shard_map`, where `(N,)` is one device's part of the batch,
  `axis_name` names the mesh axis (or axes) over which the batch is divided. Every device gets the
  global value.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

AxisName = str | Sequence[str] | None

# A batch whose values spread less than this, relative to their size, counts as constant.
_CONSTANT = 1e-6


def mse_loss(
    predictions: Float[Array, " n"], labels: Float[Array, " n"], *, axis_name: AxisName = None
) -> Float[Array, ""]:
    """Mean squared error, >= 0: plain regression, for the ablation.

    Raises:
        ValueError: predictions and labels do not have the same shape `(N,)`, or are empty.
    """
    predictions, labels = _check(predictions, labels)
    return _mean((predictions - labels) ** 2, axis_name)


def mae_loss(
    predictions: Float[Array, " n"], labels: Float[Array, " n"], *, axis_name: AxisName = None
) -> Float[Array, ""]:
    """Mean absolute error, >= 0: a baseline in the comparison of losses.

    Raises:
        ValueError: predictions and labels do not have the same shape `(N,)`, or are empty.
    """
    predictions, labels = _check(predictions, labels)
    return _mean(jnp.abs(predictions - labels), axis_name)


def norm_in_norm(
    predictions: Float[Array, " n"],
    labels: Float[Array, " n"],
    *,
    p: float = 1.0,
    q: float = 2.0,
    axis_name: AxisName = None,
) -> Float[Array, ""]:
    """Norm-in-Norm loss in [0, 1] (Li et al., "Norm-in-Norm Loss with Faster Convergence and
    Better Performance for Image Quality Assessment", ACM MM 2020, eq. 5-7).

    (||S^ - S||_p / scale)^p, with S = (Q - mean Q) / ||Q - mean Q||_q, S^ the same of the
    predictions, and scale = 2^max(1, 1/q) N^max(0, 1/p - 1/q), the largest possible difference.
    For p = q = 2 it is (1 - r) / 2, with r the batch's Pearson correlation.

    Args:
        predictions: `(N,)`.
        labels: `(N,)`.
        p: order of the outer norm; the paper recommends 1.
        q: order of the inner norm; the paper recommends 2.
        axis_name: see the module.

    Returns:
        A scalar; 0 for N = 1 and for a constant batch.

    Raises:
        ValueError: predictions and labels do not have the same shape `(N,)`, or are empty.
    """
    predictions, labels = _check(predictions, labels)
    difference, count = _normalised_difference(predictions, labels, q, axis_name)
    scale = 2 ** max(1.0, 1 / q) * count ** max(0.0, 1 / p - 1 / q)
    return _sum(_safe_power(jnp.abs(difference), p), axis_name) / scale**p


def pairwise_loss(
    predictions: Float[Array, " n"],
    labels: Float[Array, " n"],
    *,
    q: float = 2.0,
    axis_name: AxisName = None,
) -> Float[Array, ""]:
    """The pairwise term of GSN (Cong et al., CVPRW 2022): mean_i (S^_i - S_i)^2.

    S and S^ are the labels and predictions after the inner normalisation of Norm-in-Norm. For
    q = 2 it equals 2 (1 - r) / N, with r the batch's Pearson correlation.

    Args:
        predictions: `(N,)`.
        labels: `(N,)`.
        q: order of the normalisation.
        axis_name: see the module.

    Returns:
        A scalar; 0, with a finite gradient, for N = 1 and for constant labels or predictions.

    Raises:
        ValueError: predictions and labels do not have the same shape `(N,)`, or are empty.
    """
    predictions, labels = _check(predictions, labels)
    difference, _ = _normalised_difference(predictions, labels, q, axis_name)
    return _mean(difference**2, axis_name)


def listwise_loss(
    predictions: Float[Array, " n"],
    labels: Float[Array, " n"],
    *,
    temperature: float = 1.0,
    axis_name: AxisName = None,
) -> Float[Array, ""]:
    """The listwise term of GSN (Cong et al., CVPRW 2022): KL(softmax P || softmax Q), batch-wide.

    sum_i W^_i log(W^_i / W_i), with the weights W^ of the predictions and W of the labels. This is
    the paper's direction; ListNet and torch's `kl_div(log_prediction, target)` use the other one.

    Args:
        predictions: `(N,)`.
        labels: `(N,)`.
        temperature: divides both before the softmax; values below 1 sharpen the weights, which
            makes this term larger relative to the pairwise one.
        axis_name: see the module.

    Returns:
        A scalar >= 0; 0 if predictions and labels agree up to an offset.

    Raises:
        ValueError: predictions and labels do not have the same shape `(N,)`, or are empty.
    """
    predictions, labels = _check(predictions, labels)
    log_prediction = _log_softmax(predictions / temperature, axis_name)
    log_label = _log_softmax(labels / temperature, axis_name)
    # Both weights sum to 1, so sum_i (W_i - W^_i) = 0 may be added. Every term is then >= 0, and
    # the rounding of the log-sum-exps, which is about as large as the loss, cancels.
    ratio = log_prediction - log_label
    return _sum(jnp.exp(log_prediction) * (jnp.expm1(-ratio) + ratio), axis_name)


def gsn_loss(
    predictions: Float[Array, " n"],
    labels: Float[Array, " n"],
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    q: float = 2.0,
    temperature: float = 1.0,
    axis_name: AxisName = None,
) -> Float[Array, ""]:
    """The loss of GSN (Cong et al., CVPRW 2022): alpha * pairwise + beta * listwise.

    It does not fix the offset of the predictions, and only the listwise term fixes their scale. A
    monotone map, fitted after training, turns them into quality (`gsn_jax.models.calibration`).
    `gsn train` adds a small mean squared error (`gsn_jax.training.step.make_loss`) and sets the
    temperature to 0.2.

    Args:
        predictions: `(N,)`.
        labels: `(N,)`.
        alpha: weight of `pairwise_loss`.
        beta: weight of `listwise_loss`. With alpha = beta the pairwise term dominates in small
            batches: at a correlation of 0.83 it is about nine times as large at N = 16, and twice
            at N = 64.
        q: order of the pairwise term's normalisation.
        temperature: temperature of the listwise term.
        axis_name: see the module.

    Raises:
        ValueError: predictions and labels do not have the same shape `(N,)`, or are empty.
    """
    pairwise = pairwise_loss(predictions, labels, q=q, axis_name=axis_name)
    listwise = listwise_loss(predictions, labels, temperature=temperature, axis_name=axis_name)
    return alpha * pairwise + beta * listwise


def _check(
    predictions: jax.Array, labels: jax.Array
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Both in at least float32; refuses N = 0, and (N,) with (N, 1), which would broadcast."""
    predictions, labels = jnp.asarray(predictions), jnp.asarray(labels)
    if predictions.ndim != 1 or predictions.shape != labels.shape:
        raise ValueError(
            "predictions and labels must have the same shape (N,), got "
            f"{predictions.shape} and {labels.shape}"
        )
    if predictions.size == 0:
        raise ValueError("predictions and labels are empty; a loss needs at least one image")
    dtype = jnp.promote_types(jnp.result_type(predictions, labels), jnp.float32)
    return predictions.astype(dtype), labels.astype(dtype)


def _sum(x: jax.Array, axis_name: AxisName) -> jax.Array:
    total = x.sum()
    return total if axis_name is None else jax.lax.psum(total, axis_name)


def _count(x: jax.Array, axis_name: AxisName) -> int:
    """Global batch size, which is static because mesh sizes are."""
    return x.size if axis_name is None else x.size * jax.lax.psum(1, axis_name)


def _mean(x: jax.Array, axis_name: AxisName) -> jax.Array:
    return _sum(x, axis_name) / _count(x, axis_name)


def _safe_power(x: jax.Array, exponent: float) -> jax.Array:
    """x ** exponent for x >= 0, with gradient 0 (instead of NaN or infinity) at x = 0."""
    positive = x > 0
    return jnp.where(positive, jnp.where(positive, x, 1.0) ** exponent, 0.0)


def _normalise(x: jax.Array, q: float, axis_name: AxisName) -> tuple[jax.Array, jax.Array]:
    """(x - mean) / ||x - mean||_q, or 0 if x is constant, and whether x varies."""
    mean = _mean(x, axis_name)
    centred = x - mean
    norm = _safe_power(_sum(_safe_power(jnp.abs(centred), q), axis_name), 1 / q)
    # By the largest deviation, because the norm adds up the rounding of all of them.
    largest = jax.lax.stop_gradient(jnp.abs(centred)).max()
    if axis_name is not None:
        largest = jax.lax.pmax(largest, axis_name)
    varies = largest > _CONSTANT * (1 + jnp.abs(mean))
    return jnp.where(varies, centred / jnp.where(varies, norm, 1.0), 0.0), varies


def _normalised_difference(
    predictions: jax.Array, labels: jax.Array, q: float, axis_name: AxisName
) -> tuple[jax.Array, int]:
    """S^ - S, or 0 if either is constant, and the global batch size."""
    prediction, prediction_varies = _normalise(predictions, q, axis_name)
    label, label_varies = _normalise(labels, q, axis_name)
    difference = jnp.where(prediction_varies & label_varies, prediction - label, 0.0)
    return difference, _count(predictions, axis_name)


def _log_softmax(x: jax.Array, axis_name: AxisName) -> jax.Array:
    peak = jax.lax.stop_gradient(x).max()
    if axis_name is not None:
        peak = jax.lax.pmax(peak, axis_name)
    shifted = x - peak
    return shifted - jnp.log(_sum(jnp.exp(shifted), axis_name))
