"""Contrast sensitivity of the eye: castleCSF for sustained stimuli.

M. Ashraf, R. K. Mantiuk, A. Chapiro, S. Wuerger, "castleCSF - A contrast sensitivity function of
color, area, spatiotemporal frequency, luminance and eccentricity", Journal of Vision 24(4), 2024.
`castle_csf.npy` is the table in version 0.5.7 of the package `cvvdp` (MIT).
"""

from __future__ import annotations

import functools
import math
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

# The table's rows are luminances in nits, its columns frequencies in cycles per degree, both
# logarithmically spaced.
LUMINANCES, FREQUENCIES = (0.005, 10000.0), (0.1, 64.0)


def sensitivity(
    luminance: Float[Array, "h w"],
    band: Int[Array, "h w"] | int,
    frequencies: tuple[float, ...],
) -> Float[Array, "3 h w"]:
    """Sensitivity of the achromatic, red-green and yellow-violet channel.

    Args:
        luminance: adaptation luminance, in nits.
        band: index of each sample's frequency in `frequencies`.
        frequencies: of the bands, in cycles per degree.
    """
    table = _logarithms(frequencies)
    last = table.shape[-1] - 1
    low, high = map(math.log, LUMINANCES)
    place = jnp.clip((jnp.log(luminance) - low) * (last / (high - low)), 0, last)
    before = jnp.minimum(place.astype(jnp.int32), last - 1)
    share = place - before.astype(place.dtype)
    flat = jnp.asarray(table.reshape(3, -1), luminance.dtype)
    index = before + (last + 1) * band
    below, above = (
        flat.at[:, index + step].get(mode="promise_in_bounds", wrap_negative_indices=False)
        for step in (0, 1)
    )
    return jnp.exp(below + share * (above - below))


@functools.cache
def _logarithms(frequencies: tuple[float, ...]) -> np.ndarray:
    """Natural log of the sensitivity per channel, frequency and luminance, `(3, N, 32)`."""
    table = np.load(Path(__file__).with_name("castle_csf.npy")).astype(np.float64)
    low, high = map(math.log, FREQUENCIES)
    places = (np.log(frequencies) - low) / (high - low) * (table.shape[-1] - 1)
    before = np.clip(np.ceil(places).astype(int) - 1, 0, table.shape[-1] - 2)
    values = table[..., before] + (places - before) * (table[..., before + 1] - table[..., before])
    return math.log(10) * np.moveaxis(values, -1, 1)
