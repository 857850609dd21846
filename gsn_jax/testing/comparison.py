"""The assertion that two images look alike."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.images import ImageLike, as_array
from gsn_jax.metric import Metric
from gsn_jax.scoring import by_name
from gsn_jax.scoring.limits import Limit
from gsn_jax.scoring.outputs import writing
from gsn_jax.scoring.regions import score_arrays
from gsn_jax.testing.difference import picture, png

# Default folder for pictures of differences, in the current folder.
FOLDER = "image_differences"


def assert_images_similar(
    actual: ImageLike,
    expected: ImageLike,
    metric: str | os.PathLike[str] | Metric = "gsn",
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    folder: str | os.PathLike[str] = FOLDER,
    name: str | None = None,
) -> None:
    """Asserts that an image looks like the expected one.

    On failure, a picture is written: the expected image, the actual one, and the metric's map or,
    if it has none, the largest difference in the channels of each pixel; brighter is worse.

    Args:
        actual: a path, a Pillow image, or an array `(H, W, 3)`, `(H, W, 1)` or `(H, W)` of uint8,
            uint16 or floats in [0, 1].
        expected: likewise; the reference of the metric.
        metric: a metric or its name, see `gsn_jax.scoring.by_name.resolve`.
        at_least: the worst score that passes, for metrics where higher is better.
        at_most: the worst score that passes, for metrics where lower is better.
        folder: where the picture goes; created on failure.
        name: its name without suffix; by default that of the running pytest test, or else the
            stem of `actual`, or "image". A picture of the same name is replaced.

    Raises:
        AssertionError: the images differ in size, or the score, at six decimals, is worse than the
            limit. The message names the picture.
        InputError: an image cannot be used, or the limit does not fit the metric.
    """
    chosen = by_name.resolve(metric) if isinstance(metric, (str, os.PathLike)) else metric
    limit = _limit(chosen, at_least, at_most)
    pair = _image(expected, "expected"), _image(actual, "actual")
    sizes = [f"{image.shape[1]} x {image.shape[0]}" for image in pair]
    if sizes[0] != sizes[1]:
        problem = f"size {sizes[1]} differs from the expected {sizes[0]}"
    else:
        problem = limit.complaint({chosen.name: score_arrays(chosen, *pair)})
        if not problem:
            return
    target = Path(folder) / f"{file_name(name or _running_test() or _stem(actual))}.png"
    _write(target, picture(*pair, chosen, problem))
    raise AssertionError(f"{problem}; the difference is in {target}")


def store(image: ImageLike, path: Path) -> None:
    """Writes an image as an 8-bit PNG, for later comparisons.

    Args:
        image: see `assert_images_similar`.
        path: the file; its folder is created.

    Raises:
        InputError: the image cannot be used, or the file cannot be written.
    """
    _write(path, png(_image(image, "actual")))


# The names of pytest's tests that keep all letters that tell them apart.
_TEST_ID = re.compile(r"([\w.-]+::)*[\w.-]*\w(\[([\w.-]*\w)?\])?(-[\w.-]*\w)?")


def file_name(text: str) -> str:
    """A file name of bounded length, with the letters, digits, dots, dashes and _ of a text.

    It ends in a hash where other texts, such as `test_op[+]` and `test_op[*]`, would have the same
    name without it.
    """
    name = re.sub(r"[^\w.-]+", "_", text).strip("._")[:150]
    if _TEST_ID.fullmatch(text) and len(text) < 150:
        return name
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}".lstrip("-")


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be created ({error.strerror})") from None
    with writing(path) as partial:
        partial.write_bytes(content)


def _limit(metric: Metric, at_least: float | None, at_most: float | None) -> Limit:
    wanted, other = ("at_least", at_most) if metric.higher_is_better else ("at_most", at_least)
    value = at_least if metric.higher_is_better else at_most
    if value is None or other is not None:
        better = "higher" if metric.higher_is_better else "lower"
        raise InputError(f"{metric.name}: {better} is better; give {wanted}, and nothing else")
    return Limit(metric, value, metric.name)


def _image(image: ImageLike, role: str) -> np.ndarray:
    where = os.fspath(image) if isinstance(image, (str, os.PathLike)) else role
    array = np.asarray(as_array(image, where=str(where)))
    if array.ndim != 3:
        raise InputError(f"{where}: must be one image (height, width, 3), got shape {array.shape}")
    return array


def _running_test() -> str:
    """The name of the test that pytest runs, "" outside of pytest."""
    path, mark, test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0].partition("::")
    return path.rpartition("/")[2] + mark + test


def _stem(image: ImageLike) -> str:
    return Path(image).stem if isinstance(image, (str, os.PathLike)) else "image"
