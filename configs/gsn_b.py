"""The model `gsn-b` that ships: a head on frozen features of VGG16 and AlexNet.

    gsn datasets prepare tid2013_regenerated --manual-dir DATA
    gsn synthesize PHOTOS --out data/carried --like tid2013 --types-per-photo 6 --size 192
    gsn synthesize PHOTOS --out data/synthetic --types-per-photo 6 --except like-tid2013 \
        --levels 1,3,5 --size 192 --consensus 0.8
    gsn synthesize PHOTOS --out data/scaled --types scaling --types-per-photo 3 --levels 1,2,3,4 \
        --size 192 --consensus 0.8 --seed 1
    gsn train --config gsn_b --workdir runs/gsn_b

DATA and PHOTOS are those of `configs/gsn.py`, whose `data/synthetic` is another. The features of
the crops take 26 GB of disk. Duration and result of the run that made the shipped model are in
`docs/model_card_gsn_b.md`; other backbones and your own weights are in `docs/backbones.md`.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """Errors as in LPIPS, SSIM and DISTS; the head starts with the weights of LPIPS and DISTS."""
    config = base_config()
    config.model.name = "frozen"
    config.model.backbone = "vgg16+alexnet"
    config.model.backbone_weights = "lpips+dists"
    config.model.fusion_width = 16  # a wider head overfits to individual scenes
    config.model.attention = (3,)  # of cells of 16 pixels; more would need larger tiles
    config.optimizer.learning_rate = 5e-4
    config.optimizer.weight_decay = 0.05
    # As `gsn synthesize` maps opinions: 7.25 is as good as the original, nobody gave more.
    human = ("tid2013_regenerated:train", 0, 7.25)
    # Human opinions carried over to more scenes. Other labels only for other distortions, or they
    # would contradict.
    synthetic = ("data/carried/pairs.csv", "data/synthetic/pairs.csv", "data/scaled/pairs.csv")
    config.data.train = (*[human] * 12, *synthetic)
    config.data.stored_crops = 3  # of a pair with human labels, each four times as often
    config.data.eval_fraction = 0.1
    config.data.crop_size = 128
    config.train.steps = 1400
    config.train.eval_every = 1400
    config.train.eval_pairs = 400  # whole images: they may take longer than the steps
    return config
