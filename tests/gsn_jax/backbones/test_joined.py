"""Several backbones as one: the levels of each, and a model that compares all of them."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from closeness import assert_close
from small_gsns import build, noisy_pair

from gsn_jax.backbones import registry as backbones
from gsn_jax.errors import InputError
from gsn_jax.gsn import fold
from gsn_jax.heads import IDENTITY_SCORE
from gsn_jax.scoring.tiles import TiledModel


@pytest.fixture(scope="module")
def built():
    return build(name="frozen", backbone="cdcn+alexnet", backbone_options={}, attention=(3,))


@pytest.mark.slow
def test_the_levels_are_those_of_each_backbone(built, rng):
    model, variables = built
    images = jnp.float32(rng.uniform(size=(1, 45, 52, 3)))
    levels = jax.jit(functools.partial(model.apply, method="encode"))(variables, images)
    parts = [backbones.build(name, conv=nn.Conv) for name in ("cdcn", "alexnet")]
    apart = [
        level
        for part, name in zip(parts, ("cdcn", "alexnet"), strict=True)
        for level in jax.jit(part.apply)(
            {"params": variables["params"]["backbone"][f"parts_{name}"]}, images
        )
    ]
    assert len(levels) == len(apart)
    for got, want in zip(levels, apart, strict=True):
        assert_close(got, want)
    backbone = backbones.build("cdcn+alexnet")
    assert backbone.widths == (*parts[0].widths, *parts[1].widths)
    assert backbone.strides == (*parts[0].strides, *parts[1].strides)
    assert backbone.reach == (*parts[0].reach, *parts[1].reach)
    assert backbone.centre == (7.5 + 15) / 2


@pytest.mark.slow
def test_folding_and_tiles_change_nothing(built, rng):
    model, variables = built
    images = noisy_pair(rng, 531, 40)
    pair = [jnp.float32(image[None]) / 255 for image in images]
    whole = jax.jit(model.apply)(variables, *pair)[0]
    folded, plain = fold(model, variables)
    tiled = TiledModel(folded, plain, lambda raw: raw)
    assert tiled.score(*images) == pytest.approx(float(whole), abs=1e-4)
    assert whole < IDENTITY_SCORE


def test_a_part_without_a_reach_cannot_be_tiled():
    assert backbones.build("resnet18+resnet34").reach is None


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("alexnet+x", "unknown backbone 'x'"),
        ("alexnet+alexnet", "a backbone can be joined only once"),
        ("alexnet+resnet18", r"must end at the same stride, got {'alexnet': 16, 'resnet18': 32}"),
    ],
)
def test_what_cannot_be_joined_is_named(backbone, message):
    with pytest.raises(InputError, match=message):
        build(backbone=backbone, backbone_options={}, attention=(3,))
