"""Quality maps as arrays: on the metric's own grid, or at every pixel of the image."""

from __future__ import annotations

import os
from typing import Literal

import numpy as np
from jaxtyping import Float

from gsn_jax.errors import InputError
from gsn_jax.images import ImageLike, as_pair
from gsn_jax.metric import MapGrid, Metric
from gsn_jax.scoring import by_name
from gsn_jax.scoring.provenance import protocol_text

SIZES = ("image", "grid")


def quality_map(
    reference: ImageLike,
    distorted: ImageLike,
    metric: str | os.PathLike[str] | Metric = "gsn",
    *,
    size: Literal["image", "grid"] = "image",
) -> Float[np.ndarray, "*batch h w"]:
    """Local quality or local error of a distorted image.

    Args:
        reference: a path, or an array `(..., H, W, 3)` of uint8 or floats in [0, 1].
        distorted: likewise, of equal size.
        metric: a metric with a map, or its name; see `gsn_jax.scoring.by_name.resolve`.
        size: "image" gives a value per pixel, interpolated linearly between the centres of the
            metric's cells; "grid" gives the cells themselves, which may be coarser than pixels.

    Returns:
        float32 `(..., H, W)`, or `(..., h, w)` for "grid", in the direction of the metric's score:
        a quality, or an error for a distance. For "gsn", a quality in [0, 1].

    Raises:
        InputError: the metric is unknown or has no map, or the images cannot be used with it.
    """
    if size not in SIZES:
        raise InputError(f"size must be one of {', '.join(SIZES)}, got {size!r}")
    if isinstance(metric, (str, os.PathLike)):
        metric = by_name.resolve(metric)
    if not metric.has_map:
        rules = protocol_text(metric)
        raise InputError(
            f"metric {metric.name!r} has no quality map{f' with {rules}' if rules else ''}; "
            f"{known_maps()}"
        )
    first, second = as_pair(reference, distorted)
    cells = np.asarray(metric.quality_map(first, second), np.float32)
    if size == "grid":
        return cells
    height, width = first.shape[-3:-1]
    return to_pixels(cells, height, width, grid_of(metric, height, width, cells.shape[-2:]))


def known_maps() -> str:
    """The end of an error message, which lists the metrics with a map."""
    return f"metrics with one: {', '.join(mapped_names())}"


def mapped_names() -> tuple[str, ...]:
    """Names of the models and metrics that have a map and whose weights are installed."""
    return tuple(metric.name for metric in by_name.available()[0] if metric.has_map)


def grid_of(metric: Metric, height: int, width: int, cells: tuple[int, int]) -> MapGrid:
    """The positions of a map's cells in the image.

    Args:
        metric: the metric of the map.
        height: of the image.
        width: of the image.
        cells: height and width of the map.

    Returns:
        The grid that the metric declares, or else that of an image halved repeatedly.

    Raises:
        ValueError: none is declared, and no image halved repeatedly has the size of the map.
    """
    declared = getattr(metric, "map_grid", None)
    if declared is not None:
        return declared(height, width)
    step = 1
    while step <= max(height, width):
        if (-(-height // step), -(-width // step)) == tuple(cells):
            return MapGrid(step, (step - 1) / 2)
        step *= 2
    raise ValueError(
        f"a map of {cells} cells does not fit an image of {height} x {width} halved repeatedly; "
        "declare the metric's map_grid"
    )


def to_pixels(
    cells: Float[np.ndarray, "*batch h w"], height: int, width: int, grid: MapGrid
) -> Float[np.ndarray, "*batch {height} {width}"]:
    """Interpolates a map linearly between the centres of cells; constant beyond the outer ones."""
    rows = _linear(cells, height, grid, axis=-2)
    return _linear(rows, width, grid, axis=-1)


def _linear(cells: np.ndarray, size: int, grid: MapGrid, axis: int) -> np.ndarray:
    last = cells.shape[axis] - 1
    position = np.clip((np.arange(size) - grid.first) / grid.step, 0, last)
    before = np.floor(position).astype(int)
    share = (position - before).astype(cells.dtype)
    if axis == -2:
        share = share[:, None]
    lower = np.take(cells, before, axis=axis)
    upper = np.take(cells, np.minimum(before + 1, last), axis=axis)
    return lower + share * (upper - lower)
