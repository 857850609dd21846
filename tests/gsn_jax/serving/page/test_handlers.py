import csv
import shutil

import numpy as np
import pytest
from PIL import Image

import gsn_jax
from gsn_jax.errors import InputError
from gsn_jax.scoring import by_name
from gsn_jax.serving.page import handlers
from gsn_jax.serving.page.handlers import MAP, VIEWS, Limits

LIMITS = Limits()


@pytest.fixture
def files(photo, tmp_path):
    """Paths, in folders of their own as Gradio keeps them."""
    noise = np.random.default_rng(3).normal(size=photo.shape)
    contents = {
        "original.png": photo,
        "bad.png": np.clip(photo + 60 * noise, 0, 255).astype(np.uint8),
        "good.png": np.clip(photo + 6 * noise, 0, 255).astype(np.uint8),
        "small.png": photo[:64],
    }
    paths = {}
    for name, pixels in contents.items():
        paths[name] = tmp_path / f"hash-{name[:3]}" / name
        paths[name].parent.mkdir()
        Image.fromarray(pixels).save(paths[name])
    paths["notes.png"] = tmp_path / "notes.png"
    paths["notes.png"].write_text("not an image")
    return {name: str(path) for name, path in paths.items()}


def rank(files, distorted, metrics=("psnr",), **options):
    options = {"limits": LIMITS, **options}
    return handlers.rank(
        files["original.png"], [files[name] for name in distorted], metrics, **options
    )


def test_the_best_comes_first_in_either_direction(files):
    for metric in ("psnr", "gmsd"):
        ranking = rank(files, ["bad.png", "good.png"], [metric, "ssim"])
        assert [item.pair.distorted for item in ranking.scored] == ["good.png", "bad.png"]
        first = ranking.scored[0].scores
        expected = gsn_jax.score(files["original.png"], files["good.png"], metric)
        assert first[metric] == pytest.approx(float(expected), rel=1e-6)
        assert handlers.rows(ranking)[0][:2] == [1, "good.png"]
    metrics = [by_name.resolve(name) for name in ("psnr", "gmsd")]
    assert handlers.headers(metrics) == ["#", "image", "psnr ↑", "gmsd ↓"]


def test_a_bad_file_spoils_no_other_and_names_no_folder(files, tmp_path):
    ranking = rank(files, ["notes.png", "good.png", "small.png"])
    assert [item.pair.distorted for item in ranking.scored] == ["good.png"]
    errors = [item.error for item in ranking.failed]
    assert errors[0].startswith("notes.png: not an image")
    assert errors[1].startswith("small.png: size 160 x 64 differs from 160 x 128 of original.png")
    assert not any(str(tmp_path) in error for error in errors)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reference": None}, "drop a reference"),
        ({"reference": "notes.png"}, "^notes.png: not an image"),
        ({"reference": "gone.png"}, "^gone.png: no such file"),
        ({"distorted": []}, "at least one distorted"),
        ({"metrics": []}, "choose at least one metric"),
        ({"limits": Limits(max_images=1)}, "takes at most 1 at once"),
        ({"limits": Limits(max_pixels=100)}, "^original.png: 160 x 128 pixels is beyond"),
    ],
)
def test_what_cannot_be_scored_is_said_in_a_line(files, change, words):
    files["gone.png"] = files["notes.png"].replace("notes", "gone")
    given = {"reference": "original.png", "distorted": ["good.png", "bad.png"], "metrics": ["psnr"]}
    given = {**given, "limits": LIMITS, **change}
    reference = given.pop("reference")
    distorted = [files[name] for name in given.pop("distorted")]
    with pytest.raises(InputError, match=words):
        handlers.rank(
            reference and files[reference],
            distorted,
            given["metrics"],
            limits=given["limits"],
        )


def test_files_of_one_name_stay_apart(files):
    ranking = rank(files, ["good.png", "good.png"])
    names = [item.pair.distorted for item in ranking.scored]
    assert sorted(names) == ["good.png", "good.png (2)"]
    assert ranking.find("good.png (2)").pair.distorted == "good.png (2)"
    assert ranking.find(None) is None


def test_the_table_to_download(files, tmp_path):
    path = handlers.write_csv(tmp_path, rank(files, ["notes.png", "bad.png", "good.png"]))
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [row["distorted"] for row in rows] == ["good.png", "bad.png", "notes.png"]
    assert {row["reference"] for row in rows} == {"original.png"}
    assert float(rows[0]["psnr"]) > float(rows[1]["psnr"])
    assert rows[2]["error"]
    assert str(tmp_path) not in path.read_text(encoding="utf-8")


def test_a_name_in_the_table_to_download_is_no_formula(files, tmp_path):
    files["=1+1.png"] = str(tmp_path / "=1+1.png")
    shutil.copy(files["good.png"], files["=1+1.png"])
    path = handlers.write_csv(tmp_path, rank(files, ["=1+1.png"]))
    (row,) = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    assert row["distorted"] == "'=1+1.png"


def test_pictures_have_the_size_of_the_image_and_the_map_is_bright_where_it_is_bad(
    files, photo, tmp_path
):
    changed = photo.copy()
    changed[32:96, 80:140] = 255 - changed[32:96, 80:140]
    files["local.png"] = str(tmp_path / "local.png")
    Image.fromarray(changed).save(files["local.png"])
    ranking = rank(files, ["local.png"])
    metric = by_name.resolve("ssim")
    for view in VIEWS:
        (left, right), caption = handlers.pictures(ranking, "local.png", view, metric, LIMITS)
        np.testing.assert_array_equal(left, photo)
        assert right.shape == photo.shape
        assert "local.png" in caption
        assert ("worst here" in caption) == (view == MAP)
    gray = np.repeat(photo.mean(-1, keepdims=True), 3, -1)
    change = np.abs(right - gray).mean(-1)
    assert change[40:90, 90:130].mean() > 3 * change[:, :60].mean()
    assert handlers.pictures(ranking, "other.png", MAP, metric, LIMITS) == (None, "")


def test_without_a_map_the_image_is_shown(files, photo):
    ranking = rank(files, ["good.png"])
    (_, right), _ = handlers.pictures(ranking, "good.png", MAP, None, LIMITS)
    assert right.shape == photo.shape


def test_large_pictures_are_reduced_for_the_browser(tmp_path):
    large = np.full((40, 3200, 3), 90, np.uint8)
    files = {name: str(tmp_path / name) for name in ("original.png", "same.png")}
    for path in files.values():
        Image.fromarray(large).save(path)
    (left, right), _ = handlers.pictures(
        rank(files, ["same.png"]), "same.png", MAP, by_name.resolve("psnr"), LIMITS
    )
    assert left.shape == right.shape == (20, 1600, 3)


def test_messages_are_text_not_markup():
    text = handlers.message(["<script>x</script>: no"])
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert handlers.message([]) == ""
