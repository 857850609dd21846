"""`gsn score` with protocols, masks, tiles and alignment; what they compute is tested elsewhere."""

import dataclasses
import functools
import json
import os
from pathlib import Path

import command_line
import jax
import numpy as np
import pytest
from command_line import rows_of
from PIL import Image

import gsn_jax
from gsn_jax import metrics
from gsn_jax.errors import InputError
from gsn_jax.images import load_image
from gsn_jax.metrics import displays
from gsn_jax.scoring import provenance
from gsn_jax.scoring.many_pairs import score_pairs, score_unordered
from gsn_jax.scoring.pairs import pairs_of_files
from gsn_jax.scoring.protocol import Protocol


@pytest.fixture
def folder(tmp_path, photo, monkeypatch):
    """A reference, a noisy and a shifted version of it, and masks; the current folder."""
    rng = np.random.default_rng(3)
    noisy = np.clip(photo + rng.normal(scale=20, size=photo.shape), 0, 255).astype(np.uint8)
    images = {"r": photo[4:-4, 4:-4], "noisy": noisy[4:-4, 4:-4], "moved": photo[2:-6, 7:-1]}
    mask = np.zeros((120, 152), np.uint8)
    mask[10:60, 20:140] = 255
    corner = np.zeros_like(mask)
    corner[:5, :5] = 255
    images |= {"m": mask, "empty": 0 * mask, "small": mask[1:], "white": 0 * mask + 255}
    images |= {"corner": corner}
    for name, image in images.items():
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


run = functools.partial(command_line.run, "score")


def test_a_protocol_is_computed_and_said(folder):
    arguments = ["r.png", "noisy.png", "--metric", "psnr,ssim"]
    out, err, code = run(*arguments, "--protocol", "sr-x4")
    assert (code, err) == (0, "gsn: scored with luma studio, crop border 4\n")
    same, _, _ = run(*arguments, "--luma", "studio", "--crop-border", 4)
    assert same == out
    row = rows_of(out)[0]
    for name in ("psnr", "ssim"):
        want = float(gsn_jax.score("r.png", "noisy.png", name, protocol="sr-x4"))
        assert float(row[name]) == pytest.approx(want, abs=1e-6)


def test_every_table_says_how_it_was_made(folder):
    expected = {
        "luma": "studio",
        "crop_border": 4,
        "hdr": None,
        "peak_nits": None,
        "display": None,
        "resize": None,
        "alpha": "refuse",
        "align": "integer",
    }
    options = "--metric", "psnr", "--protocol", "sr-x4", "--align", "integer"
    for suffix in ("csv", "jsonl", "parquet"):
        assert run("r.png", "noisy.png", *options, "--out", f"s.{suffix}")[2] == 0
        if suffix == "csv":
            found = json.loads((folder / "s.csv.json").read_text())["protocol"]
        elif suffix == "jsonl":
            found = json.loads((folder / "s.jsonl").read_text())["protocol"]
        else:
            schema = pytest.importorskip("pyarrow.parquet").read_schema(folder / "s.parquet")
            found = json.loads(schema.metadata[b"gsn_jax_protocol"])
        assert found == expected
        assert run("r.png", "noisy.png", *options, "--out", f"s.{suffix}")[2] == 0  # replaced


@pytest.mark.slow
@pytest.mark.parametrize("source", ["file", "folder", "column"])
def test_masks_from_a_file_a_folder_and_a_table(folder, source):
    (folder / "masks").mkdir()
    (folder / "t.csv").write_text("reference,distorted,mask\nr.png,noisy.png,m.png\n")
    Image.open("m.png").save("masks/noisy.png")
    pair = ["--pairs", "t.csv"] if source == "column" else ["r.png", "noisy.png"]
    options = {"file": ["--mask", "m.png"], "folder": ["--mask", "masks"], "column": []}[source]
    out, err, code = run(*pair, "--metric", "gsn,psnr", *options)
    assert (code, err) == (0, "")
    row = rows_of(out)[0]
    assert row["mask"] == {"folder": os.path.join("masks", "noisy.png")}.get(source, "m.png")
    for name in ("gsn", "psnr"):
        want = float(gsn_jax.score("r.png", "noisy.png", name, mask="m.png"))
        assert float(row[name]) == pytest.approx(want, abs=1e-6)


@pytest.mark.slow
def test_a_row_without_a_mask_is_scored_whole(folder):
    table = "reference,distorted,mask\nr.png,noisy.png,\nr.png,noisy.png,white.png\n"
    (folder / "t.csv").write_text(table + "r.png,noisy.png,m.png\n")
    rows = rows_of(run("--pairs", "t.csv", "--metric", "gsn,gmsd")[0])
    plain = rows_of(run("r.png", "noisy.png", "--metric", "gsn,gmsd")[0])[0]
    for name in ("gsn", "gmsd"):
        assert rows[0][name] == rows[1][name] == plain[name] != rows[2][name]


def test_tiles_are_rows(folder):
    options = "--metric", "psnr,ssim", "--tiles", "2x3"
    out, err, code = run("r.png", "noisy.png", *options)
    assert (code, err) == (0, "")
    rows = rows_of(out)
    assert list(rows[0]) == ["reference", "distorted", "row", "column", "psnr", "ssim", "error"]
    numbers = [(row["row"], row["column"]) for row in rows]
    assert numbers == [("", ""), *((str(i), str(j)) for i in (1, 2) for j in (1, 2, 3))]
    left = np.zeros((120, 152))
    left[60:, 101:] = 1
    want = float(gsn_jax.score("r.png", "noisy.png", "psnr", mask=left))
    assert float(rows[-1]["psnr"]) == pytest.approx(want, abs=1e-5)
    run("r.png", "noisy.png", *options, "--out", "s.parquet")
    table = pytest.importorskip("pyarrow.parquet").read_table(folder / "s.parquet")
    assert table["column"].to_pylist() == [None, 1, 2, 3, 1, 2, 3]


def test_more_tiles_than_pixels_are_one_row(folder):
    out, _, code = run("r.png", "noisy.png", "--metric", "psnr,ssim", "--tiles", "1000x1000")
    (row,) = rows_of(out)
    assert code == 2
    assert row["error"].startswith("psnr: noisy.png: 152 x 120 is too small for 1000 x 1000 tiles")
    (whole,) = rows_of(run("r.png", "noisy.png", "--metric", "psnr")[0])
    assert (row["row"], row["psnr"]) == ("", whole["psnr"])


def test_a_shift_is_undone_and_reported(folder):
    out, err, code = run("r.png", "moved.png", "--metric", "gsn,psnr", "--align", "integer")
    assert (code, err) == (0, "gsn: scored with align integer\n")
    row = rows_of(out)[0]
    assert (row["gsn"], row["psnr"]) == ("1.000000", "inf")
    assert (float(row["shift_x"]), float(row["shift_y"])) == (-3, 2)


def test_a_pair_that_looks_shifted_is_named(folder):
    _, err, code = run("r.png", "noisy.png", "moved.png", "--metric", "psnr")
    assert code == 0
    assert err == (
        "gsn: moved.png looks shifted by 3 px left and 2 px down; --align integer undoes this\n"
    )
    _, err, _ = run("r.png", "moved.png", "moved.png", "--metric", "psnr")
    assert "gsn: 2 images look shifted; the first, moved.png, by 3 px left" in err


ALIKE = {
    "plain": [],
    "aligned": ["--align", "integer"],
    "resized": ["--resize", "to-reference"],
    "protocol": ["--protocol", "sr-x4"],
}


@pytest.mark.slow
@pytest.mark.parametrize("case", ALIKE)
def test_batches_prepare_pairs_alike(folder, case):
    Image.open("noisy.png").resize((100, 90)).save("smaller.png")
    arguments = "r.png", "noisy.png", "moved.png", "smaller.png", "--metric", "gsn,psnr"
    one_by_one, *said = run(*arguments, *ALIKE[case])
    batched, *said_of_batches = run(*arguments, *ALIKE[case], "--batch-size", 2)
    assert said_of_batches == said
    rows = rows_of(one_by_one)
    found = rows_of(batched)
    assert [row["distorted"] for row in found] == ["noisy.png", "moved.png", "smaller.png"]
    for row, other in zip(rows, found, strict=True):
        assert other.keys() == row.keys()
        assert other["error"] == row["error"]
        for name in {"gsn", "psnr", "shift_x", "shift_y"} & row.keys():
            got, want = other[name], row[name]
            assert got == want or float(got) == pytest.approx(float(want), rel=1e-5, abs=1e-5)


def test_pairs_with_masks_and_tiles_are_scored_one_by_one(folder):
    """As on an accelerator, where batches are the default, which a batch size does here."""
    pairs = pairs_of_files("r.png", ["noisy.png", "moved.png"])
    pairs.insert(1, dataclasses.replace(pairs[0], mask="m.png", mask_file=Path("m.png")))
    chosen = [metrics.get("psnr")]
    first = list(score_pairs(pairs, chosen))
    for item, other in zip(score_pairs(pairs, chosen, batch_size=2), first, strict=True):
        assert item.pair == other.pair
        assert item.scores["psnr"] == pytest.approx(other.scores["psnr"], rel=1e-5)
    assert first[0].scores["psnr"] != pytest.approx(first[1].scores["psnr"], rel=1e-3)
    tiled = list(score_pairs(pairs[2:], chosen, tiles=(2, 2), batch_size=2))
    assert tiled == list(score_pairs(pairs[2:], chosen, tiles=(2, 2)))
    assert len(tiled[0].tiles) == 4


def test_references_of_one_size_and_different_positions_are_not_confused(folder, photo):
    """Both pairs lose as many rows and columns, but not the same ones; features are kept."""
    Image.fromarray(photo[6:-2, 1:-7]).save("other.png")
    rows = rows_of(run("r.png", "moved.png", "other.png", "--align", "integer")[0])
    assert [row["gsn"] for row in rows] == ["1.000000", "1.000000"]
    assert [row["shift_x"] for row in rows] == ["-3.000000", "3.000000"]


OTHER_RUNS = {
    "protocol": (["--luma", "full"], None),
    "align": (["--align", "integer"], None),
    "tiles": (["--tiles", "2x2"], None),
    "another_mask": (["--mask", "white.png"], None),
    "no_mask": ([], None),
    "changed_mask": (["--mask", "m.png"], lambda: os.utime("m.png", ns=(1, 1))),
    "same": (["--mask", "m.png"], None),
}


@pytest.mark.parametrize("case", OTHER_RUNS)
def test_a_resumed_run_takes_over_only_scores_of_the_same_kind(folder, monkeypatch, case):
    options, change = OTHER_RUNS[case]
    arguments = ["r.png", "noisy.png", "moved.png", "--metric", "psnr", "--out", "s.csv"]

    def interrupted(*inputs, **settings):
        yield next(score_unordered(*inputs, **settings))
        raise InputError("stop")

    with monkeypatch.context() as patch:
        patch.setattr("gsn_jax.cli.score_sources.score_unordered", interrupted)
        assert run(*arguments, "--mask", "m.png")[1] == "gsn: stop\n"
    if change is not None:
        change()
    _, err, code = run(*arguments, *options)
    assert code == 0
    assert ("1 of 2 pairs were already scored" in err) == (case == "same")
    assert not (folder / ".s.csv.partial").exists()
    again = rows_of(run("r.png", "noisy.png", "moved.png", "--metric", "psnr", *options)[0])
    found = rows_of((folder / "s.csv").read_text())
    # A size that has become frequent has a program of its own.
    scores = [[float(row["psnr"]) for row in rows] for rows in (found, again)]
    np.testing.assert_allclose(*scores, rtol=1e-6)


def test_tiles_and_shifts_are_kept_by_an_interrupted_run(folder, monkeypatch):
    arguments = ["r.png", "noisy.png", "moved.png", "--metric", "psnr", "--out", "s.csv"]
    arguments += ["--tiles", "2x1", "--align", "subpixel"]
    assert run(*arguments)[2] == 0
    whole = (folder / "s.csv").read_text()

    def interrupted(*inputs, **settings):
        yield next(score_unordered(*inputs, **settings))
        raise InputError("stop")

    with monkeypatch.context() as patch:
        patch.setattr("gsn_jax.cli.score_sources.score_unordered", interrupted)
        run(*arguments)
    assert "1 of 2 pairs were already scored" in run(*arguments)[1]
    before, after = (rows_of(text) for text in (whole, (folder / "s.csv").read_text()))
    assert len(before) == len(after) == 6  # two images, each whole and in two tiles
    for first, second in zip(before, after, strict=True):
        assert first.keys() == second.keys()
        for name in first:
            if "psnr" in name:  # a size that has become frequent has a program of its own
                assert float(second[name]) == pytest.approx(float(first[name]), rel=1e-6)
            else:
                assert second[name] == first[name]


def test_maps_lie_where_the_protocol_and_the_alignment_leave_the_image(folder):
    options = "--metric", "psnr", "--luma", "full", "--crop-border", 3, "--align", "integer"
    assert run("r.png", "moved.png", *options, "--maps", "maps")[2] == 0
    assert (folder / "maps" / "moved.psnr.map.png").exists()


def test_a_display_from_a_file(folder):
    """Scores are those of the display, and tables and later runs know it."""
    for name in ("r", "noisy"):
        Image.open(f"{name}.png").crop((0, 0, 24, 20)).save(f"{name}.png")
    entry = {"resolution": [1920, 1080], "diagonal_size_inches": 24, "max_luminance": 100}
    entry |= {"viewing_distance_meters": 0.6, "contrast": 1000}
    (folder / "d.json").write_text(json.dumps(entry))
    options = "--metric", "cvvdp,psnr", "--display", "d.json", "--out", "s.csv"
    assert run("r.png", "noisy.png", *options)[2] == 0
    (row,) = rows_of((folder / "s.csv").read_text())
    display = displays.read("d.json")
    pair = (load_image(f"{name}.png").astype(np.float32) / 255 for name in ("r", "noisy"))
    want = jax.jit(functools.partial(metrics.cvvdp, display=display))(*pair)
    assert float(row["cvvdp"]) == pytest.approx(float(want), abs=1e-5)
    assert float(want) != pytest.approx(
        float(gsn_jax.score("r.png", "noisy.png", "cvvdp")), abs=0.1
    )
    said = json.loads((folder / "s.csv.json").read_text())["protocol"]
    assert said["display"] == str(display)
    assert provenance.protocol_text(Protocol(display=display).of(metrics.get("psnr"))) == ""


BAD = {
    "display_of_no_metric": (["--display", "standard_4k"], "--display: no metric uses it"),
    "unknown_display": (
        ["--display", "sdr_phone", "--metric", "cvvdp"],
        "unknown display 'sdr_phone'; known: standard_4k",
    ),
    "no_display_file": (
        ["--display", "none.json", "--metric", "cvvdp"],
        "none.json: cannot be read as JSON",
    ),
    "empty_mask": (["--mask", "empty.png"], "empty.png: the mask is empty"),
    "mask_of_another_size": (["--mask", "small.png"], "small.png: size 152 x 119 differs from"),
    "mask_in_colour": (["--mask", "r.png"], "r.png: a mask must be gray"),
    "no_mask": (["--mask", "none.png"], "none.png: no such file"),
    "no_image_as_mask": (["--mask", "text.png"], "text.png: not an image"),
    "folder_without_masks": (["--mask", "nothing"], "nothing: no mask for 1 of 1 pairs"),
    "no_map": (
        ["--mask", "m.png", "--metric", "ms_ssim,psnr"],
        "ms_ssim: cannot be used with masks or tiles",
    ),
    "no_tiles": (["--tiles", "2x2", "--metric", "vif"], "vif: cannot be used with masks or tiles"),
    "tiles_in_words": (["--tiles", "four"], "--tiles four: give ROWSxCOLUMNS, as in 4x4"),
    "no_tile": (["--tiles", "0x4"], "give ROWSxCOLUMNS"),
    "too_many_tiles": (["--tiles", "200x1"], "is too small for 200 x 1 tiles"),
    "mask_and_tiles": (["--mask", "m.png", "--tiles", "2x2"], "--tiles: not with masks"),
    "mask_in_batches": (
        ["--mask", "m.png", "--batch-size", "2"],
        "--batch-size: not with masks or tiles",
    ),
    "tiles_in_batches": (
        ["--tiles", "2x2", "--batch-size", "2"],
        "--batch-size: not with masks or tiles",
    ),
    "unknown_protocol": (["--protocol", "sr-x9"], "unknown protocol 'sr-x9'; known: sr-x2"),
    "protocol_twice": (["--protocol", "sr-x4", "--luma", "full"], "sets --luma and --crop-border"),
    "nothing_is_left": (["--crop-border", "60"], "152 x 120 is too small to remove 60 pixels"),
    "mask_outside": (["--crop-border", "8", "--mask", "corner.png"], "the mask is empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_one_line(folder, case):
    (folder / "text.png").write_text("no image")
    (folder / "nothing").mkdir()
    options, message = BAD[case]
    if "--metric" not in options:
        options = [*options, "--metric", "psnr"]
    _, err, code = run("r.png", "noisy.png", *options)
    assert code == 2
    assert err.splitlines()[-1].startswith("gsn: ")
    assert message in err
    assert len([line for line in err.splitlines() if "scored with" not in line]) == 1


def test_bad_masks_of_a_table_do_not_stop_the_others(folder):
    rows = "".join(f"r.png,noisy.png,{m}\n" for m in ("empty.png", "../m.png", "m.png"))
    (folder / "t.csv").write_text("reference,distorted,mask\n" + rows)
    out, _, code = run("--pairs", "t.csv", "--metric", "psnr")
    errors = [row["error"] for row in rows_of(out)]
    assert code == 2
    assert "empty.png: the mask is empty" in errors[0]
    assert "../m.png lies outside the table's folder" in errors[1]
    assert errors[2] == ""
    batched = run("--pairs", "t.csv", "--metric", "psnr", "--batch-size", 2)
    assert batched[2] == 2
    assert batched[1].startswith("gsn: --batch-size: not with masks or tiles")
    both = run("--pairs", "t.csv", "--metric", "psnr", "--mask", "m.png")
    assert both[1:] == (
        "gsn: --mask m.png: the table has a column mask too; remove one of them\n",
        2,
    )


@pytest.mark.parametrize(
    "options",
    [["--mask", "m.png"], ["--tiles", "2x2"], ["--align", "integer"], ["--overwrite"]],
)
def test_a_pipeline_does_not_take_parts(folder, options):
    (folder / "t.csv").write_text("reference,distorted\nr.png,noisy.png\n")
    _, err, code = run("--pairs", "t.csv", "--runner", "beam", "--out", "o", *options)
    assert (code, err) == (
        2,
        f"gsn: {options[0]}: not with --runner beam; leave one of them out\n",
    )
