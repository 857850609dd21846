"""The examples run, in small."""

import importlib.util
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import gsn_jax

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name):
    specification = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_an_image_is_optimised_and_written(photo, tmp_path, monkeypatch, capsys):
    Image.fromarray(photo[:48, :64]).save(tmp_path / "photo.png")
    line = ["optimise_image.py", str(tmp_path / "photo.png"), "--steps", "10"]
    line += ["--metric", "gsn,psnr_hvs_m", "--crop", "32", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", line)
    example("optimise_image").main()
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0].strip() for row in rows] == ["`gsn`", "`psnr_hvs_m`"]
    for _, *cells in rows:  # of the metric, PSNR and SSIM
        for before, after in (map(float, cell.split(" to ")) for cell in cells):
            assert after > before
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"start.png", "gsn.png", "psnr_hvs_m.png"}
    with Image.open(tmp_path / "out" / "gsn.png") as picture:
        assert picture.size == (32, 32)


def test_torch_gets_jaxs_values_and_gradients(photo):
    torch = pytest.importorskip("torch", reason="needs torch")
    reference = np.stack([photo[:32, :32], photo[32:64, :32]]) / np.float32(255)
    distorted = np.clip(reference + 0.05, 0, 1)
    loss = gsn_jax.as_loss("gsn")
    values = loss(reference, distorted)
    weights = np.array([1.0, 2.0], np.float32)
    weighted = jax.grad(lambda image: (loss(reference, image) * weights).sum())
    expected = np.moveaxis(np.asarray(weighted(distorted)), -1, 1)

    def tensor(array):
        return torch.from_numpy(np.moveaxis(array, -1, 1).copy())

    image = tensor(distorted).requires_grad_()
    found = example("torch_bridge").MetricLoss("gsn")(tensor(reference), image)
    np.testing.assert_allclose(found.detach().numpy(), values, rtol=1e-4)
    (found * torch.from_numpy(weights)).sum().backward()
    largest = np.abs(expected).max()
    np.testing.assert_allclose(image.grad.numpy(), expected, atol=1e-4 * largest)


def test_torch_optimises_with_a_metric(capsys):
    pytest.importorskip("torch", reason="needs torch")
    example("torch_bridge").main()
    losses = [float(row.split()[-1]) for row in capsys.readouterr().out.splitlines()]
    assert len(losses) == 3
    assert losses[2] < losses[1] < 0.8 * losses[0]
