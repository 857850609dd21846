"""Every builder on a small data set in the authors' layout, made here."""

import csv
import io
import shutil
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import scipy.io
from PIL import Image

import data_pipelines
from data_pipelines import catalogue
from data_pipelines.builders import inputs as inputs_module
from data_pipelines.builders.csiq import Csiq
from data_pipelines.builders.inputs import Inputs
from data_pipelines.builders.kadid10k import Kadid10k
from data_pipelines.builders.live_iqa import LiveIqa
from data_pipelines.builders.pipal import Pipal
from data_pipelines.builders.tid2013 import Tid2013
from gsn_jax.errors import InputError

HEIGHT, WIDTH = 6, 8


def picture(name, height=HEIGHT, width=WIDTH):
    """An image that only this name has."""
    seed = list(name.lower().encode())
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def save(folder, name, key=None):
    """Writes the picture of `key` (by default of the name) in the format of the name."""
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(key or path.name)).save(path)


def make_tid2013(folder, monkeypatch):
    monkeypatch.setattr(Tid2013, "NUM_REFERENCES", 2)
    monkeypatch.setattr(Tid2013, "NUM_PAIRS", 6)
    save(folder, "reference_images/I01.BMP")
    save(folder, "reference_images/i25.bmp")
    rows = [
        ("5.51429", "i01_01_1.bmp", "0.13013"),
        ("0", "i01_24_5.bmp", "0.2"),
        ("9", "i01_08_3.bmp", "0.3"),
        ("4.5", "I25_10_2.BMP", "0.4"),
        ("2.25", "i25_17_4.bmp", "0.5"),
        ("6.75", "i25_22_1.bmp", "0.6"),
    ]
    for _, name, _ in rows:
        save(folder, f"distorted_images/{name.upper() if '24' in name else name}")
    Path(folder, "mos_with_names.txt").write_text("".join(f"{s} {n}\r\n" for s, n, _ in rows))
    Path(folder, "mos_std.txt").write_text("".join(f"{d}\r\n" for _, _, d in rows))
    return [
        ("i01.bmp", "i01_01_1.bmp", 5.51429, 0.13013, 5.51429 / 9, "i01", "white_noise", 1),
        ("i01.bmp", "i01_24_5.bmp", 0, 0.2, 0, "i01", "sparse_sampling", 5),
        ("i01.bmp", "i01_08_3.bmp", 9, 0.3, 1, "i01", "gaussian_blur", 3),
        ("i25.bmp", "i25_10_2.bmp", 4.5, 0.4, 0.5, "i25", "jpeg", 2),
        ("i25.bmp", "i25_17_4.bmp", 2.25, 0.5, 0.25, "i25", "contrast", 4),
        ("i25.bmp", "i25_22_1.bmp", 6.75, 0.6, 0.75, "i25", "colour_quantisation_dither", 1),
    ]


def make_kadid10k(folder, monkeypatch):
    monkeypatch.setattr(Kadid10k, "NUM_REFERENCES", 2)
    monkeypatch.setattr(Kadid10k, "NUM_PAIRS", 3)
    rows = [
        ("I01_01_01.png", "I01.png", "4.57", "0.25"),
        ("I01_25_05.png", "I01.png", "1", "0"),
        ("I81_10_03.png", "I81.png", "5", "1.44"),
    ]
    for distorted, reference, _, _ in rows:
        save(folder, f"kadid10k/images/{distorted}")
        save(folder, f"kadid10k/images/{reference}")
    with open(Path(folder, "kadid10k", "dmos.csv"), "w", newline="") as file:
        csv.writer(file).writerows([("dist_img", "ref_img", "dmos", "var"), *rows])
    return [
        ("I01.png", "I01_01_01.png", 4.57, 0.5, 3.57 / 4, "i01", "gaussian_blur", 1),
        ("I01.png", "I01_25_05.png", 1, 0, 0, "i01", "contrast", 5),
        ("I81.png", "I81_10_03.png", 5, 1.2, 1, "i81", "jpeg", 3),
    ]


def make_csiq(folder, monkeypatch):
    monkeypatch.setattr(Csiq, "NUM_REFERENCES", 2)
    monkeypatch.setattr(Csiq, "NUM_PAIRS", 6)
    rows = [
        (1600, 1, "noise", 1, 0.06, 0.25, "AWGN/1600.AWGN.1.png", "white_noise"),
        (1600, 2, "jpeg", 5, 0.01, 1, "JPEG/1600.JPEG.5.png", "jpeg"),
        (1600, 3, "jpeg 2000", 2, 0.02, 0, "jpeg2000/1600.jpeg2000.2.png", "jpeg2000"),
        ("woman", 4, "fnoise", 3, 0.03, 0.5, "fnoise/woman.fnoise.3.png", "pink_noise"),
        ("woman", 5, "blur", 4, 0.04, 0.75, "blur/woman.BLUR.4.png", "gaussian_blur"),
        ("woman", 6, "contrast", 1, 0.05, 0.125, "contrast/woman.contrast.1.png", "contrast"),
    ]
    for name in ("1600", "woman"):
        save(folder, f"src_imgs/{name}.png")
    for row in rows:
        save(folder, f"dst_imgs/{row[6]}")
    book = openpyxl.Workbook()
    book.active.title = "realign"
    sheet = book.create_sheet("all_by_image")
    for column, name in enumerate(("image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos")):
        sheet.cell(4, 4 + column, name)
        for line, row in enumerate(rows):
            sheet.cell(5 + line, 4 + column, row[column])
    book.save(Path(folder, "csiq.DMOS.xlsx"))
    return [
        (f"{r[0]}.png", r[6].split("/")[1].lower(), r[5], r[4], 1 - r[5], str(r[0]), r[7], r[3])
        for r in rows
    ]


def make_live_iqa(folder, monkeypatch):
    monkeypatch.setattr(LiveIqa, "NUM_REFERENCES", 2)
    monkeypatch.setattr(LiveIqa, "NUM_PAIRS", 5)
    counts = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
    places = [(name, i + 1) for name, count in counts.items() for i in range(count)]
    kept = {
        ("jp2k", 2): ("bikes", 15.5, 1.6, "jpeg2000"),
        ("jpeg", 1): ("caps", -2.5, 2, "jpeg"),
        ("wn", 174): ("caps", 112, 3, "white_noise"),
        ("gblur", 7): ("bikes", 54.5, 4, "gaussian_blur"),
        ("fastfading", 174): ("caps", 83.25, 5, "fast_fading"),
    }
    names = np.empty((1, 982), object)
    scores, deviations = np.zeros((1, 982)), np.zeros((1, 982))
    originals = np.ones((1, 982), np.uint8)
    for row, place in enumerate(places):
        reference, score, deviation, _ = kept.get(place, ("bikes", 0, 0, ""))
        names[0, row] = f"{reference}.bmp"
        scores[0, row], deviations[0, row] = score, deviation
        originals[0, row] = place not in kept
    release = Path(folder, "databaserelease2")
    release.mkdir()
    scipy.io.savemat(release / "refnames_all.mat", {"refnames_all": names})
    scipy.io.savemat(
        Path(folder, "dmos_realigned.mat"),
        {"dmos_new": scores, "dmos_std": deviations, "orgs": originals},
    )
    for name in ("bikes", "caps"):
        save(release, f"refimgs/{name}.bmp")
    for kind, number in kept:
        save(release, f"{kind}/img{number}.bmp", key=f"{kind}/img{number}.bmp")
    return [
        (f"{r}.bmp", f"{k}/img{n}.bmp", s, d, 1 - (s + 3) / 115, r, t, 0)
        for (k, n), (r, s, d, t) in kept.items()
    ]


def make_pipal(folder, monkeypatch):
    monkeypatch.setattr(Pipal, "NUM_REFERENCES", 2)
    monkeypatch.setattr(Pipal, "NUM_PAIRS", 4)
    labels = {
        "A0001": [("A0001_00_00.bmp", "1520.0648"), ("A0001_06_26.bmp", "900")],
        "A0200": [("A0200_03_11.bmp", "1850"), ("A0200_05_02.bmp", "1375")],
    }
    Path(folder, "Train_Label").mkdir()
    for reference, rows in labels.items():
        save(folder, f"Train_Ref/{reference}.bmp")
        Path(folder, "Train_Label", f"{reference}.txt").write_text(
            "".join(f"{name},{score}\n" for name, score in rows)
        )
        for number, (name, _) in enumerate(rows, start=1):
            save(folder, f"Distortion_{number}/{name}")
    nan = float("nan")
    return [
        ("A0001.bmp", "A0001_00_00.bmp", 1520.0648, nan, 620.0648 / 950, "A0001", "00", 0),
        ("A0001.bmp", "A0001_06_26.bmp", 900, nan, 0, "A0001", "06", 26),
        ("A0200.bmp", "A0200_03_11.bmp", 1850, nan, 1, "A0200", "03", 11),
        ("A0200.bmp", "A0200_05_02.bmp", 1375, nan, 0.5, "A0200", "05", 2),
    ]


def make_iqa_table(folder, monkeypatch):
    del monkeypatch
    for name in ("a.png", "sub/b.webp", "c.bmp"):
        save(folder, name)
    Path(folder, "scores.csv").write_text(
        "reference,distorted,score,type,level,group\na.png,c.bmp,0.25,blur,2,scene\n"
        "a.png,a.png,1,,,scene\n"
    )
    nan = float("nan")
    return [
        ("a.png", "c.bmp", 0.25, nan, 0.25, "scene", "blur", 2),
        ("a.png", "a.png", 1, nan, 1, "scene", "", 0),
    ]


MAKERS = {
    "tid2013": make_tid2013,
    "kadid10k": make_kadid10k,
    "csiq": make_csiq,
    "live_iqa": make_live_iqa,
    "pipal": make_pipal,
    "iqa_table": make_iqa_table,
}


@pytest.fixture(params=MAKERS)
def shipped(request, tmp_path, monkeypatch):
    """Name, folder in the authors' layout, and the pairs expected of it."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    return request.param, folder, MAKERS[request.param](folder, monkeypatch)


@pytest.fixture
def tid2013(tmp_path, monkeypatch):
    folder = tmp_path / "downloads"
    folder.mkdir()
    make_tid2013(folder, monkeypatch)
    return folder


def check(source, expected):
    assert len(source) == len(expected)
    for i, (reference, distorted, score, deviation, quality, content, kind, level) in enumerate(
        expected
    ):
        pair = source[i]
        np.testing.assert_array_equal(pair["reference"], picture(reference))
        np.testing.assert_array_equal(pair["distorted"], picture(distorted))
        assert pair["score"] == score
        np.testing.assert_allclose(pair["score_std"], deviation, rtol=1e-12)
        np.testing.assert_allclose(pair["quality"], quality, atol=1e-7)
        assert pair["reference_id"] == content == source.reference_ids[i]
        assert (pair["distortion_type"], pair["distortion_level"]) == (kind, level)
        assert source.image_size(i) == (HEIGHT, WIDTH)


def left_behind(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def test_folder_is_built_and_read(shipped, tmp_path):
    name, folder, expected = shipped
    stages = []
    catalogue.prepare(name, folder, tmp_path / "data", progress=lambda *args: stages.append(args))
    check(data_pipelines.load(name, data_dir=tmp_path / "data"), expected)
    check(data_pipelines.load(name, "all", tmp_path / "data"), expected)
    references = len({row[0] for row in expected})
    assert stages[-1] == ("images", references + len(expected), references + len(expected))
    assert len(catalogue.builder(name, tmp_path / "data").records("references")) == references
    assert "tensorflow" not in sys.modules


def test_upper_case_names_are_found(shipped, tmp_path):
    name, folder, expected = shipped
    if name == "iqa_table":
        pytest.skip("a table names its files exactly")
    for path in sorted(folder.rglob("*"), key=lambda path: -len(path.parts)):
        path.rename(path.with_name(path.name.swapcase()))
    catalogue.prepare(name, folder, tmp_path / "data")
    found = data_pipelines.load(name, data_dir=tmp_path / "data")
    check(found, expected)


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz"])
def test_archives_are_unpacked(tid2013, tmp_path, ending, monkeypatch):
    packed = tmp_path / "packed"
    packed.mkdir()
    form = {"zip": "zip", "tar": "tar", "tar.gz": "gztar"}[ending]
    shutil.make_archive(packed / "TID2013", form, tid2013)
    expected = make_tid2013(tid2013, monkeypatch)
    (packed / "holiday.zip").write_bytes(b"none of our business")
    for number, given in enumerate((packed, packed / f"TID2013.{ending}")):
        data = tmp_path / f"data{number}"
        catalogue.prepare("tid2013", given, data)
        check(data_pipelines.load("tid2013", data_dir=data), expected)
        assert not [name for name in left_behind(data) if "unpacked" in name]


def test_csiq_in_two_archives_and_a_table(tmp_path, monkeypatch):
    folder, packed = tmp_path / "downloads", tmp_path / "packed"
    folder.mkdir()
    packed.mkdir()
    expected = make_csiq(folder, monkeypatch)
    for name in ("src_imgs", "dst_imgs"):
        shutil.make_archive(packed / name, "zip", folder, name)
    shutil.copy(folder / "csiq.DMOS.xlsx", packed / "CSIQ.beta.xlsx")
    catalogue.prepare("csiq", packed, tmp_path / "data")
    check(data_pipelines.load("csiq", data_dir=tmp_path / "data"), expected)


def test_everything_wrong_is_listed_in_one_error_and_nothing_is_left(tid2013, tmp_path):
    (tid2013 / "reference_images" / "i25.bmp").write_bytes(b"BM broken")
    (tid2013 / "distorted_images" / "i01_01_1.bmp").unlink()
    Image.new("RGB", (3, 5)).save(tid2013 / "distorted_images" / "i01_08_3.bmp")
    table = tid2013 / "mos_with_names.txt"
    table.write_text(table.read_text().replace("6.75", "high").replace("2.25", "12.25"))
    with pytest.raises(InputError) as caught:
        catalogue.prepare("tid2013", tid2013, tmp_path / "data")
    message = str(caught.value)
    for words in (
        "6 problems:",
        "5 pairs instead of 6",
        "mos_with_names.txt, line 6: 'high i25_22_1.bmp' is not 'MOS iRR_TT_L.bmp'",
        "i25_17_4.bmp: score 12.25 is not in [0, 9]",
        "i25.bmp: not an image",
        "i01_01_1.bmp is missing",
        "i01_08_3.bmp: size 3 x 5 differs from 8 x 6 of its reference",
    ):
        assert words in message
    assert "\n" not in message
    assert left_behind(tmp_path / "data") == []
    with pytest.raises(InputError, match="not prepared"):
        data_pipelines.load("tid2013", data_dir=tmp_path / "data")


def test_first_ten_problems_and_a_count(tid2013, tmp_path):
    shutil.rmtree(tid2013 / "distorted_images")
    shutil.rmtree(tid2013 / "reference_images")
    table = tid2013 / "mos_with_names.txt"
    table.write_text(table.read_text() + "x\n" * 5)
    with pytest.raises(InputError) as caught:
        catalogue.prepare("tid2013", tid2013, tmp_path / "data")
    assert "14 problems:" in str(caught.value)  # 5 lines, mos_std.txt, 2 references, 6 pairs
    assert str(caught.value).endswith("; and 4 more")


def test_an_interrupted_build_leaves_nothing(tid2013, tmp_path):
    def interrupt(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        catalogue.prepare("tid2013", tid2013, tmp_path / "data", progress=interrupt)
    assert left_behind(tmp_path / "data") == []


def test_a_score_that_is_missing(tmp_path, monkeypatch):
    for name, table, old, new, words in (
        ("kadid10k", "kadid10k/dmos.csv", "4.57", "", "dmos.csv, line 2"),
        ("pipal", "Train_Label/A0001.txt", ",900", "", "A0001.txt, line 2"),
        ("iqa_table", "scores.csv", "0.25", "", "scores.csv, line 2: score ''"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        MAKERS[name](folder, monkeypatch)
        path = folder / table
        path.write_text(path.read_text().replace(old, new))
        with pytest.raises(InputError, match=words):
            catalogue.prepare(name, folder, tmp_path / "data")


def test_a_table_that_is_missing_or_another_s(shipped, tmp_path):
    name, folder, _ = shipped
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"download|ask for|put the images"):
        catalogue.prepare(name, empty, tmp_path / "data")
    with pytest.raises(InputError, match="no such folder"):
        catalogue.prepare(name, tmp_path / "none", tmp_path / "data")
    for table in ("csiq.DMOS.xlsx", "dmos_realigned.mat"):
        if (folder / table).exists():
            (folder / table).write_bytes(b"something else")
            with pytest.raises(InputError, match=f"{table}: .*download"):
                catalogue.prepare(name, folder, tmp_path / "data")


def test_rar_archives_are_named(tmp_path):
    (tmp_path / "tid2013.rar").write_bytes(b"Rar!")
    with pytest.raises(InputError, match=r"unpack tid2013\.rar first"):
        catalogue.prepare("tid2013", tmp_path, tmp_path / "data")


@pytest.mark.parametrize("member", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt"])
@pytest.mark.parametrize("ending", ["zip", "tar"])
def test_archives_that_would_write_elsewhere_are_refused(tmp_path, member, ending):
    archive = tmp_path / f"tid2013.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(member, "x")
    else:
        with tarfile.open(archive, "w") as file:
            file.addfile(tarfile.TarInfo(member), io.BytesIO())
    (tmp_path / "out").mkdir()
    if ending == "tar" and member.startswith("/"):  # tarfile strips the leading slash
        inputs_module.unpack(archive, tmp_path / "out", lambda *args: None)
        assert (tmp_path / "out" / "tmp" / "evil.txt").exists()
        return
    with pytest.raises(InputError, match="refused to unpack"):
        inputs_module.unpack(archive, tmp_path / "out", lambda *args: None)
    assert not list(tmp_path.rglob("evil.txt"))


@pytest.mark.parametrize("ending", ["zip", "tar"])
def test_damaged_archives(tmp_path, ending):
    (tmp_path / f"tid2013.{ending}").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match="damaged archive"):
        catalogue.prepare("tid2013", tmp_path, tmp_path / "data")


def test_what_a_mac_adds_is_not_read(tmp_path):
    for name in ("__MACOSX/images/x.png", "images/._x.png", "images/y.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with Inputs(tmp_path, (), tmp_path, lambda *args: None) as found:
        assert found.find("images/x.png") is None
        assert found.find("._x.png") is None
        assert found.find("Images/Y.PNG") == tmp_path / "images" / "y.png"


def test_a_prepared_set_is_not_built_again(tid2013, tmp_path):
    catalogue.prepare("tid2013", tid2013, tmp_path / "data")
    shutil.rmtree(tid2013)
    assert catalogue.prepare("tid2013", tid2013, tmp_path / "data").is_prepared()


def test_score_range_of_a_table(tmp_path):
    save(tmp_path, "a.png")
    (tmp_path / "pairs.csv").write_text("reference,distorted,score\na.png,a.png,30\n")
    (tmp_path / "other.csv").write_text("")
    with pytest.raises(InputError, match=r"line 2: score 30 lies outside"):
        catalogue.prepare("iqa_table", tmp_path, tmp_path / "data")
    catalogue.prepare(
        "iqa_table", tmp_path, tmp_path / "data", score_range=(0, 40), higher_is_better=False
    )
    assert data_pipelines.load("iqa_table", data_dir=tmp_path / "data").quality == [0.25]


@pytest.mark.parametrize("split", ["references", "all", "Test", ""])
def test_names_that_a_split_cannot_have(tmp_path, split):
    save(tmp_path, "a.png")
    (tmp_path / "pairs.csv").write_text(f"reference,distorted,score,split\na.png,a.png,1,{split}\n")
    with pytest.raises(InputError, match="cannot be the name of a split"):
        catalogue.prepare("iqa_table", tmp_path, tmp_path / "data")


def test_regenerated_set_keeps_reserved_scenes_apart(tmp_path, monkeypatch):
    def regenerate(photos, tables, out, progress=None):
        assert (photos, tables) == (tmp_path / "photos" / "kodak", tmp_path / "tables")
        for i in (1, 2):
            save(out, f"kodim0{i}.png")
            save(out, f"i0{i}_01_1.png")
        (out / "pairs.csv").write_text(
            "reference,distorted,score,score_std,type,level,group,split\n"
            "kodim01.png,i01_01_1.png,4.5,0.1,jpeg,1,I01,reserved\n"
            "kodim02.png,i02_01_1.png,9,0.1,jpeg,1,I02,train\n"
        )
        progress(2, 2)
        return out / "pairs.csv"

    module = types.ModuleType("data_pipelines.regenerate_tid2013")
    module.regenerate = regenerate
    monkeypatch.setitem(sys.modules, "data_pipelines.regenerate_tid2013", module)
    monkeypatch.setattr(data_pipelines, "regenerate_tid2013", module, raising=False)
    with pytest.raises(InputError, match="photos/kodak: no such folder"):
        catalogue.prepare("tid2013_regenerated", tmp_path, tmp_path / "data")
    (tmp_path / "photos" / "kodak").mkdir(parents=True)
    (tmp_path / "tables").mkdir()
    stages = []
    catalogue.prepare(
        "tid2013_regenerated",
        tmp_path,
        tmp_path / "data",
        progress=lambda *args: stages.append(args),
    )
    assert ("regenerating", 2, 2) in stages

    def ids(split):
        return data_pipelines.load("tid2013_regenerated", split, tmp_path / "data").reference_ids

    assert (ids("train"), ids("reserved")) == (["i02"], ["i01"])
    assert sorted(ids("all")) == ["i01", "i02"]
    assert not [name for name in left_behind(tmp_path / "data") if name.endswith(".png")]


def test_unknown_names_and_splits(tid2013, tmp_path):
    with pytest.raises(InputError, match=r"no data set 'tid'; there are tid2013, kadid10k"):
        data_pipelines.load("tid", data_dir=tmp_path / "data")
    with pytest.raises(InputError, match=r"run gsn datasets prepare csiq --manual-dir DIR"):
        data_pipelines.load("csiq", data_dir=tmp_path / "data")
    builder = catalogue.prepare("tid2013", tid2013, tmp_path / "data")
    with pytest.raises(InputError, match=r"no split 'test'; there are train, all"):
        builder.as_data_source("test")
    assert list(builder.as_data_source()) == ["train"]


def test_records_are_what_tfds_says(tid2013, tmp_path):
    builder = catalogue.prepare("tid2013", tid2013, tmp_path / "data")
    record = builder.records("train")[0]
    assert record["name"] == b"i01_01_1.bmp"
    assert record["reference_id"] == b"i01"
    assert (record["score"], record["score_std"]) == (np.float32(5.51429), np.float32(0.13013))
    image = Image.open(io.BytesIO(record["image"]))
    np.testing.assert_array_equal(np.asarray(image), picture("i01_01_1.bmp"))
    assert builder.info.splits["train"].num_examples == 6
    assert "ponomarenko2015" in builder.info.citation


@pytest.mark.parametrize(
    ("name", "table", "old", "new", "words"),
    [
        ("kadid10k", "kadid10k/dmos.csv", "I01_25_05.png,", "I01-25-05.png,", "dmos.csv, line 3"),
        ("kadid10k", "kadid10k/dmos.csv", "dmos,var", "mos,var", "dmos.csv, line 2: not"),
        ("pipal", "Train_Label/A0200.txt", "A0200_05_02", "B0200_05_02", "A0200.txt, line 2"),
        ("tid2013", "mos_std.txt", "0.6\n", "", "mos_std.txt does not hold 6 numbers"),
    ],
)
def test_broken_rows_are_named(tmp_path, monkeypatch, name, table, old, new, words):
    MAKERS[name](tmp_path, monkeypatch)
    path = tmp_path / table
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=words):
        catalogue.prepare(name, tmp_path, tmp_path / "data")


def test_broken_rows_of_csiq(tmp_path, monkeypatch):
    make_csiq(tmp_path, monkeypatch)
    book = openpyxl.load_workbook(tmp_path / "csiq.DMOS.xlsx")
    book["all_by_image"]["F6"] = "sepia"
    book["all_by_image"]["I8"] = None
    book.save(tmp_path / "csiq.DMOS.xlsx")
    with pytest.raises(InputError, match=r"csiq\.DMOS\.xlsx, row 6: .*; csiq\.DMOS\.xlsx, row 8: "):
        catalogue.prepare("csiq", tmp_path, tmp_path / "data")


def test_tables_of_another_release_of_live(tmp_path, monkeypatch):
    make_live_iqa(tmp_path, monkeypatch)
    names = {"refnames_all": np.full((1, 808), "bikes.bmp", object)}
    scipy.io.savemat(tmp_path / "databaserelease2" / "refnames_all.mat", names)
    with pytest.raises(InputError, match="need 982 rows; get those of release 2"):
        catalogue.prepare("live_iqa", tmp_path, tmp_path / "data")


def test_encrypted_archives(tmp_path):
    archive = tmp_path / "tid2013.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.txt", "x")
    data = bytearray(archive.read_bytes())
    data[6] |= 1  # "encrypted", in the local header and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(InputError, match=r"tid2013\.zip: cannot be unpacked .*unpack it yourself"):
        catalogue.prepare("tid2013", tmp_path, tmp_path / "data")


def test_pairs_are_always_decoded(tid2013, tmp_path):
    builder = catalogue.prepare("tid2013", tid2013, tmp_path / "data")
    with pytest.raises(TypeError, match="takes no decoders"):
        builder.as_data_source("train", decoders={})
