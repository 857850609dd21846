"""Butteraugli's detector of lines, which libjxl calls the Malta kernel.

A change counts more where it forms a line. Sixteen lines of about equal length run through each
pixel. They have 5 points (`SHORT`), or 7 to 9 (`LONG`).
"""

from __future__ import annotations

import functools

from jax import lax
from jaxtyping import Array, Float

from gsn_jax.metrics import filters, reductions
from gsn_jax.metrics.staging import staged

RADIUS = 4
Point = tuple[int, int]
Half = tuple[Point, ...]


def _orientations(half: Half) -> set[Half]:
    """The halves of all lines that mirroring and transposing `half` gives."""
    turned = {half, tuple((x, y) for y, x in half)}
    mirrored = {tuple((y, -x) for y, x in one) for one in turned}
    return _without_opposite(turned | mirrored)


def _without_opposite(halves: set[Half]) -> set[Half]:
    """Keeps one half of each line; the other half has the opposite offsets."""
    return {max(half, tuple((-y, -x) for y, x in half)) for half in halves}


def _lines(*halves: tuple[int, Half]) -> tuple[tuple[int, Half], ...]:
    return tuple((count, one) for count, half in halves for one in sorted(_orientations(half)))


# How often each kind of line counts, and one half of it as offsets from the pixel.
SHORT = _lines(
    (1, ((0, 2), (0, 4))),
    (1, ((2, 2), (3, 3))),
    (1, ((2, 1), (4, 1))),
    (1, ((2, 1), (3, 2))),
    (1, ((2, 1), (4, 2))),
)
LONG = _lines(
    (1, ((0, 1), (0, 2), (0, 3), (0, 4))),
    (1, ((1, 1), (2, 2), (3, 3))),
    (2, ((1, 0), (2, 1), (3, 1), (4, 1))),
    (1, ((1, 1), (2, 1), (3, 2))),
)


def energy(
    planes: Float[Array, "n h w"], lines: tuple[tuple[int, Half], ...]
) -> Float[Array, "h w"]:
    """Squared sums along the lines through each pixel, added over lines and planes."""
    height, width = planes.shape[-2:]
    padded = filters.pad(staged(planes), RADIUS, RADIUS, "constant")

    @functools.cache
    def at(y: int, x: int) -> Float[Array, "n h w"]:
        top, left = RADIUS + y, RADIUS + x
        return lax.slice(padded, (0, top, left), (len(planes), top + height, left + width))

    total = reductions.add(
        count * reductions.add([planes] + [at(y, x) + at(-y, -x) for y, x in half]) ** 2
        for count, half in lines
    )
    return staged(reductions.add(total))
