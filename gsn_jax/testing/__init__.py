"""Assertions about images, for use in your own tests; cheap to import.

With pytest, the fixture `image_similarity` compares with stored images, see
`gsn_jax.testing.pytest_plugin`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from gsn_jax.testing.comparison import assert_images_similar

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"comparison": ["assert_images_similar"]}
)

__all__ = ["assert_images_similar"]
