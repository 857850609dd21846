"""GSN on LIVE (release 2); a fifth of the references are held out for evaluation.

    gsn datasets prepare live_iqa --manual-dir DOWNLOADS
    gsn train --config live_iqa --workdir runs/live_iqa

See `docs/datasets.md` for what DOWNLOADS holds.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """The defaults, on one data set."""
    config = base_config()
    config.data.train = ("live_iqa:train",)
    return config
