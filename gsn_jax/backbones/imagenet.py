"""Input normalisation of networks trained on ImageNet."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

# For sRGB in [0, 1]; used by every network of torchvision and nearly every one of timm.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


def normalise_images(images: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
    """Normalises sRGB images in [0, 1] as the published networks expect."""
    return (images - jnp.asarray(MEAN, images.dtype)) / jnp.asarray(DEVIATION, images.dtype)
