"""Finds the strength at which a distortion gives a target PSNR."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from data_pipelines.tid2013.fidelity import psnr

TOLERANCE = 0.004  # dB
_EVALUATIONS = 40


# (image uint8 (H, W, 3), strength, random generator) -> uint8 (H, W, 3)
Function = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Match:
    """A distorted image and the strength that made it.

    Attributes:
        image: uint8 `(H, W, 3)`.
        strength: the distortion's strength.
        psnr: over R, G and B, in dB.
    """

    image: np.ndarray
    strength: float
    psnr: float


def distort(
    function: Function,
    reference: np.ndarray,
    seed: Sequence[int],
    *,
    strength: float | None,
    target: float,
    bounds: tuple[float, float],
) -> Match:
    """Distorts at a known strength, or else at the strength that gives the target PSNR.

    Args:
        function: the distortion.
        reference: uint8 `(H, W, 3)`.
        seed: seed of its random generator, the same at all strengths.
        strength: None searches for the target.
        target: in dB.
        bounds: see `match_psnr`.
    """

    def at(strength: float) -> np.ndarray:
        return function(reference, strength, np.random.default_rng(seed))

    if strength is None:
        return match_psnr(at, reference, target, bounds)
    image = at(strength)
    return Match(image, strength, psnr(reference, image))


def match_psnr(
    distort: Callable[[float], np.ndarray],
    reference: np.ndarray,
    target: float,
    bounds: tuple[float, float],
) -> Match:
    """Searches for the strength whose PSNR is nearest to `target`.

    The search is the Illinois variant of regula falsi on PSNR over log-strength. Every third step
    bisects, so that the search also converges at jumps of the PSNR. Without a bracket, the nearer
    end of `bounds` is returned.

    Args:
        distort: maps a strength to uint8 `(H, W, 3)`; PSNR falls as the strength rises.
        reference: uint8 `(H, W, 3)`.
        target: in dB.
        bounds: strengths (low, high), 0 < low < high, that should bracket the target.
    """
    low, high = np.log(bounds[0]), np.log(bounds[1])
    best = _try(distort, reference, low)
    excess_low = best.psnr - target
    at_high = _try(distort, reference, high)
    excess_high = at_high.psnr - target
    best = min(best, at_high, key=lambda match: abs(match.psnr - target))
    if not excess_low > 0 > excess_high:
        return best
    excess_low = min(excess_low, 60.0)  # an untouched image has infinite PSNR
    for step in range(_EVALUATIONS):
        if abs(best.psnr - target) <= TOLERANCE or high - low < 1e-7:
            break
        part = 0.5 if step % 3 == 2 else excess_low / (excess_low - excess_high)
        middle = low + float(np.clip(part, 0.02, 0.98)) * (high - low)
        found = _try(distort, reference, middle)
        if abs(found.psnr - target) < abs(best.psnr - target):
            best = found
        if found.psnr > target:
            low, excess_low, excess_high = middle, min(found.psnr - target, 60.0), excess_high / 2
        else:
            high, excess_high, excess_low = middle, found.psnr - target, excess_low / 2
    return best


def _try(
    distort: Callable[[float], np.ndarray], reference: np.ndarray, log_strength: float
) -> Match:
    strength = float(np.exp(log_strength))
    image = distort(strength)
    return Match(image, strength, psnr(reference, image))
