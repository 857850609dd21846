"""A pytest plugin: the fixture `image_similarity` compares images with stored ones.

    def test_plot(image_similarity):
        image_similarity.check(draw(), at_least=0.95)

The expected image of `test_plot` in `tests/test_drawing.py` is
`tests/test_drawing/test_plot.png`. `pytest --gsn-update` writes it, and
`--gsn-differences DIR` says where pictures of differences go.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gsn_jax.images import ImageLike
    from gsn_jax.metric import Metric


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("gsn_jax", "image similarity (gsn_jax)")
    group.addoption(
        "--gsn-update",
        action="store_true",
        help="Store the images that the tests produce as the expected images of image_similarity.",
    )
    group.addoption(
        "--gsn-differences",
        metavar="DIR",
        help="Where image_similarity puts pictures of differences.  [default: image_differences]",
    )


class ImageSimilarity:
    """Compares the images of one test with stored ones."""

    def __init__(self, folder: Path, test: str, *, update: bool, differences: str | None):
        """Compares nothing yet.

        Args:
            folder: the expected images.
            test: name of the test, with its class and parameters.
            update: whether to store images instead of comparing them.
            differences: where pictures of differences go; None for the default.
        """
        self._folder, self._test = folder, test
        self._update, self._differences = update, differences

    def check(
        self,
        actual: ImageLike,
        metric: str | os.PathLike[str] | Metric = "gsn",
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        name: str = "",
    ) -> None:
        """Asserts that an image looks like the stored one.

        Args:
            actual: see `gsn_jax.testing.assert_images_similar`.
            metric: likewise.
            at_least: likewise.
            at_most: likewise.
            name: distinguishes several images of one test.

        Raises:
            AssertionError: the images differ, or there is no stored image.
            InputError: see `gsn_jax.testing.assert_images_similar`.
        """
        from gsn_jax.testing import comparison

        stem = comparison.file_name(f"{self._test}-{name}" if name else self._test)
        expected = self._folder / f"{stem}.png"
        if self._update:
            comparison.store(actual, expected)
            return
        if not expected.exists():
            raise AssertionError(f"{expected}: no such image; pytest --gsn-update stores it")
        comparison.assert_images_similar(
            actual,
            expected,
            metric,
            at_least=at_least,
            at_most=at_most,
            folder=self._differences or comparison.FOLDER,
            name=f"{self._folder.name}-{stem}",
        )


@pytest.fixture
def image_similarity(request: pytest.FixtureRequest) -> ImageSimilarity:
    """Compares the images that a test makes with stored ones, see `ImageSimilarity`."""
    return ImageSimilarity(
        request.path.with_suffix(""),
        request.node.nodeid.partition("::")[2],
        update=request.config.getoption("--gsn-update"),
        differences=request.config.getoption("--gsn-differences"),
    )
