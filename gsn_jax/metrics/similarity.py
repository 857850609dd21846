"""Image gradients, and the dissimilarities that most gradient-based metrics share.

Many methods compare values x and y by the similarity (2 x y + c) / (x^2 + y^2 + c). The functions
here return one minus that, (x - y)^2 / (x^2 + y^2 + c), computed from the change y - x. Both forms
are equal in exact arithmetic; this one is exactly zero for equal images, and loses no bits for
nearly equal ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from gsn_jax.images.size_classes import Extent
from gsn_jax.metrics import extents, filters, finite, reductions

PREWITT = (1 / 3, 1 / 3, 1 / 3)
SCHARR = (3 / 16, 10 / 16, 3 / 16)


def dissimilarity(
    x: Float[Array, "*shape"], change: Float[Array, "*shape"], constant: float
) -> Float[Array, "*shape"]:
    """One minus the similarity of x and y = x + change, in [0, 2]; 0 where they are equal."""
    y = x + change
    return change * change / (x * x + y * y + constant)


def magnitude_dissimilarity(
    x: Float[Array, "*shape"], change: Float[Array, "*shape"], constant: float
) -> Float[Array, "*shape"]:
    """`dissimilarity` of the magnitudes |x| and |x + change|, in [0, 1]."""
    return dissimilarity(jnp.abs(x), magnitude_change(x, change), constant)


def magnitude_change(
    x: Float[Array, "*shape"], change: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """|x + change| - |x|, without cancellation where the sign stays the same."""
    y = x + change
    return jnp.where(x * y > 0, jnp.sign(x) * change, jnp.abs(y) - jnp.abs(x))


def length_dissimilarity(
    vector: Sequence[Float[Array, "*shape"]],
    change: Sequence[Float[Array, "*shape"]],
    constant: float,
    masking: float = 0,
) -> Float[Array, "*shape"]:
    """`dissimilarity` of the lengths of `vector` and `vector` + `change`, in [0, 1].

    Args:
        vector: the components of the vectors.
        change: what is added to each component.
        constant: c of the similarity.
        masking: factor of the product of the lengths, which is subtracted from the numerator and
            the denominator of the similarity.
    """
    pairs = list(zip(vector, change, strict=True))
    energy = reductions.add(component * component for component in vector)
    other_energy = reductions.add((component + step) ** 2 for component, step in pairs)
    length, other_length = finite.sqrt(energy), finite.sqrt(other_energy)
    energy_change = reductions.add(step * (2 * component + step) for component, step in pairs)
    length_change = finite.divide(energy_change, length + other_length, 0.0)
    product = masking * length * other_length
    return length_change * length_change / (energy + other_energy - product + constant)


def gradient_dissimilarity(
    plane: Float[Array, "*batch h w"],
    change: Float[Array, "*batch h w"],
    smoothing: tuple[float, ...],
    constant: float,
    masking: float = 0,
    extent: Extent | None = None,
) -> Float[Array, "*batch h w"]:
    """`length_dissimilarity` of the gradients of `plane` and `plane` + `change`."""
    return length_dissimilarity(
        gradients(plane, smoothing, extent),
        gradients(change, smoothing, extent),
        constant,
        masking,
    )


def gradients(
    image: Float[Array, "*batch h w"],
    smoothing: tuple[float, ...],
    extent: Extent | None = None,
) -> tuple[Float[Array, "*batch h w"], Float[Array, "*batch h w"]]:
    """Vertical and horizontal 3 x 3 differences, with zeros outside the image.

    Args:
        image: the planes.
        smoothing: three taps perpendicular to the difference, e.g. `PREWITT`.
        extent: where the image is in the planes.
    """
    padded = filters.pad(image, 1, 1, "constant", extent)
    difference = (1, 0, -1)
    vertical = filters.correlate_separable(padded, difference, smoothing)
    horizontal = filters.correlate_separable(padded, smoothing, difference)
    return vertical, horizontal


def deviation(
    values: Float[Array, "*batch h w"], *, unbiased: bool, extent: Extent | None = None
) -> Float[Array, "*batch"]:
    """Standard deviation over the last two axes, with zero gradient where it is zero."""
    count = extents.count(values, extent) - int(unbiased)
    squares = reductions.centred(values, extent) ** 2
    return finite.sqrt(reductions.total(squares, extent) / count)
