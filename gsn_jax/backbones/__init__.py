"""Siamese backbones: features of one image at several levels, from fine to coarse.

A backbone is a Linen module `backbone(images, sizes=None) -> (low, ..., high)`. It maps
`(N, H, W, 3)` images in [0, 1] to one array `(N, ceil(H / s), ceil(W / s), C)` per level, where s
is the level's stride. With true `sizes` (see `gsn_jax.backbones.padded`), padding has no influence
on the features, and they are zero beyond the images; a backbone without `reach` raises `ValueError`
for sizes. A backbone has the attributes

- `conv`: the convolution, called like `flax.linen.Conv`: that itself, or `gsn_jax.layers.CDConv`;
- `strides`: image pixels per feature of each level, powers of two;
- `widths`: channels of each level;
- `centre`: the pixel, along both axes, on which the last level's first feature is centred;
- `reach`: how far the receptive field of a feature of each level extends beyond the feature's own
  cell, in pixels, or None if it does not support `sizes`; images are then not cut into tiles.

A backbone with published weights also has the attribute `level_count`, the number of levels.
"""
