"""GSN on TID2013; a fifth of the references are held out for evaluation.

    gsn datasets prepare tid2013 --manual-dir DOWNLOADS
    gsn train --config tid2013 --workdir runs/tid2013

See `docs/datasets.md` for what DOWNLOADS holds.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """The defaults, on one data set."""
    config = base_config()
    config.data.train = ("tid2013:train",)
    return config
