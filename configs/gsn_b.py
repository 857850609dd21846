"""The shipped model `gsn-b`: a head on frozen features of VGG16 and AlexNet.

    gsn datasets prepare tid2013_regenerated --manual-dir DATA
    gsn synthesize PHOTOS --out data/carried --like tid2013 --types-per-photo 6 --size 192
    gsn synthesize PHOTOS --out data/synthetic --types-per-photo 6 --except like-tid2013 \
        --levels 1,3,5 --size 192 --consensus 0.8
    gsn synthesize PHOTOS --out data/scaled --types scaling --types-per-photo 3 --levels 1,2,3,4 \
        --size 192 --consensus 0.8 --seed 1
    gsn train --config gsn_b --workdir runs/gsn_b

DATA and PHOTOS are as in `configs/gsn.py`, but `data/synthetic` differs. The features of the crops
take 26 GB of disk. `docs/model_card_gsn_b.md` gives the duration and result of the run that made
the shipped model; `docs/backbones.md` describes other backbones and your own weights.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """Errors as in LPIPS, SSIM and DISTS; LPIPS and DISTS weights initialise the head."""
    config = base_config()
    config.model.name = "frozen"
    config.model.backbone = "vgg16+alexnet"
    config.model.backbone_weights = "lpips+dists"
    config.model.fusion_width = 16  # a wider head overfits to individual scenes
    config.model.attention = (3,)  # in cells of 16 pixels; a larger kernel needs larger tiles
    config.optimizer.learning_rate = 5e-4
    config.optimizer.weight_decay = 0.05
    # No image has a higher MOS than 7.25; `gsn synthesize` likewise maps 7.2 to quality 1.
    human = ("tid2013_regenerated:train", 0, 7.25)
    # Opinions transferred to other photographs. Estimated labels are for other distortions only;
    # for the same ones they would contradict the opinions.
    synthetic = ("data/carried/pairs.csv", "data/synthetic/pairs.csv", "data/scaled/pairs.csv")
    config.data.train = (*[human] * 12, *synthetic)
    config.data.stored_crops = 3  # human-labelled pairs occur 12 times: 4 times each crop
    config.data.eval_fraction = 0.1
    config.data.crop_size = 128
    config.train.steps = 1400
    config.train.eval_every = 1400
    config.train.eval_pairs = 400  # whole images, which can take longer than the training
    return config
