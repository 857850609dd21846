"""Scores of a pair of arrays: of all pixels, under a mask, and of tiles."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from gsn_jax.errors import InputError
from gsn_jax.images import ImageLike, as_pair
from gsn_jax.images.masks import MaskLike, as_mask, check_mask_size
from gsn_jax.metric import Mask, Metric, ReferenceCaching, Regional, Remember, forget

# Numbers of tiles from top to bottom and from left to right.
Tiles = tuple[int, int]


def takes_masks(metric: Metric) -> bool:
    """Whether a metric can score parts of images."""
    return isinstance(metric, Regional) and metric.takes_masks


def check_takes_masks(metrics: Sequence[Metric]) -> None:
    """Refuses metrics that cannot score parts of images.

    Raises:
        InputError: one cannot; the message names all of them.
    """
    names = [metric.name for metric in metrics if not takes_masks(metric)]
    if names:
        raise InputError(
            f"{', '.join(names)}: cannot be used with masks or tiles (no map of local scores); "
            "leave out, or crop the images instead"
        )


def score_arrays(
    metric: Metric, reference: np.ndarray, distorted: np.ndarray, remember: Remember = forget
) -> float:
    """The score of two images.

    Args:
        metric: the metric to score with.
        reference: `(H, W, 3)`, uint8 or float32 in [0, 1].
        distorted: likewise.
        remember: looks up the reference's features, see `gsn_jax.metric.Remember`.

    Raises:
        InputError: the images are too small for the metric.
    """
    if isinstance(metric, ReferenceCaching):
        return float(metric.score_arrays(reference, distorted, remember))
    return float(metric(reference, distorted))


def score_masked(metric: Metric, reference: np.ndarray, distorted: np.ndarray, mask: Mask) -> float:
    """The score of one pair under a mask.

    Args:
        metric: the metric to score with.
        reference: `(H, W, 3)`, uint8 or float32 in [0, 1].
        distorted: likewise.
        mask: the weight of each pixel. A mask of ones gives the score of the whole pair.

    Raises:
        InputError: the metric takes no masks, the mask is 0 everywhere or has another size, or the
            images are too small.
    """
    regional = _regional(metric)
    check_mask_size(mask, reference)
    if (mask == 1).all():
        return score_arrays(metric, reference, distorted)
    if not mask.any():
        raise InputError("the mask is empty (0 everywhere) in the scored part of the image")
    return regional.score_regions(reference, distorted, [mask])[0]


def masked_scores(
    metric: Metric, reference: ImageLike, distorted: ImageLike, mask: MaskLike
) -> Float[np.ndarray, "*batch"]:
    """The scores of one pair or a batch of pairs under a mask.

    Args:
        metric: the metric to score with.
        reference: a path, or an array `(..., H, W, 3)`, see `gsn_jax.images.as_array`.
        distorted: likewise.
        mask: a path, or an array `(H, W)` or `(..., H, W)`, see `gsn_jax.images.masks.as_mask`.

    Raises:
        InputError: an image or the mask cannot be used; or see `score_masked`.
    """
    read = getattr(metric, "as_pair", as_pair)  # a metric under an HDR protocol has its own
    first, second = (np.asarray(image) for image in read(reference, distorted))
    weights, batch = as_mask(mask), first.shape[:-3]
    check_mask_size(weights, first)
    if weights.shape[:-2] not in ((), batch):
        raise InputError(
            f"mask: batch shape {weights.shape[:-2]} differs from {batch} of the images; give one "
            "mask, or one per pair"
        )
    weights = np.broadcast_to(weights, first.shape[:-1])
    pairs = zip(
        first.reshape(-1, *first.shape[-3:]),
        second.reshape(-1, *second.shape[-3:]),
        weights.reshape(-1, *weights.shape[-2:]),
        strict=True,
    )
    scores = [score_masked(metric, *pair) for pair in pairs]
    return np.array(scores, np.float32).reshape(batch)


def score_tiles(
    metric: Metric, reference: np.ndarray, distorted: np.ndarray, tiles: Tiles
) -> list[float]:
    """The scores of the tiles of one pair, row by row: those under a mask of each tile.

    Args:
        metric: the metric to score with.
        reference: `(H, W, 3)`, uint8 or float32 in [0, 1].
        distorted: likewise.
        tiles: number of tiles from top to bottom and from left to right. They divide the part of
            the image that the metric's protocol keeps.

    Raises:
        InputError: the metric takes no masks, or the images are too small.
    """
    border = protocol.crop_border if (protocol := getattr(metric, "protocol", None)) else 0
    height, width = reference.shape[:2]
    masks = tile_masks(height, width, tiles, border)
    return _regional(metric).score_regions(reference, distorted, masks)


def _regional(metric: Metric) -> Regional:
    check_takes_masks([metric])
    assert isinstance(metric, Regional)
    return metric


def tile_masks(height: int, width: int, tiles: Tiles, border: int = 0) -> Iterator[Mask]:
    """Masks of the tiles of an image, row by row. The sides of tiles differ by at most a pixel.

    Args:
        height: of the image.
        width: of the image.
        tiles: number of tiles from top to bottom and from left to right.
        border: number of pixels at each border that belong to no tile.

    Raises:
        InputError: there are more tiles than pixels along one side.
    """
    rows, columns = tiles
    inner = height - 2 * border, width - 2 * border
    if inner[0] < rows or inner[1] < columns:
        raise InputError(
            f"{inner[1]} x {inner[0]} is too small for {rows} x {columns} tiles (rows x columns); "
            "use fewer"
        )
    tops, lefts = (
        border + np.arange(count + 1) * side // count
        for side, count in zip(inner, (rows, columns), strict=True)
    )
    for top, bottom in itertools.pairwise(tops):
        for left, right in itertools.pairwise(lefts):
            mask = np.zeros((height, width), np.float32)
            mask[top:bottom, left:right] = 1
            yield mask
