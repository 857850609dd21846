"""The model `gsn-b` that ships: VGG16 as central difference convolutions, for the best agreement.

    gsn train --config gsn_b --workdir runs/gsn_b

on the data that `configs/gsn.py` tells how to make, with the same recipe. Duration and result of
the run that made the shipped model are in `docs/model_card.md`; other trunks and weights of your
own in `docs/backbones.md`.
"""

from ml_collections import ConfigDict

from gsn_jax.training.shipped_recipe import shipped_recipe


def get_config() -> ConfigDict:
    """As `gsn`, with another trunk; texture and structure are compared too, as DISTS does."""
    config = shipped_recipe()
    config.model.trunk = "vgg16"
    config.model.comparison = "normalized+similarity+structure"
    return config
