"""WaDIQaM-FR (DeepIQA), the patch-based predecessor that GSN is compared with.

    gsn datasets prepare tid2013 --manual-dir DATA
    gsn train --config wadiqam --workdir runs/wadiqam --config.data.train=tid2013:train

Bosse et al., "Deep Neural Networks for No-Reference and Full-Reference Image Quality Assessment",
IEEE TIP 2018: mean absolute error, Adam, 32 patches of 32 x 32 per image. A crop of 192 pixels
holds 36 patches. The paper samples patches from the whole image; here they form one random crop.
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """WaDIQaM-FR with weighted patch averaging."""
    config = base_config()
    config.model = ConfigDict({"name": "wadiqam", "weighted": True, "dropout": 0.5})
    config.loss.name = "mae"
    config.optimizer.learning_rate = 1e-4
    config.optimizer.weight_decay = 0.0  # AdamW without it is Adam
    config.optimizer.ema = 0.0
    config.data.crop_size = 192
    config.data.batch_size = 4
    return config
