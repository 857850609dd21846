"""The model `gsn` that ships: small, from scratch, on human labels and synthetic distortions.

    gsn datasets prepare tid2013_regenerated --manual-dir DATA
    gsn synthesize PHOTOS --out data/synthetic --levels 1,3,5 --size 288 --identical
    gsn train --config gsn --workdir runs/gsn

DATA holds the Kodak photographs and TID2013's tables, see `docs/datasets.md`; PHOTOS is a folder
of pristine photographs. Duration and result of the run that made the shipped model are in
`docs/model_card.md`.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """Human and synthetic labels together; four scenes of TID2013 held out for evaluation."""
    config = base_config()
    config.data.train = ("tid2013_regenerated:train", "data/synthetic/pairs.csv")
    config.data.crop_size = 128
    config.data.batch_size = 32
    return config
