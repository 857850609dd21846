"""How the models that ship are trained, but for their trunks; `configs/gsn.py` and `gsn_b.py`."""

from __future__ import annotations

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config

# As `gsn synthesize` maps opinions: 7.25 is as good as the original, nobody gave more.
_HUMAN = ("tid2013_regenerated:train", 0, 7.25)
_SYNTHETIC = ("data/synthetic/pairs.csv", "data/scaled/pairs.csv")


def shipped_recipe() -> ConfigDict:
    """A frozen trunk with a head that starts as LPIPS; human and synthetic labels together."""
    config = base_config()
    config.model.trunk_weights = "lpips"  # channel weights that were learned from people
    config.model.on_grid = True
    config.model.attention = (3,)  # of cells of 16 pixels; more would need larger tiles
    config.optimizer.frozen_trunk_steps = -1  # few scenes of human labels would spoil it
    config.optimizer.learning_rate = 5e-4
    config.data.train = (*[_HUMAN] * 6, *_SYNTHETIC)
    config.data.stored_crops = 1  # of each: six of a pair that people have seen
    config.data.eval_fraction = 0.1
    config.data.crop_size = 128
    config.data.batch_size = 32
    config.train.steps = 4000
    config.train.eval_every = 2000
    config.train.eval_pairs = 400  # whole images: they take longer than the steps
    return config
