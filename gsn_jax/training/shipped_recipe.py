"""How the models that ship are trained: what `configs/gsn.py` and `configs/gsn_b.py` share."""

from __future__ import annotations

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def shipped_config() -> ConfigDict:
    """A head on a frozen trunk, whose descriptions of crops are stored; the trunk is left open."""
    config = base_config()
    # Unit length makes scenes comparable; similarity and structure know contrast, which unit
    # length removes.
    config.model.comparison = "normalized+similarity+structure"
    config.model.on_grid = True
    config.model.fusion_width = 16  # a wider head learns scenes by heart
    config.model.attention = (3,)  # of cells of 16 pixels; more would need larger tiles
    config.optimizer.frozen_trunk_steps = -1  # few scenes of human labels would spoil it
    config.optimizer.learning_rate = 5e-4
    config.optimizer.weight_decay = 0.05
    # As `gsn synthesize` maps opinions: 7.25 is as good as the original, nobody gave more.
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
    config.train.eval_pairs = 400  # whole images: they may take longer than the steps
    return config
