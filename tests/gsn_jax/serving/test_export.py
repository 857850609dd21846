import importlib.util
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from closeness import assert_close
from jax import export as jax_export

from gsn_jax.cli.export import command
from gsn_jax.errors import InputError
from gsn_jax.scoring import by_name, model_metric
from gsn_jax.serving import export

needs_onnx = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("jax2onnx", "onnxruntime"))),
    reason="needs jax2onnx: pip install '.[export]' && pip install --no-deps jax2onnx",
)
needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="needs TensorFlow"
)


@pytest.fixture(scope="module")
def metric(model_folder):
    return model_metric.load(model_folder)


def pair(rng, *shape):
    reference = rng.random(shape, np.float32)
    noise = rng.normal(scale=0.1, size=shape)
    return reference, np.clip(reference + noise, 0, 1).astype(np.float32)


@pytest.mark.slow
def test_stablehlo_takes_any_number_and_size(model_folder, metric, rng, tmp_path):
    out = tmp_path / "model.shlo"
    line = ["--format", "stablehlo", "--checkpoint", str(model_folder), "--out", str(out)]
    result = CliRunner().invoke(command, line, catch_exceptions=False)
    assert result.exit_code == 0
    assert "any size" in result.output
    exported = jax_export.deserialize(bytearray(out.read_bytes()))
    assert {"cpu", "cuda", "tpu"} <= set(exported.platforms)
    # The command has compared a pair of another size.
    images = pair(rng, 3, 33, 47, 3)
    scores = exported.call(*images)
    assert scores.shape == (3,)
    assert_close(scores, metric(*images))


@needs_onnx
@pytest.mark.filterwarnings("ignore")  # of the exporter
@pytest.mark.parametrize("size", [(32, 48), (35, 49)])
def test_onnx_in_onnxruntime_gives_the_same_scores(metric, rng, tmp_path, size):
    import onnxruntime

    out = tmp_path / "model.onnx"
    assert export.export(metric, "onnx", out, size) <= 1e-4
    session = onnxruntime.InferenceSession(out)
    assert [value.name for value in session.get_inputs()] == ["reference", "distorted"]
    for count in (1, 4):
        reference, distorted = pair(rng, count, *size, 3)
        (scores,) = session.run(["scores"], {"reference": reference, "distorted": distorted})
        np.testing.assert_allclose(scores, metric(reference, distorted), atol=1e-4)


@needs_tensorflow
@pytest.mark.filterwarnings("ignore")
def test_savedmodel_gives_the_same_scores(metric, rng, tmp_path):
    import tensorflow as tf

    out = tmp_path / "saved"
    export.export(metric, "savedmodel", out)
    loaded = tf.saved_model.load(str(out))
    images = pair(rng, 2, 40, 50, 3)
    scores = loaded.score(*map(tf.constant, images))["scores"].numpy()
    np.testing.assert_allclose(scores, metric(*images), atol=1e-4)
    with pytest.raises(InputError, match="already exists"):
        export.export(metric, "savedmodel", out)


def test_a_classical_metric_with_its_size_fixed(rng, tmp_path):
    metric, out = by_name.resolve("psnr"), tmp_path / "psnr.shlo"
    export.export(metric, "stablehlo", out, (20, 30))
    images = pair(rng, 2, 20, 30, 3)
    scores = jax_export.deserialize(bytearray(out.read_bytes())).call(*images)
    np.testing.assert_allclose(scores, metric(*images), rtol=1e-5)


def test_what_an_exporter_cannot_take_says_what_to_do(tmp_path):
    message = "ssim cannot be exported to stablehlo for images of any size; give a fixed size"
    with pytest.raises(InputError, match=message):
        export.export(by_name.resolve("ssim"), "stablehlo", tmp_path / "ssim.shlo")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_export_gets_no_name(metric, monkeypatch, tmp_path):
    monkeypatch.setattr(
        export, "_run_stablehlo", lambda path: lambda *images: metric(*images) + 0.01
    )
    with pytest.raises(InputError, match=r"differs from the metric by 0\.01"):
        export.export(metric, "stablehlo", tmp_path / "model.shlo")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("form", "module", "words"),
    [
        ("onnx", "jax2onnx", r"needs jax2onnx; pip install 'gsn_jax\[export\]'"),
        ("savedmodel", "tensorflow", "needs tensorflow; pip install tensorflow"),
    ],
)
def test_without_its_exporter_it_says_what_to_install(
    metric, monkeypatch, tmp_path, form, module, words
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else 1)
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(InputError, match=words):
        export.export(metric, form, tmp_path / "model")


@pytest.mark.parametrize("size", ["12", "0x5", "axb", "-3x4"])
def test_a_size_that_is_none(size, tmp_path):
    line = ["--format", "onnx", "--out", str(tmp_path / "x"), f"--size={size}"]
    with pytest.raises(InputError, match="give HEIGHTxWIDTH"):
        CliRunner().invoke(command, line, catch_exceptions=False)


def test_a_metric_and_a_checkpoint_are_one_too_many(tmp_path):
    line = ["--format", "onnx", "--out", str(tmp_path / "x"), "--metric=psnr", "--checkpoint=run"]
    with pytest.raises(InputError, match="--metric NAME or --checkpoint DIR, not both"):
        CliRunner().invoke(command, line, catch_exceptions=False)


def test_a_folder_that_is_not_there(metric, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        export.export(metric, "stablehlo", tmp_path / "none" / "model.shlo")
