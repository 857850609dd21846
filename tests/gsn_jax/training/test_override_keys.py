"""Misspelt keys of a configuration."""

import pytest

from gsn_jax.errors import InputError
from gsn_jax.training.config import load_config
from gsn_jax.training.override_keys import check_keys

CONFIG = {"seed": 0, "data": {"crop_size": 8, "train": ()}, "loss": {"name": "gsn"}}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--config.data.crop=3", r"no key data\.crop; did you mean data\.crop_size\?"),
        ("--config.dta.crop_size=3", r"no key dta\.crop_size; did you mean data\.crop_size\?"),
        ("--config.crop_size=3", r"no key crop_size; did you mean data\.crop_size\?"),
        ("--config.xyz=3", "no key xyz; sections: seed, data, loss"),
    ],
)
def test_a_misspelt_key_gets_a_suggestion(override, message):
    with pytest.raises(InputError, match=message):
        check_keys(CONFIG, ["--config.seed=1", override])


def test_known_keys_and_other_arguments_pass():
    check_keys(CONFIG, ["--config.data.train[0]=a.csv", "--config.loss.name=mse", "--verbose"])


def test_a_configuration_is_loaded_with_the_suggestion():
    with pytest.raises(InputError, match=r"no key data\.crop; did you mean data\.crop_size\?"):
        load_config("gsn", ["--config.data.crop=3"])
