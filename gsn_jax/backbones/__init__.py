"""Siamese backbones: one image to features of several levels, from fine to coarse.

A backbone is a Linen module `backbone(images, sizes=None) -> (low, ..., high)`. It maps
`(N, H, W, 3)` images in [0, 1] to one array `(N, ceil(H / s), ceil(W / s), C)` per level, where s
is the level's stride. With true `sizes` (see `gsn_jax.images.padded`) the features are those of the
images alone, and zero beyond them. It has the attributes

- `conv`: the convolution, called as `flax.linen.Conv`: that itself, or `gsn_jax.layers.CDConv`;
- `strides`: image pixels per feature of each level, powers of two;
- `widths`: channels of each level;
- `centre`: the pixel, along both axes, on which the last level's first feature is centred;
- `reach`: how many pixels beyond its own a feature of each level sees, or None where the backbone
  takes no `sizes`; images are then not cut into tiles.
"""
