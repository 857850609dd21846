"""Random draws whose first items do not depend on how many are needed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np


def at_least(
    first: int,
    count: float,
    rng: np.random.Generator,
    draw: Callable[[np.random.Generator, int], np.ndarray],
) -> np.ndarray:
    """At least `count` + 1 items, of which the same number always comes from `rng` itself.

    The items of a weaker distortion are therefore among those of a stronger one, and what is drawn
    from `rng` afterwards does not depend on the strength.

    Args:
        first: number of items that are drawn from `rng`; further ones come from its child.
        count: number of items that are needed; a fraction needs one more.
        rng: the generator.
        draw: draws this many items from a generator, along the first axis.
    """
    items, child = draw(rng, first), rng.spawn(1)[0]
    missing = math.floor(count) + 1 - first
    return np.concatenate([items, draw(child, missing)]) if missing > 0 else items
