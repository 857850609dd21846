"""Backbones with published weights against plain networks, and models on them."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from jax import lax

from gsn_jax.backbones import registry as backbones
from gsn_jax.backbones.convolution import plain_convolutions
from gsn_jax.backbones.imagenet import DEVIATION, MEAN
from gsn_jax.backbones.resampling import max_pool_complete, reduce_to
from gsn_jax.errors import InputError
from gsn_jax.gsn import fold
from gsn_jax.heads import IDENTITY_SCORE
from gsn_jax.models import initial_weights, registry
from gsn_jax.models.registry import central_difference

THETA = 0.7


def close(got, want):
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        assert_close(a, b, 200)


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


NETWORKS = {  # position in torchvision's `features`, stride, border, whether it ends a level
    "vgg16": ([(0, 1, 1, False), (2, 1, 1, True), (5, 1, 1, False), (7, 1, 1, True)], 2),
    "alexnet": ([(0, 4, 2, True), (3, 1, 2, True)], 3),
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("theta", [0.0, THETA])
def test_it_is_the_plain_network_at_any_theta(rng, random_state_dict, network, theta):
    """Equal where the published windows fill; as many features as halving without loss gives."""
    layers, window = NETWORKS[network]
    count = sum(ends for *_, ends in layers)
    images = jnp.float32(rng.uniform(size=(1, 45, 51, 3)))
    tensors = random_state_dict(network, level_count=count)
    params = initial_weights.convert(network, tensors, "test", theta, level_count=count)
    backbone = backbones.build(network, conv=central_difference(theta), level_count=count)
    pool = functools.partial(max_pool_complete, window=window)
    plain = functools.partial(plain_sequence, layers=layers, pool=pool)
    got = jax.jit(backbone.apply)({"params": params}, images)
    want = jax.jit(plain)(tensors, images)
    for a, b, stride in zip(got, want, backbone.strides, strict=True):
        assert a.shape[1:3] == (-(-45 // stride), -(-51 // stride))
        rows, columns = b.shape[1] - 2, b.shape[2] - 2
        close([a[:, :rows, :columns]], [b[:, :rows, :columns]])


@pytest.mark.slow
@pytest.mark.parametrize("network", ["alexnet", "vgg16"])
def test_features_inside_a_larger_array_are_those_of_the_image(rng, network):
    model, variables = model_and_variables(network, rng, attention=(3,), backbone_options=SMALL)
    image = jnp.float32(rng.uniform(size=(1, 45, 52, 3)))
    padded = jnp.full((1, 64, 96, 3), 7.0).at[:, :45, :52].set(image)
    encode = jax.jit(lambda x, sizes=None: model.apply(variables, x, sizes=sizes, method="encode"))
    got = encode(padded, jnp.array([[45, 52]]))
    for level, alone in zip(got, encode(image), strict=True):
        rows, columns = alone.shape[1:3]
        close([level[:, :rows, :columns]], [alone])
        assert not level[:, rows:].any()
        assert not level[:, :, columns:].any()


@pytest.mark.slow
@pytest.mark.parametrize("network", ["alexnet", "vgg16"])
def test_a_level_sees_no_further_than_its_reach(rng, network):
    """By the gradient of one feature of each level with respect to the pixels."""
    backbone = backbones.build(network, conv=nn.Conv)  # without differences all stays positive
    shapes = jax.eval_shape(backbone.init, jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    variables = jax.tree.map(
        lambda leaf: jnp.float32(rng.uniform(0, leaf.size**-0.5, leaf.shape)), shapes
    )
    images = jnp.float32(rng.uniform(0.6, 1, size=(1, 240, 16, 3)))
    middle = 112

    @functools.partial(jax.jit, static_argnums=(2, 3))
    @jax.grad
    def slope(images, variables, level, row):
        return backbone.apply(variables, images)[level][0, row].sum()

    for level, (stride, reach) in enumerate(zip(backbone.strides, backbone.reach, strict=True)):
        with plain_convolutions():  # products of fast ones cancel, but for rounding
            seen = slope(images, variables, level, middle // stride)
        rows = np.flatnonzero(np.asarray(jnp.abs(seen).sum(axis=(0, 2, 3))))
        furthest = max(middle - rows[0], rows[-1] - (middle + stride - 1))
        assert reach - stride < furthest <= reach  # the furthest pixel may lose every maximum


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "options"),
    [
        ("cdcn", {}),
        ("cdcn", {"widths": (8,)}),
        ("cdcn", {"widths": (8, 8)}),
        ("vgg16", {}),
        ("alexnet", {}),
        ("alexnet", {"level_count": 1}),
        ("alexnet", {"level_count": 2}),
        ("resnet18", {"level_count": 3}),
    ],
)
def test_a_level_looks_where_the_backbone_says(network, options):
    """By the gradient's centroid: on a ramp maxima lie at one end of their window, on the ramp
    turned round at the other."""
    backbone = backbones.build(network, conv=nn.Conv, **options)
    shapes = jax.eval_shape(backbone.init, jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    variables = jax.tree.map(lambda leaf: jnp.full(leaf.shape, leaf.size**-0.5), shapes)
    ramp = jnp.linspace(0.6, 1, 240)
    stride = backbone.strides[-1]
    cell = 112 // stride

    # As constants, kernels of one number lead XLA to a wrong sum of the gradient.
    @jax.jit
    def gradient(variables, images):
        with plain_convolutions():
            return jax.grad(lambda x: backbone.apply(variables, x)[-1][0, cell].sum())(images)

    def seen(rows):
        images = jnp.broadcast_to(rows[None, :, None, None], (1, 240, 16, 3))
        return np.asarray(gradient(variables, images), np.float64).sum(axis=(0, 2, 3))

    weights = [seen(rows) for rows in (ramp, ramp[::-1])]
    centroids = [(np.arange(240) * weight).sum() / weight.sum() for weight in weights]
    expected = backbone.centre + stride * cell
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


@pytest.mark.slow
@pytest.mark.parametrize(("network", "blocks"), [("resnet18", (2, 2)), ("resnet50", (3,))])
def test_resnets_are_the_plain_networks_at_any_theta(images, random_state_dict, network, blocks):
    """Batch normalisation is folded into the convolutions."""
    options = {"level_count": len(blocks) + 1}
    tensors = random_state_dict(network, **options)
    params = initial_weights.convert(network, tensors, "test", THETA, **options)
    backbone = backbones.build(network, conv=central_difference(THETA), **options)
    got = jax.jit(backbone.apply)({"params": params}, images)
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
    backbone = backbones.build(network)
    assert backbone.widths == channels
    images = jax.ShapeDtypeStruct((1, 64, 96, 3), jnp.float32)
    levels, variables = jax.eval_shape(backbone.init_with_output, jax.random.key(0), images)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == parameters
    assert tuple(level.shape[-1] for level in levels) == channels
    for level, stride in zip(levels, backbone.strides, strict=True):
        assert abs(64 / stride - level.shape[1]) <= 1
        assert abs(96 / stride - level.shape[2]) <= 1


def model_and_variables(network, generator, **options):
    config = {"name": "gsn", "backbone": network, "fusion_width": 4, **options}
    model = registry.build(config)
    example = jnp.zeros((1, 16, 16, 3))
    shapes = jax.eval_shape(model.init, jax.random.key(0), example, example)

    def draw(path, leaf):
        if path[-1].key == "kernel":
            fan = np.prod(leaf.shape[:-1])
            return generator.standard_normal(leaf.shape, np.float32) * np.float32(fan**-0.5)
        return 0.2 * generator.standard_normal(leaf.shape, np.float32)

    return model, jax.tree.map(jnp.asarray, jax.tree_util.tree_map_with_path(draw, shapes))


SMALL = {"level_count": 2}


@pytest.mark.slow
@pytest.mark.parametrize(("network", "levels"), [("vgg16", 1), ("alexnet", 2), ("resnet18", 2)])
def test_a_gsn_on_each_backbone(images, rng, network, levels):
    """Folding, the identical pair and finite gradients."""
    model, variables = model_and_variables(
        network,
        rng,
        # Unoptimised, as tests are, XLA's gradient of a ResNet with attention is NaN on a CPU.
        attention=(0,) if network == "resnet18" else (3,),
        backbone_options={"level_count": levels},
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
    folded_model, folded = fold(model, variables)
    again = jax.jit(folded_model.apply)(folded, first, second)
    np.testing.assert_allclose(again, scores, rtol=2e-5)


@pytest.mark.slow
def test_bfloat16_and_rematerialised_levels(images, rng):
    for network in ("alexnet", "resnet18"):
        backbone = backbones.build(network, level_count=2)
        variables = model_and_variables(network, rng, attention=(3,), backbone_options=SMALL)[1]
        variables = {"params": variables["params"]["backbone"]}
        want = jax.jit(backbone.apply)(variables, images)
        close(jax.jit(backbone.clone(remat=True).apply)(variables, images), want)
        got = jax.jit(backbone.clone(dtype=jnp.bfloat16).apply)(variables, images)
        for a, b in zip(got, want, strict=True):
            assert a.dtype == jnp.bfloat16
            np.testing.assert_allclose(np.float32(a), b, atol=0.03 * float(b.max()))


def test_where_tiles_are_not_possible():
    assert registry.build({"name": "gsn", "backbone": "resnet18"}).reach is None
    model = registry.build({"name": "gsn", "backbone": "alexnet"})
    assert model.reach == 81 + 16 + 4 * 16  # the backbone, attention and fusion


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "alexnet", "backbone_options": {"level_count": 6}}, "1 to 5 levels, got 6"),
        ({"backbone": "vgg16", "backbone_options": {"level_count": 0}}, "1 to 5 levels, got 0"),
        ({"backbone_options": {"widths": (4, 4, 4, 4)}}, "1 to 3 levels, got 4"),
        ({"backbone": "resnet18", "backbone_options": {"level_count": 6}}, "1 to 5 levels, got 6"),
        ({"backbone": "vgg16", "backbone_options": {"borders": "x"}}, "borders"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(InputError, match=message):
        registry.build({"name": "gsn", **options})


def test_features_are_averaged_over_cells(rng):
    """An odd last row or column is repeated."""
    x = rng.normal(size=(1, 5, 7, 2))
    wide = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)), mode="edge")
    want = wide.reshape(1, 3, 2, 4, 2, 2).mean(axis=(2, 4))
    assert_close(reduce_to(jnp.float32(x), 4, 8), want, 10)
    assert reduce_to(jnp.float32(x), 4, 16).shape == (1, 2, 2, 2)
    np.testing.assert_array_equal(reduce_to(jnp.float32(x), 4, 4), np.float32(x))
