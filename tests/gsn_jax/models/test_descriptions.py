"""A GSN that learns on the grid of its score map: descriptions, and everything around them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_gsns import build, noisy_pair

from gsn_jax.gsn import CELL, IDENTITY_SCORE
from gsn_jax.models import descriptions
from gsn_jax.scoring.tiled_model import TiledModel

COMPARISONS = ("normalized+similarity", "normalized+structure", "difference")


def on_grid(comparison):
    return build(on_grid=True, comparison=comparison, attention=(3,))


@pytest.fixture(params=COMPARISONS)
def built(request):
    return on_grid(request.param)


def test_judging_a_description_is_scoring(built, rng):
    model, variables = built
    first, second = jnp.float32(rng.uniform(size=(2, 3, 64, 48, 3)))

    def in_two_steps(model):
        return model.judge(*model.describe(model.encode(first), model.encode(second)))

    want = model.apply(variables, first, second)
    np.testing.assert_allclose(model.apply(variables, method=in_two_steps), want, atol=1e-5)


def test_an_identical_pair_is_best_by_construction(built, rng):
    model, variables = built
    first, second = jnp.float32(rng.uniform(size=(2, 2, 40, 48, 3)))
    np.testing.assert_allclose(model.apply(variables, first, first), IDENTITY_SCORE, atol=1e-6)
    assert (model.apply(variables, first, second) < IDENTITY_SCORE).all()


def test_gradients_are_finite_at_equal_images(built, rng):
    model, variables = built
    image = jnp.float32(rng.uniform(size=(1, 32, 32, 3)))
    slope = jax.grad(lambda x: model.apply(variables, image, x).sum())(image)
    assert jnp.isfinite(slope).all()


def test_folding_changes_nothing(built, rng):
    model, variables = built
    first, second = jnp.float32(rng.uniform(size=(2, 2, 40, 48, 3)))
    folded, plain = model.fold(variables)
    want = model.apply(variables, first, second)
    np.testing.assert_allclose(folded.apply(plain, first, second), want, atol=1e-4)


@pytest.mark.parametrize("size", [(97, 111), (33, 64), (531, 300)])
def test_padded_and_tiled_images_score_as_they_are(built, rng, size):
    model, variables = built
    images = noisy_pair(rng, *size)
    tiled = TiledModel(model, variables, lambda raw: raw)
    whole = model.apply(variables, *(jnp.float32(image[None]) / 255 for image in images))[0]
    assert tiled.score(*images) == pytest.approx(float(whole), abs=1e-4)


def test_the_reach_is_what_a_cell_sees(built, rng):
    model, variables = built
    centre = (model.reach // CELL + 1) * CELL
    first, second = (
        np.float32(image[None]) / 255 for image in noisy_pair(rng, centre + CELL, centre + CELL)
    )

    def scores(model, x, y):
        return model._maps(model.encode(x), model.encode(y), False)[0]

    local = jax.jit(lambda x, y: model.apply(variables, x, y, method=scores))
    changed = second.copy()
    changed[:, : centre - model.reach] = 1 - changed[:, : centre - model.reach]
    cell = centre // CELL
    assert local(first, second)[0, cell, cell] == local(first, changed)[0, cell, cell]


def test_structure_is_that_of_dists_in_the_whole_image(rng):
    """Means, variances and covariance of every channel over all positions, in float64."""
    a, b = rng.normal(size=(2, 1, 8, 8, 3)) + 0.5
    even = jnp.full((1, 8, 8), 1 / 64)
    means = descriptions.moment_sums([(jnp.float32(a), jnp.float32(b))], [even])
    got = descriptions.whole_errors(means)[0]
    a, b = (x.reshape(-1, 3) for x in (a, b))
    covariance = ((a - a.mean(0)) * (b - b.mean(0))).mean(0)
    texture = 2 * a.mean(0) * b.mean(0) / (a.mean(0) ** 2 + b.mean(0) ** 2)
    structure = 2 * covariance / (a.var(0) + b.var(0))
    np.testing.assert_allclose(got, 1 - np.concatenate([texture, structure]), rtol=1e-4)


def test_a_far_change_of_texture_is_seen_everywhere(rng):
    model, variables = on_grid("normalized+structure")
    first, second = (np.float32(image[None]) / 255 for image in noisy_pair(rng, 128, 128))
    local = jax.jit(lambda x, y: model.apply(variables, x, y, method="quality_map"))
    changed = second.copy()
    changed[:, :, 112:] = 1 - changed[:, :, 112:]
    assert (local(first, changed)[0, :, 0] < local(first, second)[0, :, 0]).all()
    assert (local(first, first) == IDENTITY_SCORE).all()


def test_in_training_each_part_judges_alone_too(rng):
    model, variables = on_grid("normalized+structure")
    images = jnp.float32(rng.uniform(size=(2, 4, 32, 32, 3)))

    def parts(model, reference, distorted):
        features = model.encode(reference), model.encode(distorted)
        _, errors = model.describe(*features)
        scores, weights, fused = model._grid_maps(model._describe(*features), False)
        local = (scores * weights).sum((1, 2)) / weights.sum((1, 2))
        whole = model.whole(fused.mean((1, 2)), errors)
        return [model._raw(local, whole, share) for share in (0.0, 0.5, 1.0)]

    wanted = model.apply(variables, *images, method=parts)
    step = jax.jit(lambda key: model.apply(variables, *images, train=True, rngs={"dropout": key}))
    seen = set()
    for seed in range(20):
        scores = step(jax.random.key(seed))
        seen.add(int(np.argmin([abs(scores - part).max() for part in wanted])))
        assert min(abs(scores - part).max() for part in wanted) < 1e-5
    assert seen == {0, 1, 2}
    np.testing.assert_allclose(model.apply(variables, *images), wanted[1], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "free"}, "anchored"),
        ({"comparison": "structure"}, "beside"),
        ({"norm": "batch"}, "norm"),
        ({"trunk": "resnet18", "trunk_options": {}, "norm": "none"}, "halve"),
    ],
)
def test_what_does_not_fit_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        build(on_grid=True, **options)
