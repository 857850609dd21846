from ml_collections import ConfigDict

from gsn_jax.training.shipped_recipe import shipped_config


def get_config() -> ConfigDict:
    config = shipped_config()
    config.model.name = "gsn"
    config.model.backbone = "alexnet"
    config.model.backbone_weights = "lpips"
    config.model.backbone_options = {"level_count": 3}
    config.model.attention = (7, 5, 3)
    config.optimizer.backbone_rate = 0.1
    config.data.stored_crops = 0
    return config
