"""GSN on TID2013 as regenerated from Kodak photographs; a fifth of the scenes are held out.

    gsn datasets prepare tid2013_regenerated --manual-dir DOWNLOADS
    gsn train --config tid2013_regenerated --workdir runs/tid2013_regenerated

See `docs/datasets.md` for what DOWNLOADS holds.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """The defaults, on one data set."""
    config = base_config()
    config.data.train = ("tid2013_regenerated:train",)
    return config
