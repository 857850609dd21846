"""Trunks with published weights against plain networks, and GSNs on them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gsn_jax import initial_weights, trunks
from gsn_jax.gsn import GSN, IDENTITY_SCORE
from gsn_jax.imagenet_trunks import DEVIATION, MEAN
from gsn_jax.metrics import imagenet_features

THETA = 0.7
POOLS = {
    "l2": imagenet_features.l2_pool,
    "max": functools.partial(imagenet_features.max_pool, window=2),
}


def close(got, want):
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=2e-5 * float(jnp.abs(b).max()))


def normalised(images):
    return (images - np.float32(MEAN)) / np.float32(DEVIATION)


@pytest.fixture
def images(rng):
    return jnp.float32(rng.uniform(size=(1, 37, 50, 3)))


@pytest.mark.parametrize("pooling", ["max", "l2"])
def test_vgg16_is_the_plain_network_at_any_theta(images, random_state_dict, pooling):
    images = images[:, :21, :34]
    tensors = random_state_dict("vgg16")
    variables = initial_weights.convert("vgg16", tensors, "test", theta=THETA)
    trunk = trunks.get("vgg16", theta=THETA, pooling=pooling)
    positions = sorted({int(name.split(".")[1]) for name in tensors})
    convolutions = [
        (tensors[f"features.{i}.weight"].transpose(2, 3, 1, 0), tensors[f"features.{i}.bias"])
        for i in positions
    ]
    want = imagenet_features.vgg16_features(convolutions, normalised(images), POOLS[pooling])
    close(jax.jit(trunk.apply)(variables, images), want)


def test_alexnet_is_the_plain_network_at_any_theta(images, random_state_dict):
    tensors = random_state_dict("alexnet")
    variables = initial_weights.convert("alexnet", tensors, "test", theta=THETA)
    convolutions = [
        (tensors[f"features.{i}.weight"].transpose(2, 3, 1, 0), tensors[f"features.{i}.bias"])
        for i in (0, 3, 6, 8, 10)
    ]
    want = imagenet_features.alexnet_features(convolutions, normalised(images))
    got = jax.jit(trunks.get("alexnet", theta=THETA).apply)(variables, images)
    close(got, want)
    cut = trunks.get("alexnet", theta=THETA, level_count=3)
    close(jax.jit(cut.apply)(variables, images), want[:3])


def plain_resnet(tensors, images, blocks):
    """An independent reading of torchvision's ResNet, in PyTorch's layout and tensor names."""

    def convolution(x, name, stride):
        weight = tensors[f"{name}.weight"]
        border = weight.shape[-1] // 2
        return lax.conv_general_dilated(x, weight, (stride, stride), [(border, border)] * 2)

    def norm(x, name):
        weight, bias, mean, var = (
            tensors[f"{name}.{part}"][:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / jnp.sqrt(var + 1e-5) * weight + bias

    x = normalised(images).transpose(0, 3, 1, 2)
    x = jax.nn.relu(norm(convolution(x, "conv1", 2), "bn1"))
    levels = [x]
    x = jnp.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))  # rectified: zeros never win
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), "VALID")
    for stage, count in enumerate(blocks, 1):
        for index in range(count):
            name, y = f"layer{stage}.{index}", x
            stride = 2 if stage > 1 and index == 0 else 1
            convolutions = [i for i in (1, 2, 3) if f"{name}.conv{i}.weight" in tensors]
            strided = 2 if len(convolutions) == 3 else 1
            for i in convolutions:
                y = convolution(y, f"{name}.conv{i}", stride if i == strided else 1)
                y = norm(y, f"{name}.bn{i}")
                y = jax.nn.relu(y) if i != convolutions[-1] else y
            if f"{name}.downsample.0.weight" in tensors:
                x = norm(convolution(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
            x = jax.nn.relu(x + y)
        levels.append(x)
    return [level.transpose(0, 2, 3, 1) for level in levels]


@pytest.mark.parametrize(
    ("network", "blocks"), [("resnet18", (2, 2)), ("resnet34", (3, 4)), ("resnet50", (3, 4))]
)
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_resnets_are_the_plain_networks_at_any_theta(
    images, random_state_dict, network, blocks, norm
):
    options = {"level_count": 3}
    tensors = random_state_dict(network, **options)
    options |= {"theta": THETA, "norm": norm}
    variables = initial_weights.convert(network, tensors, "test", **options)
    got = jax.jit(trunks.get(network, **options).apply)(variables, images)
    close(got, jax.jit(functools.partial(plain_resnet, blocks=blocks))(tensors, images))


def model_and_variables(network, generator, **options):
    model = GSN(trunk=network, fusion_width=4, **options)
    size = model.min_size + 1
    example = jnp.zeros((1, size, size, 3))
    shapes = jax.eval_shape(model.init, jax.random.key(0), example, example)

    def draw(path, leaf):
        if path[-1].key in ("scale", "var"):
            return generator.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
        if path[-1].key == "kernel":
            fan = np.prod(leaf.shape[:-1])
            return generator.standard_normal(leaf.shape, np.float32) * np.float32(fan**-0.5)
        return 0.2 * generator.standard_normal(leaf.shape, np.float32)

    return model, jax.tree.map(jnp.asarray, jax.tree_util.tree_map_with_path(draw, shapes))


SMALL = {
    "vgg16": {"level_count": 2},
    "alexnet": {"level_count": 4},
    "resnet18": {"level_count": 3},
    "resnet50": {"level_count": 2},
}


@pytest.mark.parametrize("network", SMALL)
@pytest.mark.parametrize("comparison", ["normalized", "structure"])
def test_a_gsn_on_each_trunk(images, rng, network, comparison):
    """Folding, the identical pair and finite gradients, with as many levels as the trunk has."""
    norm = "batch" if "resnet" in network else "none"
    model, variables = model_and_variables(
        network, rng, comparison=comparison, norm=norm, attention=(3,), trunk_options=SMALL[network]
    )
    assert (
        f"attentions_{len(trunks.get(network, **SMALL[network]).strides) - 1}"
        in (variables["params"])
    )
    distorted = jnp.clip(images + 0.2 * rng.normal(size=images.shape), 0, 1).astype(jnp.float32)
    apply = jax.jit(model.apply)
    score = apply(variables, images, distorted)
    assert score < IDENTITY_SCORE
    np.testing.assert_array_equal(apply(variables, images, images), IDENTITY_SCORE)
    folded_model, folded = model.fold(variables)
    assert "norm" not in str(jax.tree.structure(folded))
    np.testing.assert_allclose(jax.jit(folded_model.apply)(folded, images, distorted), score, 1e-5)
    gradient = jax.jit(jax.grad(lambda x: model.apply(variables, images, x).sum()))(images)
    assert np.isfinite(gradient).all()


def test_bfloat16_stays_near_float32(images, rng):
    for network in ("alexnet", "resnet18"):
        trunk = trunks.get(network, level_count=2)
        variables = model_and_variables(network, rng, trunk_options={"level_count": 2})[1]
        variables = {"params": variables["params"]["backbone"]}
        want = jax.jit(trunk.apply)(variables, images)
        half = trunk.clone(dtype=jnp.bfloat16)
        got = jax.jit(half.apply)(variables, images.astype(jnp.bfloat16))
        for a, b in zip(got, want, strict=True):
            assert a.dtype == jnp.bfloat16
            np.testing.assert_allclose(np.float32(a), b, atol=0.03 * float(b.max()))


def test_rematerialised_levels_give_the_same_features(images, rng):
    for network in ("alexnet", "resnet18"):
        trunk = trunks.get(network, level_count=2)
        variables = model_and_variables(network, rng, trunk_options={"level_count": 2})[1]
        variables = {"params": variables["params"]["backbone"]}
        again = jax.jit(trunk.clone(remat=True).apply)(variables, images)
        close(again, jax.jit(trunk.apply)(variables, images))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trunk": "vgg16", "norm": "batch"}, "vgg16.*norm must be 'none'"),
        ({"trunk": "alexnet", "trunk_options": {"level_count": 6}}, "1 to 5 levels, got 6"),
        ({"trunk": "vgg16", "trunk_options": {"level_count": 0}}, "1 to 5 levels, got 0"),
        ({"trunk": "vgg16", "trunk_options": {"pooling": "mean"}}, "pooling must be one of"),
        ({"trunk": "resnet18", "trunk_options": {"level_count": 6}}, "1 to 5 levels, got 6"),
        ({"trunk": "resnet18", "attention": (3,) * 6}, "1 to 5 kernel sizes"),
        ({"trunk": "resnet18", "attention": ()}, "1 to 5 kernel sizes"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        GSN(**options).check_settings()


class TestGrid:
    def test_halves_where_that_leads_there(self, rng):
        x = jnp.float32(rng.normal(size=(1, 13, 9, 2)))
        want = trunks.halve(trunks.halve(x))
        np.testing.assert_array_equal(trunks.to_grid(x, 4, 3), want)
        np.testing.assert_array_equal(trunks.to_grid(x, 13, 9), x)

    def test_otherwise_every_feature_weighs_the_same(self, rng):
        x = rng.normal(size=(1, 7, 5, 1))
        got = np.asarray(trunks.to_grid(jnp.float32(x), 3, 2))
        assert got.shape == (1, 3, 2, 1)
        np.testing.assert_allclose(got.mean(), x.mean(), rtol=1e-5)
        # Rows 0, 1 and a third of row 2; columns 0, 1 and half of column 2.
        rows, columns = np.array([3, 3, 1]) / 7, np.array([2, 2, 1]) / 5
        np.testing.assert_allclose(got[0, 0, 0, 0], rows @ x[0, :3, :3, 0] @ columns, rtol=1e-5)
