import damage
import jax
import numpy as np
import pytest

from gsn_jax.errors import InputError
from gsn_jax.metrics._deepiqa import METRICS, deepiqa, read_weights
from gsn_jax.metrics.wadiqam import WaDIQaM, patch_grid
from gsn_jax.pretrained.deepiqa import convert_deepiqa, read_deepiqa

WIDTHS = (3, 32, 32, 64, 64, 128, 128, 256, 256, 512, 512)


def chainer_arrays(weighted=True):
    """Random arrays under the names and axis orders that Chainer gives the authors' model."""
    rng = np.random.default_rng(0)
    arrays = {}
    for i in range(1, 11):
        shape = (WIDTHS[i], WIDTHS[i - 1], 3, 3)
        arrays[f"conv{i}/W"] = rng.normal(0, (2 / (9 * shape[1])) ** 0.5, shape)
        arrays[f"conv{i}/b"] = rng.normal(0, 0.1, shape[0])
    for end in ("", "_a") if weighted else ("",):
        arrays[f"fc1{end}/W"] = rng.normal(0, 1536**-0.5, (512, 1536))
        arrays[f"fc1{end}/b"] = rng.normal(0, 0.1, 512)
        arrays[f"fc2{end}/W"] = rng.normal(0, 512**-0.5, (1, 512))
        arrays[f"fc2{end}/b"] = np.full(1, 100.0 if end else 0.5)  # most weights are positive
    return {name: value.astype(np.float32) for name, value in arrays.items()}


def describe(arrays, patch):
    """The authors' feature extraction of one `(32, 32, 3)` patch, channels first, float64."""
    x = 255 * patch.astype(np.float64).transpose(2, 0, 1)
    for i in range(1, 11):
        kernel = arrays[f"conv{i}/W"].astype(np.float64)
        around = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3), (1, 2))
        columns = windows.transpose(0, 3, 4, 1, 2).reshape(-1, x.shape[1] * x.shape[2])
        x = (kernel.reshape(len(kernel), -1) @ columns).reshape(-1, *x.shape[1:])
        x = np.maximum(x + arrays[f"conv{i}/b"][:, None, None], 0)
        if i % 2 == 0:
            x = x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2).max((2, 4))
    return x.reshape(-1)


def definition(arrays, reference, distorted):
    """Weighted mean of the quality of the patches on the grid, as the authors' `evaluate.py`."""
    quality, weights = [], []
    for i in range(0, reference.shape[0] - 31, 32):
        for j in range(0, reference.shape[1] - 31, 32):
            window = np.s_[i : i + 32, j : j + 32]
            r, d = describe(arrays, reference[window]), describe(arrays, distorted[window])
            fused = np.concatenate([d - r, d, r])

            def regress(end, fused=fused):
                hidden = np.maximum(arrays[f"fc1{end}/W"] @ fused + arrays[f"fc1{end}/b"], 0)
                return (arrays[f"fc2{end}/W"] @ hidden + arrays[f"fc2{end}/b"])[0]

            quality.append(regress(""))
            weights.append(max(regress("_a"), 0) + 1e-6 if "fc1_a/W" in arrays else 1)
    return np.average(quality, weights=weights)


def random_pair(shape=(64, 45, 3)):
    rng = np.random.default_rng(1)
    reference = rng.random(shape, np.float32)
    noise = 0.1 * rng.standard_normal(shape).astype(np.float32)
    return reference, np.clip(reference + noise, 0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [True, False])
def test_converted_weights_give_the_authors_score(tmp_path, weighted):
    arrays = chainer_arrays(weighted)
    np.savez(tmp_path / "fr.npz", **arrays)
    reference, distorted = random_pair()
    expected = [definition(arrays, reference, i) for i in (distorted, reference)]
    assert abs(expected[0] - expected[1]) > 0.01 * abs(expected[0])
    attributes, variables = read_deepiqa(tmp_path / "fr.npz")
    pair = np.stack([reference, reference]), np.stack([distorted, reference])
    scores = jax.jit(WaDIQaM(**attributes).apply)(variables, *pair)
    assert scores.shape == (2,)
    np.testing.assert_allclose(scores, expected, rtol=1e-4)
    if weighted:
        batch = [images[:, None] for images in pair]
        metric_scores = jax.jit(deepiqa)(*batch, read_weights(tmp_path / "fr.npz"))
        np.testing.assert_allclose(metric_scores[:, 0], expected, rtol=1e-4)


def test_reads_the_authors_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py, which reads the authors' files, is missing")
    arrays = chainer_arrays()
    with h5py.File(tmp_path / "fr_tid_weighted.model", "w") as file:
        for name, value in arrays.items():
            file[name] = value
    converted = read_deepiqa(tmp_path / "fr_tid_weighted.model")
    expected = convert_deepiqa(arrays)
    assert converted[0] == expected[0]
    jax.tree.map(np.testing.assert_array_equal, converted[1], expected[1])


def test_damage_anywhere_in_an_hdf5_file_is_one_line(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py, which reads the authors' files, is missing")
    with h5py.File(tmp_path / "whole.model", "w") as file:
        file["conv1/W"], file["conv1/b"] = np.ones((3, 2)), np.ones(3)
    for copy in damage.copies(tmp_path / "whole.model", step=11):
        with pytest.raises(InputError):
            read_deepiqa(copy)


def test_variables_are_those_of_the_module():
    model = WaDIQaM()
    images = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
    own = jax.eval_shape(model.init, jax.random.key(0), images, images)
    _, converted = convert_deepiqa(chainer_arrays())
    assert jax.tree.map(np.shape, own) == jax.tree.map(np.shape, converted)
    assert sum(leaf.size for leaf in jax.tree.leaves(own)) == 6_287_138


@pytest.mark.slow
def test_training_drops_out_and_has_finite_gradients():
    model = WaDIQaM()
    images = np.random.default_rng(2).random((1, 32, 32, 3), np.float32)
    _, variables = convert_deepiqa(chainer_arrays())

    @jax.jit
    def step(variables, key):
        def loss(variables):
            rngs = {"dropout": key}
            return model.apply(variables, images, images, train=True, rngs=rngs).sum()

        return jax.value_and_grad(loss)(variables)

    (first, gradients), (second, _) = (step(variables, jax.random.key(i)) for i in (1, 2))
    assert first != second
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


def test_grid_leaves_incomplete_patches_out():
    rows, columns = np.meshgrid(np.arange(70), np.arange(101), indexing="ij")
    patches = patch_grid(np.stack([rows, columns], -1)[None])
    assert patches.shape == (6, 32, 32, 2)
    corners = [(0, 0), (0, 32), (0, 64), (32, 0), (32, 32), (32, 64)]
    np.testing.assert_array_equal(patches[:, 0, 0], corners)
    np.testing.assert_array_equal(patches[:, 31, 5], np.add(corners, [31, 5]))


def test_refuses_small_and_unequal_images():
    small, large = np.zeros((1, 31, 40, 3)), np.zeros((1, 32, 40, 3))
    with pytest.raises(ValueError, match="at least 32 x 32"):
        WaDIQaM().init(jax.random.key(0), small, small)
    with pytest.raises(ValueError, match="two"):
        WaDIQaM().init(jax.random.key(0), small, large)


def test_refuses_other_weights(monkeypatch, tmp_path):
    arrays = chainer_arrays()
    with pytest.raises(InputError, match="not the authors' full-reference weights"):
        convert_deepiqa({"conv1/W": arrays["conv1/W"]})
    arrays["fc1/W"] = arrays["fc1/W"][:, :512]  # the no-reference model
    with pytest.raises(InputError, match="has 512 inputs, not 1536"):
        convert_deepiqa(arrays)
    monkeypatch.setenv("GSN_DEEPIQA_WEIGHTS", str(tmp_path / "none.npz"))
    image = np.zeros((32, 32, 3), np.float32)
    with pytest.raises(InputError, match="GSN_DEEPIQA_WEIGHTS: no such file"):
        METRICS["deepiqa"](image, image)
