"""Trunks with published weights against plain networks, and GSNs on them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gsn_jax.backbones import cdcn, imagenet_features
from gsn_jax.backbones.fast_convolution import plain_convolutions
from gsn_jax.backbones.imagenet import DEVIATION, MEAN
from gsn_jax.gsn import CELL, GSN, IDENTITY_SCORE
from gsn_jax.models import initial_weights

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
    return jnp.float32(rng.uniform(size=(1, 33, 36, 3)))


def plain_sequence(tensors, images, layers, pool):
    """A network of torchvision's `features`: (position, stride, border, levels it ends) each."""
    x, levels = normalised(images), []
    for position, stride, border, ends in layers:
        kernel = tensors[f"features.{position}.weight"].transpose(2, 3, 1, 0)
        x = lax.conv_general_dilated(
            x,
            kernel,
            (stride, stride),
            [(border, border)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        x = jax.nn.relu(x + tensors[f"features.{position}.bias"])
        if ends:
            levels.append(x)
            x = pool(x)
    return levels


@pytest.mark.parametrize("pooling", ["max", "l2"])
def test_vgg16_is_the_plain_network_at_any_theta(images, random_state_dict, pooling):
    images = images[:, :11, :14]
    tensors = random_state_dict("vgg16", level_count=2)
    options = {"theta": THETA, "pooling": pooling, "level_count": 2, "borders": "published"}
    variables = initial_weights.convert("vgg16", tensors, "test", **options)
    layers = [(0, 1, 1, False), (2, 1, 1, True), (5, 1, 1, False), (7, 1, 1, True)]
    plain = functools.partial(plain_sequence, layers=layers, pool=POOLS[pooling])
    got = jax.jit(cdcn.get("vgg16", **options).apply)(variables, images)
    close(got, jax.jit(plain)(tensors, images))


def test_alexnet_is_the_plain_network_at_any_theta(images, random_state_dict):
    """All five layers are compared in `test_gsn_contains_lpips`."""
    tensors = random_state_dict("alexnet", level_count=3)
    options = {"theta": THETA, "level_count": 3, "borders": "published"}
    variables = initial_weights.convert("alexnet", tensors, "test", **options)
    layers = [(0, 4, 2, True), (3, 1, 2, True), (6, 1, 1, True)]
    pool = functools.partial(imagenet_features.max_pool, window=3)
    plain = functools.partial(plain_sequence, layers=layers, pool=pool)
    got = jax.jit(cdcn.get("alexnet", **options).apply)(variables, images[:, :31, :35])
    close(got, jax.jit(plain)(tensors, images[:, :31, :35]))


@pytest.mark.parametrize(("network", "inside"), [("alexnet", 2), ("vgg16", 2)])
def test_whole_borders_add_to_the_published_network(rng, random_state_dict, network, inside):
    """Equal where the published windows fill; as many features as halving without loss gives."""
    images = jnp.float32(rng.uniform(size=(1, 45, 51, 3)))
    tensors = random_state_dict(network, level_count=2)
    options = {"theta": THETA, "level_count": 2}
    variables = initial_weights.convert(network, tensors, "test", **options)
    whole, published = (
        jax.jit(cdcn.get(network, borders=borders, **options).apply)(variables, images)
        for borders in ("whole", "published")
    )
    for a, b, stride in zip(whole, published, cdcn.get(network, **options).strides, strict=True):
        assert a.shape[1:3] == (-(-45 // stride), -(-51 // stride))
        rows, columns = b.shape[1] - inside, b.shape[2] - inside
        close([a[:, :rows, :columns]], [b[:, :rows, :columns]])


@pytest.mark.parametrize("network", ["alexnet", "vgg16"])
def test_features_inside_a_larger_array_are_those_of_the_image(rng, network):
    model, variables = model_and_variables(network, rng, attention=(3,), trunk_options=SMALL)
    image = jnp.float32(rng.uniform(size=(1, 45, 52, 3)))
    padded = jnp.full((1, 64, 96, 3), 7.0).at[:, :45, :52].set(image)
    encode = jax.jit(lambda x, sizes=None: model.apply(variables, x, sizes=sizes, method="encode"))
    got = encode(padded, jnp.array([[45, 52]]))
    for level, alone in zip(got, encode(image), strict=True):
        rows, columns = alone.shape[1:3]
        close([level[:, :rows, :columns]], [alone])
        assert not level[:, rows:].any()
        assert not level[:, :, columns:].any()


@pytest.mark.parametrize("network", ["alexnet", "vgg16"])
def test_a_level_sees_no_further_than_its_reach(rng, network):
    """By the gradient of one feature of each level with respect to the pixels."""
    trunk = cdcn.get(network, theta=0.0)  # without differences everything stays positive
    shapes = jax.eval_shape(trunk.init, jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    variables = jax.tree.map(
        lambda leaf: jnp.float32(rng.uniform(0, leaf.size**-0.5, leaf.shape)), shapes
    )
    images = jnp.float32(rng.uniform(0.6, 1, size=(1, 240, 16, 3)))
    middle = 112
    for level, (stride, reach) in enumerate(zip(trunk.strides, trunk.reach, strict=True)):
        with plain_convolutions():  # products of fast ones cancel, but for rounding
            seen = jax.grad(
                lambda x, level=level, stride=stride: trunk.apply(variables, x)[level][
                    0, middle // stride
                ].sum()
            )(images)
        rows = np.flatnonzero(np.asarray(jnp.abs(seen).sum(axis=(0, 2, 3))))
        furthest = max(middle - rows[0], rows[-1] - (middle + stride - 1))
        assert reach - stride < furthest <= reach  # the furthest pixel may lose every maximum


@pytest.mark.parametrize(
    ("network", "options"),
    [
        ("cdcn", {}),
        ("vgg16", {}),
        ("alexnet", {}),
        ("alexnet", {"level_count": 1}),
        ("alexnet", {"level_count": 2}),
        ("resnet18", {"level_count": 3}),
    ],
)
def test_a_level_looks_where_the_trunk_says(network, options):
    """By the gradient's centroid: on a ramp maxima lie at one end of their window, on the ramp
    turned round at the other."""
    trunk = cdcn.get(network, theta=0.0, **options)
    shapes = jax.eval_shape(trunk.init, jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    variables = jax.tree.map(lambda leaf: jnp.full(leaf.shape, leaf.size**-0.5), shapes)
    ramp = jnp.linspace(0.6, 1, 240)
    stride = trunk.strides[-1]
    cell = 112 // stride

    # As constants, kernels of one number lead XLA to a wrong sum of the gradient.
    @jax.jit
    def gradient(variables, images):
        with plain_convolutions():
            return jax.grad(lambda x: trunk.apply(variables, x)[-1][0, cell].sum())(images)

    def seen(rows):
        images = jnp.broadcast_to(rows[None, :, None, None], (1, 240, 16, 3))
        return np.asarray(gradient(variables, images), np.float64).sum(axis=(0, 2, 3))

    weights = [seen(rows) for rows in (ramp, ramp[::-1])]
    centroids = [(np.arange(240) * weight).sum() / weight.sum() for weight in weights]
    expected = cdcn.centre(trunk) + stride * cell
    np.testing.assert_allclose(np.mean(centroids), expected, atol=1e-3)


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
    ("network", "blocks", "norm"), [("resnet18", (2, 2), "batch"), ("resnet50", (3,), "none")]
)
def test_resnets_are_the_plain_networks_at_any_theta(
    images, random_state_dict, network, blocks, norm
):
    options = {"level_count": len(blocks) + 1}
    tensors = random_state_dict(network, **options)
    options |= {"theta": THETA, "norm": norm}
    variables = initial_weights.convert(network, tensors, "test", **options)
    got = jax.jit(cdcn.get(network, **options).apply)(variables, images)
    close(got, jax.jit(functools.partial(plain_resnet, blocks=blocks))(tensors, images))


@pytest.mark.parametrize(
    ("network", "parameters", "channels"),
    [
        ("alexnet", 2_469_696, (64, 192, 384, 256, 256)),
        ("vgg16", 14_714_688, (64, 128, 256, 512, 512)),
        ("resnet18", 11_171_712, (64, 64, 128, 256, 512)),
        ("resnet34", 21_276_160, (64, 64, 128, 256, 512)),
        ("resnet50", 23_481_472, (64, 256, 512, 1024, 2048)),
    ],
)
def test_levels_and_parameters_of_the_whole_networks(network, parameters, channels):
    trunk = cdcn.get(network)
    images = jax.ShapeDtypeStruct((1, 64, 96, 3), jnp.float32)
    levels, variables = jax.eval_shape(trunk.init_with_output, jax.random.key(0), images)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == parameters
    assert tuple(level.shape[-1] for level in levels) == channels
    for level, stride in zip(levels, trunk.strides, strict=True):
        assert abs(64 / stride - level.shape[1]) <= 1
        assert abs(96 / stride - level.shape[2]) <= 1


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


SMALL = {"level_count": 2}


@pytest.mark.parametrize(
    ("network", "levels", "comparison", "norm"),
    [
        ("vgg16", 1, "structure", "none"),
        ("alexnet", 2, "normalized", "none"),
        ("resnet18", 2, "normalized", "batch"),
    ],
)
def test_a_gsn_on_each_trunk(images, rng, network, levels, comparison, norm):
    """Folding, the identical pair and finite gradients."""
    model, variables = model_and_variables(
        network,
        rng,
        comparison=comparison,
        norm=norm,
        # Unoptimised, as tests are, XLA's gradient of a ResNet with attention is NaN on a CPU.
        attention=(0,) if network == "resnet18" else (3,),
        trunk_options={"level_count": levels},
    )
    images = images[:, :18, :21]
    noisy = jnp.clip(images + 0.2 * rng.normal(size=images.shape), 0, 1).astype(jnp.float32)
    first, second = jnp.concatenate([images] * 2), jnp.concatenate([noisy, images])

    @jax.jit
    def score_and_gradient(variables, second):
        def total(variables, second):
            scores = model.apply(variables, first, second)
            return scores.sum(), scores

        return jax.value_and_grad(total, (0, 1), has_aux=True)(variables, second)

    (_, scores), gradient = score_and_gradient(variables, second)
    assert scores[0] < IDENTITY_SCORE
    assert scores[1] == IDENTITY_SCORE
    bad = [
        jax.tree_util.keystr(path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(gradient)
        if not np.isfinite(leaf).all()
    ]
    assert not bad, (bad, scores)
    assert any(leaf.any() for leaf in jax.tree.leaves(gradient[0]["params"]["backbone"]))
    folded_model, folded = model.fold(variables)
    assert "norm" not in str(jax.tree.structure(folded))
    again = jax.jit(folded_model.apply)(folded, first, second)
    np.testing.assert_allclose(again, scores, rtol=2e-5)


def test_bfloat16_and_rematerialised_levels(images, rng):
    for network in ("alexnet", "resnet18"):
        trunk = cdcn.get(network, level_count=2)
        variables = model_and_variables(network, rng, attention=(3,), trunk_options=SMALL)[1]
        variables = {"params": variables["params"]["backbone"]}
        want = jax.jit(trunk.apply)(variables, images)
        close(jax.jit(trunk.clone(remat=True).apply)(variables, images), want)
        got = jax.jit(trunk.clone(dtype=jnp.bfloat16).apply)(variables, images)
        for a, b in zip(got, want, strict=True):
            assert a.dtype == jnp.bfloat16
            np.testing.assert_allclose(np.float32(a), b, atol=0.03 * float(b.max()))


def test_a_whole_gsn_is_rematerialised(images, rng):
    """`remat` reaches trunk and fusion, and changes no parameter."""
    model, variables = model_and_variables(
        "alexnet", rng, comparison="normalized", attention=(0,), trunk_options={"level_count": 1}
    )
    pair = images[:, :16, :16], images[:, 1:17, 1:17]
    again = model.clone(remat=True)
    assert "remat" in str(
        jax.make_jaxpr(jax.grad(lambda x: again.apply(variables, x, pair[1])[0]))(pair[0])
    )
    np.testing.assert_allclose(
        jax.jit(again.apply)(variables, *pair), jax.jit(model.apply)(variables, *pair), rtol=1e-5
    )


def test_where_tiles_are_not_possible():
    assert GSN().reach is not None
    assert GSN(comparison="normalized").reach == GSN().reach
    assert GSN(comparison="structure").reach is None
    assert GSN(trunk="alexnet").reach == 81 + 16 + CELL
    assert GSN(trunk="vgg16", trunk_options={"pooling": "l2"}).reach is None
    assert GSN(trunk="vgg16", trunk_options={"borders": "published"}).reach is None
    assert GSN(trunk="vgg16", trunk_options={"level_count": 3}).reach is None
    assert GSN(trunk="resnet18").reach is None


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
        want = cdcn.halve(cdcn.halve(x))
        np.testing.assert_array_equal(cdcn.to_grid(x, 4, 3), want)
        np.testing.assert_array_equal(cdcn.to_grid(x, 13, 9), x)

    def test_otherwise_every_feature_weighs_the_same(self, rng):
        x = rng.normal(size=(1, 7, 5, 1))
        got = np.asarray(cdcn.to_grid(jnp.float32(x), 3, 2))
        assert got.shape == (1, 3, 2, 1)
        np.testing.assert_allclose(got.mean(), x.mean(), rtol=1e-5)
        # Rows 0, 1 and a third of row 2; columns 0, 1 and half of column 2.
        rows, columns = np.array([3, 3, 1]) / 7, np.array([2, 2, 1]) / 5
        np.testing.assert_allclose(got[0, 0, 0, 0], rows @ x[0, :3, :3, 0] @ columns, rtol=1e-5)
