"""How the models that ship are trained: the common part of `configs/gsn.py` and `gsn_b.py`."""

from __future__ import annotations

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def shipped_config() -> ConfigDict:
    """A head on stored features of a frozen backbone, which the caller chooses."""
    config = base_config()
    config.model.name = "frozen"  # few scenes of human labels would spoil a trained backbone
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
    config.data.batch_size = 32
    config.train.steps = 1400
    config.train.eval_every = 1400
    config.train.eval_pairs = 400  # whole images: they may take longer than the steps
    return config
