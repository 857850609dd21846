"""Counts and mappings of the complete tables, where they are present (environment GSN_DATA).

The independent peer is a uniform table per data set (icbcbicc_*.csv.gz) that a third party made.
"""

import csv
import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from data_pipelines import catalogue
from data_pipelines.builders.inputs import Inputs, Problems

TABLES = Path(os.environ.get("GSN_DATA", "absent"), "tables")

pytestmark = pytest.mark.skipif(
    not TABLES.is_dir(), reason="GSN_DATA does not name a folder with tables/"
)


def read(name, files, tmp_path):
    """The pairs a builder reads from the original table alone, without any image."""
    folder = tmp_path / "original"
    folder.mkdir()
    for given, original in files.items():
        shutil.copy(TABLES / given, folder / original)
    return read_folder(name, folder, tmp_path)


def read_folder(name, folder, tmp_path):
    builder = catalogue.builder(name, tmp_path / "data")
    problems = Problems()
    with Inputs(folder, (), tmp_path, lambda *args: None) as inputs:
        pairs = builder.read_pairs(inputs, problems, tmp_path)
    builder._check_table(pairs, problems)
    problems.raise_if_any(name)  # counts and ranges
    return builder, pairs


def peer(name):
    with gzip.open(TABLES / f"icbcbicc_{name}.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


def check(builder, pairs, rows, tolerance, parts=1):
    """Same images, references and scores as the peer's rows; quality in [0, 1] and the right way.

    `parts` is how many parts of the peer's paths make our name.
    """
    ours = {pair.distorted.lower(): pair for pair in pairs}
    assert len(ours) == len(rows)
    for row in rows:
        pair = ours["/".join(row["dis_img_path"].lower().split("/")[-parts:])]
        assert pair.reference.lower() == row["ref_img_path"].rsplit("/", 1)[-1].lower()
        assert abs(pair.score - float(row["score"])) <= tolerance
    quality = np.array([builder.quality(pair) for pair in pairs])
    assert quality.min() >= 0
    assert quality.max() <= 1
    sign = 1 if builder.HIGHER_IS_BETTER else -1
    slope = np.diff(quality) * np.diff([pair.score for pair in pairs]) * sign
    assert (slope >= 0).all()
    return quality


def test_tid2013(tmp_path):
    files = {
        "tid2013_mos_with_names.txt": "mos_with_names.txt",
        "tid2013_mos_std.txt": "mos_std.txt",
    }
    builder, pairs = read("tid2013", files, tmp_path)
    assert len(pairs) == 3000
    quality = check(builder, pairs, peer("TID2013"), 1e-4)
    assert quality[0] == pytest.approx(5.51429 / 9)
    assert pairs[0].score_std == 0.13013
    kinds = [pair.distortion_type for pair in pairs]
    assert {kinds.count(kind) for kind in set(kinds)} == {125}
    assert len(set(kinds)) == 24


def test_kadid10k(tmp_path):
    builder, pairs = read("kadid10k", {"kadid10k_dmos.csv": "dmos.csv"}, tmp_path)
    assert len(pairs) == 10125
    check(builder, pairs, peer("KADID-10k"), 1e-9)
    kinds = [pair.distortion_type for pair in pairs]
    assert {kinds.count(kind) for kind in set(kinds)} == {405}
    # Stronger distortion of the same kind and content is worse on average: "dmos" points up.
    weak = np.mean([p.score for p in pairs if p.distortion_level == 1])
    strong = np.mean([p.score for p in pairs if p.distortion_level == 5])
    assert weak > strong + 1


def test_csiq(tmp_path):
    builder, pairs = read("csiq", {"csiq.beta.xlsx": "csiq.beta.xlsx"}, tmp_path)
    assert len(pairs) == 866
    check(builder, pairs, peer("CSIQ"), 1e-5)
    kinds = [pair.distortion_type for pair in pairs]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "white_noise": 150,
        "jpeg": 150,
        "jpeg2000": 150,
        "pink_noise": 150,
        "gaussian_blur": 150,
        "contrast": 116,
    }


def test_live_iqa(tmp_path):
    files = {
        "live_dmos_realigned.mat": "dmos_realigned.mat",
        "live_refnames_all.mat": "refnames_all.mat",
    }
    builder, pairs = read("live_iqa", files, tmp_path)
    assert len(pairs) == 779
    check(builder, pairs, peer("LIVE"), 1e-9, parts=2)
    kinds = [pair.distortion_type for pair in pairs]
    assert [kinds.count(kind) for kind in dict.fromkeys(kinds)] == [169, 175, 145, 145, 145]


def test_pipal(tmp_path):
    labels = tmp_path / "original" / "Train_Label"
    labels.mkdir(parents=True)
    rows = peer("PIPAL")
    lines = {}
    for row in rows:
        name = row["dis_img_path"].rsplit("/", 1)[-1]
        lines.setdefault(name[:5], []).append(f"{name},{row['score']}\n")
    for reference, text in lines.items():
        (labels / f"{reference}.txt").write_text("".join(text))
    builder, pairs = read_folder("pipal", labels.parent, tmp_path)
    assert len(pairs) == 23200
    check(builder, pairs, rows, 1e-9)
    per_reference = {}
    for pair in pairs:
        per_reference.setdefault(pair.reference_id, set()).add(
            (pair.distortion_type, pair.distortion_level)
        )
    assert {len(kinds) for kinds in per_reference.values()} == {116}
