"""GSN on TID2013 as regenerated from Kodak photographs; a fifth of the scenes are held out.

    gsn datasets prepare tid2013_regenerated --manual-dir DOWNLOADS
    gsn train --config tid2013_regenerated --workdir runs/tid2013_regenerated

See `docs/datasets.md` for what DOWNLOADS holds. About a quarter of an hour on two CPU cores.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """The defaults on one small data set, short enough for a CPU."""
    config = base_config()
    config.data.train = ("tid2013_regenerated:train",)
    config.data.crop_size = 128
    config.train.steps = 1000
    config.train.eval_every = 500
    return config
