"""From raw scores to quality in [0, 1]: a monotone logistic, stored with the model.

Training need not put a model's raw scores on the scale of the labels. After training, the
4-parameter logistic of VQEG is fitted from raw scores to quality labels.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

# Quality of an identical pair on an anchored curve, before clipping at 1. It exceeds 1 by more than
# float32 rounding (the exponent is at most a hundred), or the pair would get 0.9999996.
_IDENTITY_QUALITY = 1 + 1e-5


@dataclasses.dataclass(frozen=True)
class Calibration:
    """q = clip((b1 - b2) / (1 + exp(-(P - b3) / b4)) + b2, 0, 1), rising: b1 > b2 and b4 > 0.

    Attributes:
        b1: upper asymptote.
        b2: lower asymptote.
        b3: raw score of the steepest rise.
        b4: width of the rise.
    """

    b1: float
    b2: float
    b3: float
    b4: float

    def __post_init__(self) -> None:
        values = dataclasses.astuple(self)
        if not (np.isfinite(values).all() and self.b1 > self.b2 and self.b4 > 0):
            raise ValueError(
                f"a calibration must be finite and rise (b1 > b2 and b4 > 0), got {values}"
            )

    def __call__(self, raw: jax.Array) -> jax.Array:
        """Quality in [0, 1] of raw scores of any shape, up = better."""
        rise = jax.nn.sigmoid((raw - self.b3) / self.b4)
        return jnp.clip((self.b1 - self.b2) * rise + self.b2, 0.0, 1.0)

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        """The inverse of `to_dict`."""
        return cls(**{name: float(values[name]) for name in ("b1", "b2", "b3", "b4")})


def fit(raw: ArrayLike, quality: ArrayLike, *, identity: float | None = None) -> Calibration | None:
    """Fits a calibration by least squares.

    Args:
        raw: `(N,)` raw scores, up = better.
        quality: `(N,)` labels in [0, 1], up = better.
        identity: raw score of identical pairs, the highest possible. Their quality is then exactly
            1, and the lower asymptote is at most 0. None if the model fixes no such score.

    Returns:
        The calibration, or None if the scores do not rise with quality (an untrained model) or
        there are fewer than 3.

    Raises:
        ValueError: see `gsn_jax.agreement.plcc`.
    """
    from gsn_jax import agreement  # SciPy takes longer to import than scoring a pair

    raw, quality = np.asarray(raw, np.float64), np.asarray(quality, np.float64)
    correlation = agreement.plcc(raw, quality)
    if not correlation > 0 or len(raw) < 3:
        return None
    if identity is not None:
        return _fit_anchored(raw, quality, identity)
    fitted = agreement.logistic_fit(raw, quality)
    b1, b2, b3, b4 = fitted.parameters
    return Calibration(b1, b2, b3, b4) if b1 > b2 and b4 > 0 else None


def _fit_anchored(raw: np.ndarray, quality: np.ndarray, identity: float) -> Calibration:
    """Fits lower asymptote, position and width; the upper asymptote follows from f(identity)."""
    from scipy import optimize, special

    scale = float(np.abs(raw - identity).mean()) or 1.0

    def parameters(free: np.ndarray) -> tuple[float, float, float, float]:
        b2, b3, b4 = free[0], identity + free[1] * scale, scale * np.exp(free[2])
        rise = special.expit((identity - b3) / b4)
        return b2 + (_IDENTITY_QUALITY - b2) / rise, b2, b3, b4

    def residuals(free: np.ndarray) -> np.ndarray:
        b1, b2, b3, b4 = parameters(free)
        return (b1 - b2) * special.expit((raw - b3) / b4) + b2 - quality

    # The lower asymptote is at most 0: labels that end above 0 do not imply a plateau there, and on
    # a plateau, the model could not tell one very bad image from a worse one.
    bounds = ([-1.0, -8.0, -4.0], [0.0, 2.0, 4.0])
    starts = [np.array([-0.1, position, -1.0]) for position in (-2.0, -1.0, 0.0)]
    best = min(
        (optimize.least_squares(residuals, start, bounds=bounds) for start in starts),
        key=lambda result: result.cost,
    )
    return Calibration(*(float(value) for value in parameters(best.x)))
