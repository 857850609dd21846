"""The pictures of the page: one photograph at equal bytes and at equal quality, with maps."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from gsn_jax.benchmark.report import pictures
from gsn_jax.errors import InputError
from gsn_jax.images import as_float, load_image
from gsn_jax.metric import Metric
from gsn_jax.rate_distortion.comparison import Comparison
from gsn_jax.scoring.maps import quality_map

# Side of the crop that is shown, in pixels of the photograph.
CROP = 224


def example_rows(
    comparison: Comparison, metrics: Mapping[str, Metric], focus: str
) -> dict[str, Any] | None:
    """The template's values of the pictures; None if nothing can be shown.

    Among the photographs that every codec encoded, shows the one whose BD-rates are nearest to the
    means. For each codec, shows the setting nearest to a common file size, and the one nearest to a
    common score.

    Args:
        comparison: what is reported.
        metrics: name to metric.
        focus: the metric that defines equal quality and gives the maps.
    """
    study = comparison.study
    scores = study.scores[focus]
    found: dict[str, dict[str, list[int]]] = {}
    for k, item in enumerate(study.encodings):
        if math.isfinite(scores[k]):
            found.setdefault(item.image, {}).setdefault(item.codec, []).append(k)
    shared = [image for image in found if len(found[image]) == len(study.codecs)]
    if not shared:
        return None
    image = _typical(comparison, focus, shared)
    rows = {codec: found[image][codec] for codec in study.codecs}
    sizes = {codec: [math.log(study.encodings[k].size) for k in r] for codec, r in rows.items()}
    values = {codec: [float(scores[k]) for k in r] for codec, r in rows.items()}
    by_bytes = {codec: rows[codec][_nearest(sizes[codec], _common(sizes))] for codec in rows}
    by_score = {codec: rows[codec][_nearest(values[codec], _common(values))] for codec in rows}
    chosen = dict.fromkeys([*by_bytes.values(), *by_score.values()])
    first = study.encodings[next(iter(chosen))].pair
    try:
        reference = _load(first.files[0])
        distorted = {k: _load(study.encodings[k].pair.files[1]) for k in chosen}
        maps = _maps(metrics.get(focus), reference, distorted)
    except InputError:  # a file has been removed since it was scored
        return None
    window = _window(reference, distorted)
    higher = study.higher_is_better[focus]
    ends = [float(m.min()) for m in maps.values()], [float(m.max()) for m in maps.values()]

    def shown(k: int) -> dict[str, Any]:
        item = study.encodings[k]
        return {
            "codec": item.codec,
            "setting": item.setting,
            "size": item.size,
            "rate": item.rate,
            "scores": {name: float(column[k]) for name, column in study.scores.items()},
            "picture": _crop(distorted[k], window),
            "map": pictures.map_picture(
                maps[k][window],
                maps[k][window].shape,
                low=min(ends[0]),
                high=max(ends[1]),
                higher_is_better=higher,
            )
            if maps
            else None,
        }

    return {
        "image": image,
        "focus": focus,
        "has_maps": bool(maps),
        "reference": _crop(reference, window),
        "bytes": [shown(k) for k in by_bytes.values()],
        "score": [shown(k) for k in by_score.values()],
    }


def _typical(comparison: Comparison, focus: str, images: Sequence[str]) -> str:
    """The image with the most BD-rates; of several, the one with BD-rates nearest to the means."""
    estimates = [item.rate for item in comparison.against if item.metric == focus]

    def distance(image: str) -> tuple[int, float]:
        known = [e for e in estimates if image in e.by_image]
        return len(estimates) - len(known), sum(abs(e.by_image[image] - e.value) for e in known)

    return min(images, key=distance)


def _common(values: Mapping[str, list[float]]) -> float:
    """The value that all codecs come nearest to, in the middle half of the range they share."""
    low, high = max(map(min, values.values())), min(map(max, values.values()))
    middle = (low + high) / 2
    found = [v for row in values.values() for v in row if abs(v - middle) <= (high - low) / 4]

    def distance(target: float) -> float:
        return max(min(abs(v - target) for v in row) for row in values.values())

    return min([middle, *found], key=distance)


def _nearest(values: list[float], target: float) -> int:
    return int(np.argmin(np.abs(np.asarray(values) - target)))


def _load(path: Any) -> np.ndarray:
    return np.asarray(as_float(load_image(path)))


def _maps(
    metric: Metric | None, reference: np.ndarray, distorted: Mapping[int, np.ndarray]
) -> dict[int, np.ndarray]:
    if metric is None or not metric.has_map:
        return {}
    return {k: quality_map(reference, image, metric) for k, image in distorted.items()}


def _window(reference: np.ndarray, distorted: Mapping[int, np.ndarray]) -> tuple[slice, slice]:
    """The crop with the largest squared error, summed over the versions."""
    error = sum(np.square(image - reference).sum(axis=-1) for image in distorted.values())
    height, width = reference.shape[:2]
    rows, columns = min(CROP, height), min(CROP, width)
    total = np.pad(np.cumsum(np.cumsum(error, axis=0), axis=1), ((1, 0), (1, 0)))
    sums = (
        total[rows:, columns:]
        - total[:-rows, columns:]
        - total[rows:, :-columns]
        + total[:-rows, :-columns]
    )
    top, left = np.unravel_index(np.argmax(sums), sums.shape)
    return slice(int(top), int(top) + rows), slice(int(left), int(left) + columns)


def _crop(image: np.ndarray, window: tuple[slice, slice]) -> pictures.Picture:
    """Encodes the crop losslessly, because lossy compression would hide differences."""
    pixels = np.round(255 * image[window]).astype(np.uint8)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "WEBP", lossless=True, quality=60, method=4)
    uri = pictures.data_uri(target.getvalue(), "image/webp")
    return pictures.Picture(uri, pixels.shape[1], pixels.shape[0])
