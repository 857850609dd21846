"""The model on frozen features: stored features, padding, tiles, and the score of both parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from small_gsns import FROZEN, build, noisy_pair

from gsn_jax.gsn import fold
from gsn_jax.heads import IDENTITY_SCORE
from gsn_jax.scoring.tiles import TiledModel

CELL = 8


@pytest.fixture(scope="module")
def built():
    return build(**FROZEN)


@pytest.mark.slow
def test_stored_features_give_the_score(built, rng):
    model, variables = built
    first, second = jnp.float32(rng.uniform(size=(2, 3, 64, 48, 3)))

    def in_two_steps(model):
        return model.score_features(*model.features(model.encode(first), model.encode(second)))

    want = jax.jit(model.apply)(variables, first, second)
    got = jax.jit(lambda variables: model.apply(variables, method=in_two_steps))(variables)
    assert_close(got, want)


def test_an_identical_pair_is_best_by_construction(built, rng):
    model, variables = built
    first, second = jnp.float32(rng.uniform(size=(2, 2, 40, 48, 3)))
    apply = jax.jit(model.apply)
    np.testing.assert_allclose(apply(variables, first, first), IDENTITY_SCORE, atol=1e-6)
    assert (apply(variables, first, second) < IDENTITY_SCORE).all()


@pytest.mark.slow
def test_gradients_are_finite_at_equal_images(built, rng):
    model, variables = built
    image = jnp.float32(rng.uniform(size=(1, 32, 32, 3)))
    slope = jax.jit(jax.grad(lambda x: model.apply(variables, image, x).sum()))(image)
    assert jnp.isfinite(slope).all()


def test_folding_changes_nothing(built, rng):
    model, variables = built
    first, second = jnp.float32(rng.uniform(size=(2, 2, 40, 48, 3)))
    folded, plain = fold(model, variables)
    want = jax.jit(model.apply)(variables, first, second)
    assert_close(jax.jit(folded.apply)(plain, first, second), want, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(97, 111), (33, 64), (531, 300)])
def test_padded_and_tiled_images_score_as_they_are(built, rng, size):
    model, variables = built
    images = noisy_pair(rng, *size)
    tiled = TiledModel(model, variables, lambda raw: raw)
    pair = [np.float32(image[None]) / 255 for image in images]
    whole = jax.jit(model.apply)(variables, *pair)[0]
    assert tiled.score(*images) == pytest.approx(float(whole), abs=1e-4)


def test_the_reach_is_what_a_cell_sees(built, rng):
    model, variables = built
    centre = (model.reach // CELL + 1) * CELL
    first, second = (
        np.float32(image[None]) / 255 for image in noisy_pair(rng, centre + CELL, centre + CELL)
    )

    def scores(model, x, y):
        return model._error_map(model._level_features(model.encode(x), model.encode(y)))[0]

    local = jax.jit(lambda x, y: model.apply(variables, x, y, method=scores))
    changed = second.copy()
    changed[:, : centre - model.reach] = 1 - changed[:, : centre - model.reach]
    cell = centre // CELL
    assert local(first, second)[0, cell, cell] == local(first, changed)[0, cell, cell]


def test_a_far_change_of_texture_is_seen_everywhere(built, rng):
    model, variables = built
    first, second = (np.float32(image[None]) / 255 for image in noisy_pair(rng, 128, 128))
    local = jax.jit(lambda x, y: model.apply(variables, x, y, method="quality_map"))
    changed = second.copy()
    changed[:, :, 112:] = 1 - changed[:, :, 112:]
    assert (local(first, changed)[0, :, 0] < local(first, second)[0, :, 0]).all()
    assert (local(first, first) == IDENTITY_SCORE).all()


@pytest.mark.slow
def test_in_training_each_part_judges_alone_too(built, rng):
    """The whole image's share of the score is 0, a half or 1."""
    model, variables = built
    images = jnp.float32(rng.uniform(size=(2, 4, 32, 32, 3)))
    step = jax.jit(lambda key: model.apply(variables, *images, train=True, rngs={"share": key}))
    drawn = np.array([step(jax.random.key(seed)) for seed in range(20)])
    different = np.unique(drawn.round(5), axis=0)
    assert len(different) == 3
    ends, middle = different[[0, -1]], different[1]
    np.testing.assert_allclose(ends.mean(axis=0), middle, atol=2e-5)
    np.testing.assert_allclose(jax.jit(model.apply)(variables, *images), middle, atol=2e-5)
