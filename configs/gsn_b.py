"""The model `gsn-b` that ships: VGG16 beside AlexNet, for the best agreement.

    gsn train --config gsn_b --workdir runs/gsn_b

The data and weights are those of `configs/gsn.py`, made by the commands there. Other backbones and
your own weights are in `docs/backbones.md`. The features of the crops take 26 GB of disk.
Duration and result of the run that made the shipped model are in `docs/model_card_gsn_b.md`.
"""

from ml_collections import ConfigDict

from gsn_jax.training.shipped_recipe import shipped_config


def get_config() -> ConfigDict:
    """Errors as in LPIPS, SSIM and DISTS; the head starts with the weights of LPIPS and DISTS."""
    config = shipped_config()
    config.model.backbone = "vgg16+alexnet"
    config.model.backbone_weights = "lpips+dists"
    return config
