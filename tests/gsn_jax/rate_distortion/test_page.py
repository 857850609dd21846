"""The page: complete, without requests, readable on a phone, in light and dark."""

import numpy as np
import pytest
from browser import open_page
from PIL import Image

from gsn_jax.metrics import get
from gsn_jax.rate_distortion import charts, codecs, encoding, examples, page
from gsn_jax.rate_distortion.comparison import MetricView, compare
from gsn_jax.rate_distortion.curves import make_curve
from gsn_jax.rate_distortion.photos import find_photos
from gsn_jax.rate_distortion.scoring import score


@pytest.fixture
def comparison(tmp_path, photo):
    for k in range(6):
        Image.fromarray(np.roll(photo, 20 * k, axis=0)[:64, :64]).save(tmp_path / f"<p{k}>.png")
    (tmp_path / "out").mkdir()
    chosen = dict.fromkeys(codecs.choose(["jpeg", "webp"], [], []), (20.0, 40.0, 60.0, 80.0))
    photos = find_photos([tmp_path], tmp_path / "out")
    items = encoding.encode_all(photos, chosen, tmp_path / "out", workers=1)
    return compare(score(items, [get("psnr"), get("gmsd")]), resamples=100)


@pytest.mark.slow
def test_the_page(comparison, tmp_path):
    metrics = {name: get(name) for name in ("psnr", "gmsd")}
    path = page.write_page(comparison, tmp_path / "report", metrics)
    html = path.read_text()
    assert "<p0>" not in html
    for dark, width in ((False, 390), (True, 1280)):
        with open_page(path.as_uri(), width=width, dark=dark) as visit:
            assert visit.broken_images() == []
            assert visit.overflow() <= 0
            first_chart = visit.page.locator(".charts svg").first
            first_chart.locator(".point .reach").last.hover()
            assert first_chart.locator(".point .tip").last.is_visible()
            visit.page.mouse.move(0, 0)
            tip = visit.page.locator(".point .tip").first
            assert not tip.is_visible()
            visit.page.locator(".point").first.focus()
            assert tip.is_visible()
            assert "bits per pixel" in tip.text_content()
            assert visit.problems == []
            # The page itself is a file; nothing else is asked for.
            assert visit.requests == [path.as_uri()]


def test_every_codec_has_a_line_of_its_own():
    names = list(codecs.LIBRARY)
    styles, shown = zip(*charts.legend(names), strict=True)
    assert list(shown) == names
    assert len(set(styles)) == len(names) > 6


def test_a_codec_without_a_curve_keeps_its_place():
    """Otherwise lines and legend would have different colours."""
    empty, full = make_curve([], [], [], higher_is_better=True), None
    full = make_curve([1, 2, 3, 4], [1, 2, 3, 4], list("abcd"), higher_is_better=True)
    means = {"jpeg": empty, "webp": full, "avif": full}
    by_image = {codec: {"p": curve} for codec, curve in means.items()}
    view = MetricView("m", True, by_image, means, dict.fromkeys(means, frozenset()))
    drawn = charts.chart(view, images=True)
    styles = {codec: style for style, codec in charts.legend(means)}
    assert {item["codec"]: item["style"] for item in drawn["series"]} == {
        codec: styles[codec] for codec in ("webp", "avif")
    }
    assert [item["style"] for item in drawn["behind"]] == [styles["webp"], styles["avif"]]


def test_pictures_of_equal_bytes_are_as_equal_as_the_settings_allow():
    values = {"a": [0.0, 1.0, 2.0, 3.0], "b": [-1.0, 0.4, 1.05, 4.0]}
    # The middle of the shared range, 1.5, is .5 away from the nearest setting of each.
    assert examples._common(values) == 1.0
    # Nothing is shared: the middle between both.
    assert examples._common({"a": [0.0, 1.0], "b": [3.0, 4.0]}) == 2.0


def test_labels_of_an_axis():
    labels = [label for _, label in charts._round_values(0.62, 0.97)]
    assert labels == ["0.65", "0.70", "0.75", "0.80", "0.85", "0.90", "0.95"]
    assert [label for _, label in charts._round_values(27.0, 93.0)][:2] == ["30", "40"]


def test_near_points_do_not_cover_each_other():
    places = [(0.0, 0.0), (6.0, 0.0), (6.0, 30.0), (7.0, 30.0), (200.0, 0.0)]
    points = [{"x": x, "y": y} for x, y in places]
    charts._add_reach(points)
    assert [point["reach"] for point in points] == [4.0, 4.0, 4.0, 4.0, 10.0]
    charts._add_reach(points[:1])
    assert points[0]["reach"] == 10.0
