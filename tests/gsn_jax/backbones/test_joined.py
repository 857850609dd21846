"""Several trunks as one: the levels of each, and a GSN that compares all of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_gsns import build, noisy_pair

from gsn_jax.backbones import cdcn
from gsn_jax.gsn import IDENTITY_SCORE
from gsn_jax.scoring.tiled_model import TiledModel


@pytest.fixture(scope="module")
def built():
    return build(
        trunk="cdcn+alexnet",
        trunk_options={},
        on_grid=True,
        comparison="normalized+structure",
        attention=(3,),
    )


def test_the_levels_are_those_of_each_trunk(built, rng):
    model, variables = built
    images = jnp.float32(rng.uniform(size=(1, 45, 52, 3)))
    levels = model.apply(variables, images, method="encode")
    parts = [cdcn.get(name) for name in ("cdcn", "alexnet")]
    apart = [
        level
        for part, name in zip(parts, ("cdcn", "alexnet"), strict=True)
        for level in part.apply({"params": variables["params"]["backbone"][name]}, images)
    ]
    assert len(levels) == len(apart)
    for got, want in zip(levels, apart, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5 * float(jnp.abs(want).max()))
    trunk = cdcn.get("cdcn+alexnet")
    assert trunk.widths == (*parts[0].widths, *parts[1].widths)
    assert trunk.strides == (*parts[0].strides, *parts[1].strides)
    assert trunk.reach == (*parts[0].reach, *parts[1].reach)
    assert trunk.min_size == 1
    assert cdcn.centre(trunk) == (7.5 + 15) / 2


def test_folding_and_tiles_change_nothing(built, rng):
    model, variables = built
    images = noisy_pair(rng, 531, 40)
    pair = [jnp.float32(image[None]) / 255 for image in images]
    whole = jax.jit(model.apply)(variables, *pair)[0]
    folded, plain = model.fold(variables)
    tiled = TiledModel(folded, plain, lambda raw: raw)
    assert tiled.score(*images) == pytest.approx(float(whole), abs=1e-4)
    assert whole < IDENTITY_SCORE


def test_a_part_without_a_reach_cannot_be_tiled():
    assert cdcn.get("resnet18+resnet34").reach is None


@pytest.mark.parametrize(
    ("trunk", "message"),
    [
        ("alexnet+x", "unknown trunk 'x'"),
        ("alexnet+alexnet", "every trunk may be joined once"),
        ("alexnet+resnet18", r"must end at one stride, got {'alexnet': 16, 'resnet18': 32}"),
    ],
)
def test_what_cannot_be_joined_is_named(trunk, message):
    with pytest.raises(ValueError, match=message):
        build(trunk=trunk, trunk_options={}, attention=(3,))
