import io
import sys

import numpy as np
import pytest
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.scoring import by_name
from gsn_jax.scoring.map_pictures import MapWriter, Scale, colours_of, draw, overlay, scale_of

SSIM, GMSD, PSNR = (by_name.resolve(name) for name in ("ssim", "gmsd", "psnr"))


@pytest.fixture
def images(photo):
    reference = photo[:48, :64] / np.float32(255)
    distorted = reference.copy()
    distorted[8:24, 8:24] = 1 - distorted[8:24, 8:24]
    return reference, distorted


def test_the_scale_runs_from_the_best_there_is_to_the_worst_here():
    values = np.array([[0.4, 0.9]])
    assert scale_of(values, SSIM) == Scale(1.0, pytest.approx(0.4))
    assert scale_of(values, GMSD) == Scale(0.0, pytest.approx(0.9))
    assert scale_of(-values, PSNR) == Scale(-0.4, pytest.approx(-0.9))
    # Nothing to see stays dark.
    assert scale_of(np.ones((2, 2)), SSIM) == Scale(1.0, pytest.approx(0.9))


def test_worse_is_brighter_for_readers_of_every_kind():
    colours = colours_of(np.linspace(0, 1, 50)).astype(float)
    luma = colours @ (0.299, 0.587, 0.114)
    assert (np.diff(luma) > 0).all()
    assert luma[-1] - luma[0] > 200
    np.testing.assert_allclose(Scale(1.0, 0.0).badness(np.array([2.0, 1.0, 0.25])), [0, 0, 0.75])


def test_an_overlay_keeps_the_image_where_it_is_good(images):
    _, distorted = images
    values = np.ones(distorted.shape[:2])
    values[:, :20] = 0
    drawn = overlay(distorted, values, Scale(1.0, 0.0)).astype(float) / 255
    gray = distorted.mean(-1)
    assert np.corrcoef(drawn[:, 20:].mean(-1).ravel(), gray[:, 20:].ravel())[0, 1] > 0.99
    assert drawn[:, :20].std() < drawn[:, 20:].std() + 0.2
    assert drawn[:, :20].mean() > 0.6


def test_a_picture_shows_image_map_and_colour_bar(images):
    _, distorted = images
    values = np.ones(distorted.shape[:2])
    values[8:24, 8:24] = 0.2
    drawn = np.asarray(Image.open(io.BytesIO(draw(distorted, values, SSIM, "a$b.png"))))
    height, width = drawn.shape[:2]
    assert width > 2 * height > 400
    # The bright square of the map: in the right half, in the upper left of its panel.
    worst = colours_of(np.ones(1))[0]
    rows, columns = np.nonzero(np.abs(drawn[..., :3] - worst.astype(int)).sum(-1) < 12)
    panel = (columns > 0.47 * width) & (columns < 0.85 * width)
    assert panel.sum() > 1000
    assert rows[panel].max() < 0.65 * height
    for metric in (GMSD, PSNR):
        assert draw(distorted, 1 - values, metric).startswith(b"\x89PNG")


@pytest.mark.slow
def test_names_tell_images_of_one_stem_apart(images, tmp_path):
    folder = tmp_path / "maps"
    writer = MapWriter(folder, [SSIM, by_name.resolve("ms_ssim")], [])
    assert writer.without == ["ms_ssim"]
    given = [("r.png", name) for name in ("a/x.png", "b/x.png", "x.jpg", "../x.jpg", "x.webp")]
    given += [("s.png", "a/x.png")]
    written = [writer.write(names, *images)[0] for names in given]
    assert written[0].name == "x.ssim.map.png"
    assert written[1].name == "b_x.ssim.map.png"
    assert len(set(written)) == len(given)
    assert sorted(folder.iterdir()) == sorted(written)
    assert writer.write(given[1], *images) == [written[1]]  # a second run writes the same names


def test_no_image_that_is_scored_is_replaced(images, tmp_path):
    scored = tmp_path / "x.ssim.map.png"
    scored.write_bytes(b"mine")
    writer = MapWriter(tmp_path, [SSIM], [scored])
    with pytest.raises(InputError, match="is one of the scored images"):
        writer.write(("r.png", "x.png"), *images)
    assert scored.read_bytes() == b"mine"


def test_what_cannot_be_drawn_is_one_line(monkeypatch, tmp_path, images):
    with pytest.raises(InputError, match="--maps: no quality map for ms_ssim; metrics with one"):
        MapWriter(tmp_path, [by_name.resolve("ms_ssim")], [])
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file, not a folder; name a folder for maps"):
        MapWriter(tmp_path / "file", [SSIM], [])
    with pytest.raises(InputError, match="cannot be created"):
        MapWriter(tmp_path / "file" / "maps", [SSIM], [])
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"pip install 'gsn_jax\[report\]'"):
        MapWriter(tmp_path, [SSIM], [])
