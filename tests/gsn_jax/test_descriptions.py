"""A GSN that learns on the grid of its score map: descriptions, and everything around them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_gsns import build, noisy_pair

from gsn_jax import descriptions
from gsn_jax.gsn import CELL, IDENTITY_SCORE
from gsn_jax.tiled_model import TiledModel

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
        return model.judge(model.describe(model.encode(first), model.encode(second)))

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
    local = jax.jit(lambda x, y: model.apply(variables, x, y, method="quality_map"))
    changed = second.copy()
    changed[:, : centre - model.reach] = 1 - changed[:, : centre - model.reach]
    cell = centre // CELL
    assert local(first, second)[0, cell, cell] == local(first, changed)[0, cell, cell]


def test_structure_is_that_of_numpy(rng):
    """Means and variances under the window, counted out one cell at a time."""
    a, b = rng.normal(size=(2, 1, 8, 8, 2)).astype(np.float32)
    cells = [x.reshape(1, 4, 2, 4, 2, 2).mean(axis=(2, 4), dtype=np.float64) for x in
             (a, b, a**2, b**2, (a - b) ** 2)]  # fmt: skip
    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    row, column = 0, 3  # a corner: the window has only four cells there
    inside = weights[1:, :2]
    mean_a, mean_b, square_a, square_b, apart = (
        np.einsum("ij,ijc->c", inside, x[0, row : row + 2, column - 1 : column + 1]) / inside.sum()
        for x in cells
    )
    difference = (mean_a - mean_b) ** 2
    floor = descriptions.STRUCTURE_FLOOR
    texture = difference / (mean_a**2 + mean_b**2 + floor)
    variances = square_a - mean_a**2 + square_b - mean_b**2
    structure = (apart - difference) / (variances + floor)
    got = descriptions.describe_level(
        jnp.asarray(a),
        jnp.asarray(b),
        ("structure",),
        lambda x: x.reshape(1, 4, 2, 4, 2, -1).mean(axis=(2, 4)),
    )
    ((_, errors),) = descriptions.split_levels(got, (2,), ("structure",))
    np.testing.assert_allclose(errors[0, row, column], [*texture, *structure], rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "free"}, "anchored"),
        ({"norm": "batch"}, "norm"),
        ({"trunk": "resnet18", "trunk_options": {}, "norm": "none"}, "halve"),
    ],
)
def test_what_does_not_fit_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        build(on_grid=True, **options)
