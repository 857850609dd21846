"""WaDIQaM-FR, the network behind the metric `deepiqa`: weighted averages over patches.

S. Bosse, D. Maniry, K.-R. Müller, T. Wiegand, W. Samek: "Deep Neural Networks for No-Reference and
Full-Reference Image Quality Assessment", IEEE TIP 27(1), 2018. Ten convolutions encode each
32 x 32 patch of both images. The features are fused, and two small regressors give the patch's
quality and its weight. The score is the weighted mean over patches.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gsn_jax.backbones.fast_convolution import convolve

PATCH = 32
FEATURES = 512
WIDTHS = (32, 32, 64, 64, 128, 128, 256, 256, 512, 512)
# Added to every weight, so that an image whose patches all have weight 0 gets their mean.
WEIGHT_FLOOR = 1e-6


class WaDIQaM(nn.Module):
    """Scores distorted images against their references, patch by patch.

    `WaDIQaM(...).apply(variables, reference, distorted)` maps two `(N, H, W, 3)` arrays in [0, 1],
    sRGB, H and W at least 32, to raw scores `(N,)`. Their direction and scale are those of the
    labels it was trained with: the authors' TID2013 weights give a MOS (up = better), their LIVE
    weights a DMOS (up = worse); this project's labels are quality in [0, 1].

    Evaluation uses the non-overlapping grid of patches from the top left corner, as the authors'
    code does; the rest at the right and bottom is ignored. Training uses the same grid, so random
    patches come from random crops in the input pipeline: a crop of 192 x 192 has 36 patches, close
    to the authors' 32 per image.

    Attributes:
        weighted: average the patches with learned weights (the published WaDIQaM); False takes
            their plain mean (DIQaM).
        dropout: rate between the two layers of each regressor, in training.
        input_scale: factor for images in [0, 1]; the authors' weights expect 255.
        dtype: type in which convolutions are computed, float32 or bfloat16; regressors, average
            and parameters stay float32.
        remat: recompute each pair of convolutions in the backward pass instead of storing it.
    """

    weighted: bool = True
    dropout: float = 0.5
    input_scale: float = 1.0
    dtype: Any = jnp.float32
    remat: bool = False

    min_size = PATCH

    @nn.compact
    def __call__(
        self, reference: jax.Array, distorted: jax.Array, train: bool = False
    ) -> jax.Array:
        """Raw scores `(N,)`; training needs the PRNG stream "dropout".

        Args:
            reference: `(N, H, W, 3)` in [0, 1].
            distorted: as `reference`.
            train: whether dropout is active.

        Raises:
            ValueError: the images differ in shape or are smaller than 32 x 32.
        """
        if reference.shape != distorted.shape or reference.ndim != 4:
            raise ValueError(
                "needs two (N, H, W, 3) arrays of equal shape, "
                f"got {reference.shape} and {distorted.shape}"
            )
        if min(reference.shape[1:3]) < PATCH:
            raise ValueError(f"needs images of at least {PATCH} x {PATCH}, got {reference.shape}")
        # A pair's images are adjacent, so that a sharded batch keeps them on one device.
        images = jnp.stack([reference, distorted], axis=1).reshape(-1, *reference.shape[1:])
        features = self._encode(patch_grid(images))
        features = features.reshape(reference.shape[0], 2, -1, FEATURES)
        first, second = features[:, 0], features[:, 1]
        fused = jnp.concatenate([first, second, first - second], axis=-1)
        quality = self._regress(fused, "quality", train)
        if not self.weighted:
            return jnp.mean(quality, axis=-1)
        weights = nn.relu(self._regress(fused, "weight", train)) + WEIGHT_FLOOR
        return jnp.sum(quality * weights, axis=-1) / jnp.sum(weights, axis=-1)

    def _encode(self, patches: jax.Array) -> jax.Array:
        """`(P, 32, 32, 3)` patches to `(P, 512)` float32 features; pooled every two layers."""

        def stage(module: nn.Module, features: jax.Array, first: int) -> jax.Array:
            for index in (first, first + 1):
                convolution = _Convolution(
                    WIDTHS[index], self.dtype, name=f"conv{index + 1}", parent=module
                )
                features = nn.relu(convolution(features))
            return nn.max_pool(features, (2, 2), (2, 2))

        if self.remat:
            stage = nn.remat(stage, static_argnums=(2,))
        features = (patches * self.input_scale).astype(self.dtype)
        for first in range(0, len(WIDTHS), 2):
            features = stage(self, features, first)
        return features.reshape(-1, FEATURES).astype(jnp.float32)

    def _regress(self, fused: jax.Array, name: str, train: bool) -> jax.Array:
        """`(N, P, 1536)` fused features to one number per patch, `(N, P)`."""
        hidden = nn.Dense(FEATURES, kernel_init=nn.initializers.he_normal(), name=f"{name}1")
        last = nn.Dense(1, kernel_init=nn.initializers.he_normal(), name=f"{name}2")
        values = nn.Dropout(self.dropout, deterministic=not train)(nn.relu(hidden(fused)))
        return last(values)[..., 0]


class _Convolution(nn.Module):
    """3 x 3 convolution with stride 1 and a border of one zero."""

    features: int
    dtype: Any

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        shape = (3, 3, inputs.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, shape[-1:])
        return convolve(inputs, kernel.astype(self.dtype)) + bias.astype(self.dtype)


def patch_grid(images: jax.Array) -> jax.Array:
    """Splits `(N, H, W, C)` into non-overlapping patches `(N * rows * columns, 32, 32, C)`.

    The grid starts at the top left corner; incomplete patches are left out.
    """
    count, height, width, channels = images.shape
    rows, columns = height // PATCH, width // PATCH
    whole = images[:, : rows * PATCH, : columns * PATCH]
    grid = whole.reshape(count, rows, PATCH, columns, PATCH, channels)
    return grid.swapaxes(2, 3).reshape(-1, PATCH, PATCH, channels)
