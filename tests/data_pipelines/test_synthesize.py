"""Synthesised data sets: their table, resuming, labels and errors."""

from __future__ import annotations

import csv
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage import data

import gsn_jax
from data_pipelines import synthesize
from gsn_jax.cli.synthesize import command
from gsn_jax.errors import InputError
from gsn_jax.images.files import load_image

_TYPES = ("jpeg", "gaussian_blur", "white_noise")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    image = data.astronaut()
    Image.fromarray(image[:90, 100:220]).save(folder / "first.png")
    (folder / "more").mkdir()
    Image.fromarray(image[100:190, 100:220]).save(folder / "more" / "second.jpg", quality=95)
    (folder / "notes.txt").write_text("not a photograph")
    return folder


def _settings(**changes) -> synthesize.Settings:
    return synthesize.Settings(
        **{"types": _TYPES, "levels": (1, 3, 5), "size": 64, "label": "level", **changes}
    )


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def test_table_names_every_image_and_scores_fall_with_the_level(photos, tmp_path):
    table = synthesize.synthesize(photos, tmp_path / "out", _settings(identical=True), workers=1)
    rows = _rows(table)
    assert list(rows[0]) == list(synthesize.COLUMNS)
    assert len(rows) == 2 * (3 * 3 + 1)
    assert {row["group"] for row in rows} == {"first", "more__second"}
    for row in rows:
        reference = load_image(table.parent / row["reference"])
        distorted = load_image(table.parent / row["distorted"])
        assert reference.shape == distorted.shape == (64, 64, 3)
        assert 0 <= float(row["score"]) <= 1
        if row["type"] == "identical":
            assert (row["score"], row["level"]) == ("1.0", "0")
    for kind in _TYPES:
        scores = [float(r["score"]) for r in rows if r["type"] == kind and r["group"] == "first"]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] > scores[-1]


def test_references_are_the_middle_of_the_photographs(photos, tmp_path):
    table = synthesize.synthesize(photos, tmp_path / "out", _settings(types=("jpeg",)), workers=1)
    photo = load_image(photos / "first.png")
    reference = load_image(table.parent / "reference" / "first.png")
    np.testing.assert_array_equal(reference, photo[13:77, 28:92])


def test_an_interrupted_run_ends_with_the_same_bytes(photos, tmp_path, monkeypatch):
    whole = synthesize.synthesize(photos, tmp_path / "whole", _settings(), workers=1).parent
    write, written = synthesize.write_image, []

    def write_some(path, image):
        if len(written) == 14:
            raise KeyboardInterrupt
        written.append(path)
        write(path, image)

    monkeypatch.setattr(synthesize, "write_image", write_some)
    with pytest.raises(KeyboardInterrupt):
        synthesize.synthesize(photos, tmp_path / "resumed", _settings(), workers=1)
    assert not (tmp_path / "resumed" / "pairs.csv").exists()
    monkeypatch.setattr(synthesize, "write_image", write)
    kept = {path: path.stat().st_mtime_ns for path in written}
    seen = []
    synthesize.synthesize(
        photos, tmp_path / "resumed", _settings(), lambda *p: seen.append(p), workers=1
    )
    assert seen == [(1, 2), (2, 2)], "the finished photograph is not made again"
    assert {path: path.stat().st_mtime_ns for path in written} == kept
    assert _digests(tmp_path / "resumed") == _digests(whole)


@pytest.mark.slow
def test_two_processes_write_what_one_writes(photos, tmp_path):
    one = synthesize.synthesize(photos, tmp_path / "one", _settings(levels=(2,)), workers=1)
    two = synthesize.synthesize(photos, tmp_path / "two", _settings(levels=(2,)), workers=2)
    assert _digests(one.parent) == _digests(two.parent)


def test_another_seed_gives_other_noise(photos, tmp_path):
    tables = [
        synthesize.synthesize(
            photos, tmp_path / str(seed), _settings(types=("white_noise",), seed=seed), workers=1
        )
        for seed in (0, 1)
    ]
    images = [load_image(t.parent / "distorted/first/white_noise_3.png") for t in tables]
    assert np.any(images[0] != images[1])


def test_webp_is_lossless(photos, tmp_path):
    settings = {"types": ("white_noise",), "levels": (5,)}
    png = synthesize.synthesize(photos, tmp_path / "a", _settings(**settings), workers=1).parent
    webp = synthesize.synthesize(
        photos, tmp_path / "b", _settings(**settings, suffix=".webp"), workers=1
    ).parent
    name = "distorted/first/white_noise_5"
    np.testing.assert_array_equal(
        load_image(png / f"{name}.png"), load_image(webp / f"{name}.webp")
    )


def test_consensus_moves_scores_to_the_mean_of_their_type_and_level():
    rows = [
        ("r/a", "d/a1", "0.8", "jpeg", "1", "a"),
        ("r/a", "d/a2", "0.2", "jpeg", "2", "a"),
        ("r/b", "d/b1", "0.6", "jpeg", "1", "b"),
        ("r/b", "d/b2", "0.6", "jpeg", "2", "b"),
        ("r/b", "d/b3", "0.1", "blocks", "1", "b"),
    ]
    assert [row[2] for row in synthesize.agreeing(rows, 1.0)] == [0.7, 0.4, 0.7, 0.4, 0.1]
    halfway = synthesize.agreeing(rows, 0.5)
    assert [row[2] for row in halfway] == [0.75, 0.3, 0.65, 0.5, 0.1]
    assert [row[3:] for row in halfway] == [row[3:] for row in rows]
    assert synthesize.agreeing(rows, 0.0) == rows


def test_like_tid2013_labels_with_its_mean_opinions(photos, tmp_path):
    settings = _settings(types=("contrast", "jpeg"), levels=(1, 2), like="tid2013")
    rows = _rows(synthesize.synthesize(photos, tmp_path / "out", settings, workers=1))
    # 5.62 and 6.51 of 7.2: people mind raised contrast (level 2) less; and JPEG's first two
    assert [float(row["score"]) for row in rows] == 2 * [0.780556, 0.904167, 0.820833, 0.790278]
    photo = load_image(tmp_path / "out" / "reference" / "first.png").astype(float)
    lower, higher = (
        load_image(tmp_path / "out" / f"distorted/first/contrast_{level}.png") for level in (1, 2)
    )
    assert lower.std() < photo.std() < higher.std()


@pytest.mark.parametrize("like", synthesize.LIKE)
def test_a_data_set_to_be_like_brings_the_types_that_are_known_there(photos, tmp_path, like):
    arguments = ["--levels", "5", "--types-per-photo", "16", "--size", "64", "--workers", "1"]
    out = tmp_path / "out"
    result = CliRunner().invoke(
        command, [str(photos), "--out", str(out), "--like", like, *arguments]
    )
    assert result.exit_code == 0, result.output
    rows = _rows(out / "pairs.csv")
    names = synthesize.LIKE[like].NAMES
    assert {row["type"] for row in rows} == set(names)
    assert len(rows) == 2 * len(names)


def test_every_photograph_draws_its_own_types(photos, tmp_path):
    types = ("jpeg", "gaussian_blur", "white_noise", "mean_shift", "contrast_decrease")
    settings = _settings(types=types, types_per_photo=2, levels=(1, 5))
    table = synthesize.synthesize(photos, tmp_path / "out", settings, workers=1)
    rows = _rows(table)
    drawn = {
        group: {row["type"] for row in rows if row["group"] == group}
        for group in {row["group"] for row in rows}
    }
    assert all(len(kinds) == 2 for kinds in drawn.values())
    assert len(set(map(frozenset, drawn.values()))) > 1 or len(drawn) == 1


def test_what_is_left_out_changes_nothing_else(photos, tmp_path):
    types = ("jpeg", "gaussian_blur", "white_noise", "mean_shift", "contrast_decrease")
    changes = {"types": types, "types_per_photo": 3, "levels": (1, 5), "consensus": 0.5}
    tables = [
        synthesize.synthesize(
            photos, tmp_path / str(n), _settings(**changes, without=without), workers=1
        )
        for n, without in enumerate([(), ("jpeg", "white_noise")])
    ]
    all_rows, rows = (_rows(table) for table in tables)
    assert rows == [row for row in all_rows if row["type"] not in ("jpeg", "white_noise")]
    assert 0 < len(rows) < len(all_rows)


def test_what_is_left_out_need_not_be_known(photos, tmp_path):
    settings = _settings(types=("blocks", "jpeg"), without=("blocks",), like="tid2013")
    rows = _rows(synthesize.synthesize(photos, tmp_path / "out", settings, workers=1))
    assert {row["type"] for row in rows} == {"jpeg"}


def test_metric_labels_order_levels(photos, tmp_path):
    pytest.importorskip("gsn_jax.metrics", reason="the classical metrics are not installed")
    settings = _settings(types=("jpeg",), label="gmsd")
    rows = _rows(synthesize.synthesize(photos, tmp_path / "out", settings, workers=1))
    scores = [float(row["score"]) for row in rows[:3]]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.9


def _invoke(*arguments: str) -> Exception | None:
    return CliRunner().invoke(command, arguments).exception


def test_command_line_writes_the_table_and_prints_its_path(photos, tmp_path):
    out = tmp_path / "out"
    result = CliRunner().invoke(
        command,
        [
            *(str(photos), "--out", str(out), "--types", "jpeg", "--levels", "1,5"),
            *("--label", "level", "--size", "64", "--workers", "1"),
        ],
    )
    assert result.exit_code == 0, result.output
    assert str(out / "pairs.csv") in result.stdout
    assert len(_rows(out / "pairs.csv")) == 4


@pytest.mark.slow
def test_a_model_labels_the_images(photos, tmp_path):
    out = tmp_path / "out"
    arguments = [str(photos), "--out", str(out), "--types", "jpeg", "--levels", "1,5"]
    arguments += ["--label", "gsn", "--size", "64", "--workers", "1"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    for row in _rows(out / "pairs.csv"):
        expected = gsn_jax.score(out / row["reference"], out / row["distorted"], "gsn")
        assert float(row["score"]) == pytest.approx(float(expected), abs=1e-5)


def test_command_line_lists_the_distortions():
    result = CliRunner().invoke(command, ["--list"])
    assert result.exit_code == 0
    assert "chromatic_aberration" in result.stdout


def test_wrong_input_is_one_clear_line(photos, tmp_path):
    out = str(tmp_path / "out")
    (tmp_path / "empty").mkdir()
    cases = [
        ((str(tmp_path / "nowhere"), "--out", out), "no such folder"),
        ((str(tmp_path / "empty"), "--out", out), "no photographs ("),
        ((str(photos), "--out", out, "--types", "jpge"), "did you mean jpeg"),
        ((str(photos), "--out", out, "--types", ","), "at least one distortion"),
        ((str(photos), "--out", out, "--except", ","), "--except: name at least one"),
        ((str(photos), "--out", out, "--types", "jpeg", "--except", "jpeg"), "leave out fewer"),
        ((str(photos), "--out", out, "--label", "gsm"), "unknown metric 'gsm'"),
        ((str(photos), "--out", out, "--label", "psnr"), "values outside [0, 1]"),
        ((str(photos), "--out", out, "--levels", "0"), "whole numbers from 1 to 5"),
        ((str(photos), "--out", out, "--levels", "a"), "whole numbers from 1 to 5"),
        ((str(photos), "--out", str(photos), "--label", "level"), "choose another folder"),
        ((str(photos), "--out", out, "--like", "tid2013", "--types", "blocks"), "known only for"),
        ((str(photos), "--out", out, "--like", "tid2013", "--label", "level"), "leave out --label"),
    ]
    for arguments, message in cases:
        error = _invoke(*arguments)
        assert isinstance(error, InputError), (arguments, error)
        assert message in str(error)


def test_an_unreadable_or_tiny_photograph_is_named(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"broken\.png"):
        synthesize.synthesize(folder, tmp_path / "out", _settings(), workers=1)
    (folder / "broken.png").unlink()
    Image.new("RGB", (40, 80)).save(folder / "tiny.png")
    with pytest.raises(InputError, match=r"tiny\.png: 40 x 80 is too small"):
        synthesize.synthesize(folder, tmp_path / "out", _settings(), workers=1)


def test_its_own_images_are_no_photographs(photos, tmp_path):
    folder = shutil.copytree(photos, tmp_path / "photos")
    tables = [
        synthesize.synthesize(folder, folder / "out", _settings(), workers=1).read_text()
        for _ in range(2)
    ]
    assert tables[0] == tables[1]


def test_photographs_of_one_name_are_refused(tmp_path):
    Image.new("RGB", (80, 80)).save(tmp_path / "a.png")
    Image.new("RGB", (80, 80)).save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="same name"):
        synthesize.find_photos(tmp_path)


def test_other_settings_do_not_mix_into_a_folder(photos, tmp_path):
    synthesize.synthesize(photos, tmp_path / "out", _settings(levels=(1,)), workers=1)
    with pytest.raises(InputError, match="started with other settings"):
        synthesize.synthesize(photos, tmp_path / "out", _settings(levels=(2,)), workers=1)
