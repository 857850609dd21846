import functools
import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from small_gsns import FROZEN, build, draw

from gsn_jax import losses
from gsn_jax.backbones.cdcn import CDCN
from gsn_jax.backbones.resampling import halve, space_to_depth
from gsn_jax.backbones.vgg import VGG16
from gsn_jax.errors import InputError
from gsn_jax.gsn import GSN, fold
from gsn_jax.heads import IDENTITY_SCORE
from gsn_jax.layers import CDConv


@pytest.fixture
def pair(rng):
    reference = rng.uniform(size=(3, 40, 48, 3))
    distorted = np.clip(reference + 0.2 * rng.normal(size=reference.shape), 0, 1)
    return jnp.float32(reference), jnp.float32(distorted)


def test_the_backbone_is_a_module(pair):
    """As in the module's example; only the convolution tells the arms apart."""
    scores = []
    for conv in (functools.partial(CDConv, theta=0.7), nn.Conv):
        model = GSN(backbone=VGG16(conv=conv, level_count=1), attention=(3,), width=2)
        variables = draw(model)
        scores.append(jax.jit(model.apply)(variables, *(x[:1, :16, :16] for x in pair)))
    assert scores[0].shape == (1,)
    assert scores[0] != scores[1]
    assert GSN().backbone == CDCN()


@pytest.mark.parametrize("theta", [0.7, 1.0])
def test_folding_changes_nothing(pair, theta):
    model, variables = build(theta=theta)
    folded_model, folded = fold(model, variables)
    assert folded_model.conv is folded_model.backbone.conv is nn.Conv
    want = jax.jit(model.apply)(variables, *pair)
    np.testing.assert_allclose(jax.jit(folded_model.apply)(folded, *pair), want, rtol=1e-5)
    kernel = variables["params"]["fusion"]["kernel"]
    assert not np.array_equal(kernel, folded["params"]["fusion"]["kernel"])
    assert fold(folded_model, folded) == (folded_model, folded)


def test_an_identical_pair_is_best_by_construction(pair):
    model, variables = build()
    reference, distorted = pair
    apply = jax.jit(model.apply)
    same = apply(variables, reference, reference)
    np.testing.assert_array_equal(same, IDENTITY_SCORE)
    assert (apply(variables, reference, distorted) < same).all()


@pytest.mark.slow
def test_gradients_are_finite_at_equal_images(pair):
    model, variables = build()
    reference = pair[0].at[:, :8].set(0)
    total = jax.grad(lambda images: model.apply(variables, reference, images).sum())
    assert np.isfinite(jax.jit(total)(reference)).all()


# The modules that say what an error weighs.
WEIGHING = ("fusion", "visibility", "visibility_around")


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, FROZEN])
def test_held_weights_are_constants_for_gradients(pair, options):
    model, variables = build(**options)
    reference, distorted = pair
    found = {}

    def remember(call, arguments, keywords, context):
        result = call(*arguments, **keywords)
        if context.module.name in WEIGHING and context.method_name == "__call__":
            result = found.setdefault(context.module.path, result)
        return result

    def total(images, model=model):
        return model.apply(variables, reference, images).sum()

    def with_constants(images):
        with nn.intercept_methods(remember):
            return total(images)

    values, known = jax.jit(lambda images: (with_constants(images), dict(found)))(distorted)
    found.update(known)
    expected = jax.jit(jax.grad(with_constants))(distorted)  # of what was found for `distorted`
    held = model.clone(hold_weights=True)
    value, gradient = jax.jit(jax.value_and_grad(lambda images: total(images, held)))(distorted)
    np.testing.assert_allclose(value, values, rtol=1e-6)
    scale = np.abs(expected).max()
    assert_close(gradient, expected)
    free = jax.jit(jax.grad(total))(distorted)
    assert np.abs(free - expected).max() > 1e-3 * scale


@pytest.mark.slow
def test_a_reference_may_be_encoded_once(pair):
    model, variables = build()
    reference, distorted = pair

    def split(variables, reference, distorted):
        first = model.apply(variables, reference, method="encode")
        second = model.apply(variables, distorted, method="encode")
        sums = model.apply(variables, first, second, method="sums")
        return model.apply(variables, sums, method="finish")

    want = jax.jit(model.apply)(variables, reference, distorted)
    found = jax.jit(split)(variables, reference, distorted)
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-6 * IDENTITY_SCORE)


@pytest.mark.slow
def test_images_and_batches_do_not_mix(pair):
    model, variables = build()
    apply = jax.jit(model.apply)
    batch = apply(variables, *pair)
    for index in range(3):
        alone = apply(variables, *(x[index : index + 1] for x in pair))
        # A score is a difference of terms up to IDENTITY_SCORE, so rounding is relative to that.
        np.testing.assert_allclose(alone[0], batch[index], rtol=0, atol=1e-6 * IDENTITY_SCORE)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(16, 16), (17, 33), (1, 1), (31, 20)])
def test_any_size_is_scored(rng, size):
    model, variables = build()
    images = jnp.float32(rng.uniform(size=(2, 1, *size, 3)))
    assert np.isfinite(jax.jit(model.apply)(variables, *images)).all()


@pytest.mark.slow
def test_the_score_is_the_mean_of_the_maps_and_of_the_global_branchs(pair):
    model, variables = build()
    params = jax.tree.map(np.float64, variables["params"])

    def parts(model, reference, distorted):
        return model.compare(model.encode(reference), model.encode(distorted))

    apply = jax.jit(functools.partial(model.apply, method=parts))
    errors, weights, context, means = jax.tree.map(np.float64, apply(variables, *pair))
    mean = (errors * weights).sum(axis=(1, 2)) / weights.sum(axis=(1, 2))
    gain = np.exp(params["sensitivity"])
    whole = global_error(params["whole"], context, means)
    want = IDENTITY_SCORE - (np.log1p(gain * mean) + whole) / 2
    np.testing.assert_allclose(jax.jit(model.apply)(variables, *pair), want, rtol=1e-4)
    local = apply_map(model, variables, *pair)
    want = IDENTITY_SCORE - (np.log1p(gain * errors) + whole[:, None, None]) / 2
    np.testing.assert_allclose(local, want, rtol=1e-4)


def global_error(params, context, means):
    """The error of the whole image, from the features' means over the cells."""
    flat = itertools.chain(*means)
    means = np.concatenate([x.mean(axis=(1, 2)) for x in flat], axis=-1)
    a, b, squared, apart = np.split(means, 4, axis=-1)  # each of all levels
    errors = [(a - b) ** 2 / (a**2 + b**2 + 1e-6)]
    errors += [(apart - (a - b) ** 2) / (squared - a**2 - b**2 + 1e-6)]
    mixed = np.concatenate(errors, axis=-1) @ np.log1p(np.exp(params["mix"]["kernel"]))
    seen = params["visibility"]
    logits = context.mean(axis=(1, 2)) @ seen["kernel"] + seen["bias"]
    visible = mixed * 2 / (1 + np.exp(-logits))
    error = visible @ np.log1p(np.exp(params["sum"]["kernel"]))
    return np.log1p(error[:, 0] * np.exp(params["sensitivity"]))


def test_a_training_step_draws_the_share_of_the_global_branch(pair):
    """All, half or nothing: the half is the score itself, the others lie on both sides of it."""
    model, variables = build()
    half = jax.jit(model.apply)(variables, *pair)
    draw_share = jax.jit(lambda key: model.apply(variables, *pair, train=True, rngs={"share": key}))
    drawn = np.stack([draw_share(key) for key in jax.random.split(jax.random.key(0), 12)])
    found = np.unique(np.round(drawn[:, 0], 5))
    assert len(found) == 3
    np.testing.assert_allclose(found[1], half[0], rtol=1e-4)
    np.testing.assert_allclose(found[0] + found[2], 2 * found[1], rtol=1e-4)


def apply_map(model, variables, *pair):
    return jax.jit(lambda *args: model.apply(*args, method="quality_map"))(variables, *pair)


def test_the_map_shows_where_the_error_is(rng):
    small = {"stem_width": 4, "widths": (4, 6, 8), "blocks": 1}  # cells of 16 pixels
    model, variables = build(backbone_options=small, attention=(7, 5, 3))
    reference = jnp.float32(rng.uniform(size=(1, 128, 128, 3)))
    distorted = reference.at[:, 104:, 104:].set(0.5)
    local = apply_map(model, variables, reference, distorted)[0]
    assert local.argmin() == local.size - 1
    assert float(local[0, 0]) == local.max() < IDENTITY_SCORE  # that of the whole image counts too


@pytest.mark.slow
def test_bfloat16_stays_near_float32(pair):
    model, variables = build()
    got = jax.jit(build(dtype="bfloat16")[0].apply)(variables, *pair)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, jax.jit(model.apply)(variables, *pair), atol=0.05)


@pytest.mark.slow
def test_learns_to_order_noise(rng):
    """A few dozen steps of plain gradient descent order five levels of noise."""
    model, variables = build()
    reference = np.repeat(rng.uniform(size=(1, 32, 32, 3)), 5, axis=0)
    levels = np.arange(5).reshape(5, 1, 1, 1) * 0.05
    distorted = np.clip(reference + levels * rng.normal(size=reference.shape), 0, 1)
    labels = jnp.linspace(1, 0, 5)

    @jax.jit
    def step(params):
        def objective(params):
            return losses.gsn_loss(model.apply({"params": params}, reference, distorted), labels)

        value, gradient = jax.value_and_grad(objective)(params)
        return value, jax.tree.map(lambda p, g: p - 0.5 * g, params, gradient)

    params, values = variables["params"], []
    for _ in range(60):
        value, params = step(params)
        values.append(float(value))
    assert values[-1] < values[0] / 2
    assert (np.diff(jax.jit(model.apply)({"params": params}, reference, distorted)) < 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "x"}, "unknown backbone 'x'; known: alexnet, cdcn"),
        ({"attention": (7, 5, 3)}, "1 to 2 kernel sizes"),
        ({"backbone_options": {"depth": 3}}, "backbone 'cdcn'"),
        ({"theta": 1.5}, r"theta must lie in \[0, 1\]"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(InputError, match=message):
        build(**options)


def test_shapes_must_agree():
    model, variables = build()
    with pytest.raises(ValueError, match="the same shape"):
        model.apply(variables, jnp.zeros((1, 32, 32, 3)), jnp.zeros((1, 32, 16, 3)))


def test_attention_can_be_left_out(pair):
    model, variables = build(attention=(0, 3))
    attentions = [name for name in variables["params"] if name.startswith("attentions")]
    assert attentions == ["attentions_1"]
    assert np.isfinite(jax.jit(model.apply)(variables, *pair)).all()


@pytest.mark.slow
def test_rematerialised_stages_give_the_same_gradients(pair):
    model, variables = build()
    again = build(remat=True)[0]
    assert again.backbone.remat
    images = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in pair]
    assert "remat" in str(jax.make_jaxpr(again.apply)(variables, *images))

    def total(params, model):
        return model.apply({"params": params}, *pair).sum()

    gradient = jax.jit(jax.grad(total), static_argnums=1)
    want = gradient(variables["params"], model)
    got = gradient(variables["params"], again)
    jax.tree.map(lambda a, b: assert_close(a, b, 1000), got, want)


class TestPooling:
    def test_halve_is_the_mean_and_repeats_the_odd_edge(self):
        x = jnp.arange(6.0).reshape(1, 2, 3, 1)
        # Columns 0, 1 and then 2 with itself: (0 + 1 + 3 + 4) / 4 and (2 + 2 + 5 + 5) / 4.
        np.testing.assert_allclose(halve(x)[0, :, :, 0], [[2.0, 3.5]])

    def test_halve_rounds_bfloat16_once(self):
        x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 8, 6, 3)), jnp.bfloat16)
        exact = halve(jnp.float32(x))
        np.testing.assert_array_equal(halve(x), exact.astype(jnp.bfloat16))

    def test_space_to_depth_loses_nothing(self, rng):
        x = rng.normal(size=(2, 4, 6, 3))
        y = np.asarray(space_to_depth(jnp.float32(x)))
        assert y.shape == (2, 2, 3, 12)
        np.testing.assert_allclose(y[1, 1, 2], x[1, 2:4, 4:6].reshape(-1), rtol=1e-6)
