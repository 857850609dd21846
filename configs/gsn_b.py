"""The model `gsn-b` that ships: VGG16 beside AlexNet, for the best agreement.

    gsn train --config gsn_b --workdir runs/gsn_b

The data and weights are those of `configs/gsn.py`, made by the commands there; other trunks and
weights of your own are in `docs/backbones.md`. Crops are described once, which takes 26 GB of disk.
Duration and result of the run that made the shipped model are in `docs/model_card_gsn_b.md`.
"""

from ml_collections import ConfigDict

from gsn_jax.training.shipped_recipe import shipped_config


def get_config() -> ConfigDict:
    """Compared as LPIPS, SSIM and DISTS do; a head that starts as both on a frozen trunk."""
    config = shipped_config()
    config.model.trunk = "vgg16+alexnet"
    config.model.trunk_weights = "lpips+dists"
    return config
