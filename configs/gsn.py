"""The model `gsn` that ships: AlexNet as central difference convolutions, for every use on a CPU.

    gsn datasets prepare tid2013_regenerated --manual-dir DATA
    gsn synthesize PHOTOS --out data/synthetic --types-per-photo 10 --levels 1,3,5 --size 256 \
        --consensus 0.8
    gsn synthesize PHOTOS --out data/scaled --types scaling --types-per-photo 4 --levels 1,2,3,4 \
        --size 256 --consensus 0.8 --seed 1
    gsn train --config gsn --workdir runs/gsn

DATA holds the Kodak photographs and TID2013's tables, see `docs/datasets.md`; PHOTOS is a folder
of pristine photographs. The weights to start from come with the extra `gsn_jax[weights]`. Duration
and result of the run that made the shipped model are in `docs/model_card.md`; its labels of
restored images were LPIPS's alone, `gsn synthesize` now takes the mean of LPIPS and DISTS.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """A frozen trunk with a head that starts as LPIPS; human and synthetic labels together."""
    config = base_config()
    config.model.trunk = "alexnet"
    config.model.trunk_weights = "lpips"  # channel weights that were learned from people
    # Unit length makes scenes comparable; similarity knows contrast, which unit length removes.
    config.model.comparison = "normalized+similarity"
    config.model.attention = (0, 7, 0, 5, 3)  # low, middle and high level: conv2, conv4 and conv5
    config.model.channelwise = False  # less time, and fewer ways to learn by heart
    config.optimizer.frozen_trunk_steps = -1  # few scenes of human labels would spoil it
    config.optimizer.learning_rate = 5e-4
    # As `gsn synthesize` maps opinions: 7.25 is as good as the original, nobody gave more.
    human = ("tid2013_regenerated:train", 0, 7.25)
    synthetic = ("data/synthetic/pairs.csv", "data/scaled/pairs.csv")
    config.data.train = (human, human, human, *synthetic)
    config.data.crop_size = 128
    config.data.batch_size = 32
    config.train.steps = 3000
    config.train.eval_every = 1500
    return config
