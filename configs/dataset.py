"""GSN on one of the public data sets; a fifth of the references are held out for evaluation.

    gsn datasets prepare pipal --manual-dir DOWNLOADS
    gsn train --config dataset.py:pipal --workdir runs/pipal

The argument is csiq, kadid10k, live_iqa, pipal or tid2013; `--config pipal` is short for
`--config dataset.py:pipal`. See `docs/datasets.md` for what DOWNLOADS holds.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config

NAMES = ("csiq", "kadid10k", "live_iqa", "pipal", "tid2013")
ALIASES = {name: name for name in NAMES}


def get_config(name: str = "") -> ConfigDict:
    """The defaults, trained on the data set `name`."""
    if name not in NAMES:
        raise ValueError(f"give dataset.py:NAME, where NAME is one of {', '.join(NAMES)}")
    config = base_config()
    config.data.train = (f"{name}:train",)
    return config
