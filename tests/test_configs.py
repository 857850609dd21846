"""Every configuration that ships is complete and describes a model that exists."""

import importlib
from pathlib import Path

import pytest

from gsn_jax.errors import InputError
from gsn_jax.models import registry
from gsn_jax.training.config import load_config
from gsn_jax.training.optimizers import make_optimizer
from gsn_jax.training.step import make_loss

FILES = sorted((Path(__file__).parents[1] / "configs").glob("[!_]*.py"))
NAMES = {
    name: path
    for path in FILES
    for name in getattr(importlib.import_module(f"configs.{path.stem}"), "ALIASES", [path.stem])
}


@pytest.mark.parametrize("name", NAMES)
def test_configuration(name):
    overrides = ["--config.data.train=x.csv"] if name in ("default", "wadiqam") else []
    config = load_config(name, overrides)
    registry.build(config.model)
    make_optimizer(config.optimizer, config.train.steps)
    make_loss(config.loss)
    assert f"--config {NAMES[name].stem}" in NAMES[name].read_text()


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(InputError) as raised:
        load_config("none")
    listed = str(raised.value).rpartition("one of: ")[2].split(", ")
    assert listed == sorted(NAMES)
