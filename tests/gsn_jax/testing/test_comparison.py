"""The assertion that two images look alike, and its picture."""

import re

import numpy as np
import pytest
from PIL import Image

import gsn_jax
from gsn_jax.errors import InputError
from gsn_jax.testing import assert_images_similar, comparison


@pytest.fixture
def pair(photo, rng, tmp_path, monkeypatch):
    """An image and a noisy version of it, 48 x 64; the current folder is an empty one."""
    monkeypatch.chdir(tmp_path)
    image = photo[:48, :64]
    return image, np.clip(image + rng.normal(scale=20, size=image.shape), 0, 255).astype(np.uint8)


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def psnr(one, other):
    return -10 * np.log10(np.mean((np.float64(one) / 255 - np.float64(other) / 255) ** 2))


def test_a_score_that_passes_writes_nothing(pair, tmp_path):
    image, noisy = pair
    assert_images_similar(image, image, at_least=1)
    assert_images_similar(noisy, image, "psnr", at_least=psnr(noisy, image) - 0.001)
    assert_images_similar(noisy, image, gsn_jax.metrics.get("gmsd"), at_most=0.5)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_names_its_picture(pair, tmp_path):
    image, noisy = pair
    Image.fromarray(noisy).save(tmp_path / "drawn.png")
    limit = psnr(noisy, image) + 0.001
    with pytest.raises(AssertionError) as failed:
        assert_images_similar(
            tmp_path / "drawn.png", image, "psnr", at_least=limit, folder="out/here", name="a/b c"
        )
    path = tmp_path / "out" / "here" / f"{comparison.file_name('a/b c')}.png"
    found = re.fullmatch(
        rf"psnr (\S+) is below {limit:.10g}; the difference is in out/here/{path.name}",
        str(failed.value),
    )
    assert float(found[1]) == pytest.approx(psnr(noisy, image), abs=1e-4)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("metric", "limit"), [("psnr", {"at_least": 60}), ("gmsd", {"at_most": 0})]
)
def test_the_picture_holds_both_images_and_the_difference(pair, metric, limit):
    """Images of 64 columns are enlarged four times; PSNR has a map of squared errors."""
    image, _ = pair
    noisy = image.copy()
    noisy[20:30, 40:50] = 255 - noisy[20:30, 40:50]
    with pytest.raises(AssertionError):
        assert_images_similar(noisy, image, metric, **limit, folder=".", name="d")
    drawn = read("d.png")
    height, width = 4 * 48, 4 * 64
    assert drawn.shape[1] == 3 * width + 4 * 8
    panels = [
        drawn[-8 - height : -8, left : left + width] for left in (8, 16 + width, 24 + 2 * width)
    ]
    np.testing.assert_array_equal(panels[0][::4, ::4], image)
    np.testing.assert_array_equal(panels[1][::4, ::4], noisy)
    bright = panels[2][::4, ::4].mean(axis=-1)
    assert bright[20:30, 40:50].mean() > 5 * bright[:15, :30].mean() + 10


def test_a_metric_without_a_map_draws_the_absolute_difference(pair):
    image, _ = pair
    other = image.copy()
    other[:, :32] = np.where(other[:, :32] < 128, other[:, :32] + 50, other[:, :32] - 50)
    metric = gsn_jax.metrics.get("ms_ssim")
    with pytest.raises(InputError, match="too small"):
        assert_images_similar(other, image, metric, at_least=1)
    big, big_other = (np.tile(array, (4, 3, 1)) for array in (image, other))
    assert not metric.has_map
    with pytest.raises(AssertionError):
        assert_images_similar(big_other, big, metric, at_least=1, folder=".", name="d")
    drawn = read("d.png")
    # 192 columns are fewer than 220, so each pixel is drawn twice.
    panel = drawn[-8 - 2 * 192 : -8, -8 - 2 * 192 : -8][::2, ::2]
    want = np.abs(big.astype(int) - big_other).max(axis=-1) / 50 * 255
    np.testing.assert_array_equal(panel[..., 0], want)


def test_another_size_is_a_failure_with_two_images(pair):
    image, noisy = pair
    with pytest.raises(AssertionError, match="size 64 x 40 differs from the expected 64 x 48"):
        assert_images_similar(noisy[:40], image, at_least=0.5, folder=".", name="d")
    assert read("d.png").shape[1] == 2 * 4 * 64 + 3 * 8


def test_pictures_are_named_after_the_running_test(pair, tmp_path):
    image, noisy = pair
    with pytest.raises(AssertionError, match="image_differences"):
        assert_images_similar(noisy, image, "psnr", at_least=99)
    names = [path.name for path in (tmp_path / "image_differences").iterdir()]
    assert names == ["test_comparison.py_test_pictures_are_named_after_the_running_test.png"]


def test_different_names_have_different_files():
    """Those of plain tests stay as they are written."""
    plain = {
        "test_op": "test_op",
        "test_op[3-0.5]": "test_op_3-0.5",
        "TestKinds::test_op[a]": "TestKinds_test_op_a",
        "test_a.py::test_op": "test_a.py_test_op",
        "test_op-second": "test_op-second",
    }
    assert {name: comparison.file_name(name) for name in plain} == plain
    odd = ["test_op[+]", "test_op[*]", "test_op[a b]", "test_op[a/b]", "test_op[.]", "+", "x" * 200]
    files = [comparison.file_name(name) for name in [*plain, *odd, "x" * 201]]
    assert len(set(files)) == len(files)
    assert all(re.fullmatch(r"[\w-][\w.-]{0,170}", name) for name in files)


@pytest.mark.parametrize("outside", [("drawn.png", "drawn.png"), (None, "image.png")])
def test_outside_of_pytest_after_the_file(pair, monkeypatch, outside):
    image, noisy = pair
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    actual = noisy
    if outside[0]:
        Image.fromarray(noisy).save(outside[0])
        actual = outside[0]
    with pytest.raises(AssertionError, match=f"image_differences/{outside[1]}"):
        assert_images_similar(actual, image, "psnr", at_least=99)


@pytest.mark.parametrize(
    ("metric", "limits", "message"),
    [
        ("psnr", {}, "psnr: higher is better; give at_least, and nothing else"),
        ("psnr", {"at_most": 3}, "give at_least, and nothing else"),
        ("gmsd", {"at_least": 3}, "gmsd: lower is better; give at_most, and nothing else"),
        ("gmsd", {"at_least": 3, "at_most": 3}, "give at_most, and nothing else"),
        ("nope", {"at_least": 3}, "unknown metric 'nope'"),
    ],
)
def test_limits_must_fit_the_metric(pair, metric, limits, message):
    with pytest.raises(InputError, match=message):
        assert_images_similar(*pair, metric, **limits)


def test_images_that_cannot_be_used(pair):
    image, _ = pair
    for actual, message in (
        ("none.png", "none.png: no such file"),
        (image * 2.0, "actual: float values must lie in"),
        (image[None], r"actual: must be one image \(height, width, 3\)"),
    ):
        with pytest.raises(InputError, match=message):
            assert_images_similar(actual, image, "psnr", at_least=3)


def test_a_picture_that_cannot_be_written(pair, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: cannot be created"):
        assert_images_similar(*pair, "psnr", at_least=99, folder="file")
