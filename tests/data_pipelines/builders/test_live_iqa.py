"""The builder of LIVE on a small set in the authors' layout."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from small_data_sets import (
    BuilderTests,
    check_broken_table,
    save,
    small_folder,
)

from data_pipelines import catalogue
from data_pipelines.builders.live_iqa import LiveIqa
from gsn_jax.errors import InputError


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Folder in the authors' layout, and the pairs expected of it."""
    folder = small_folder(tmp_path, monkeypatch, LiveIqa, 2, 5)
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
    return folder, [
        (f"{r}.bmp", f"{k}/img{n}.bmp", s, d, 1 - (s + 3) / 115, r, t, 0)
        for (k, n), (r, s, d, t) in kept.items()
    ]


class TestLiveIqa(BuilderTests):
    name = "live_iqa"


def test_tables_of_another_release(small, tmp_path):
    folder, _ = small
    names = {"refnames_all": np.full((1, 808), "bikes.bmp", object)}
    scipy.io.savemat(folder / "databaserelease2" / "refnames_all.mat", names)
    with pytest.raises(InputError, match="must have 982 rows; use the files of release 2"):
        catalogue.prepare("live_iqa", folder, tmp_path / "data")


def test_a_table_that_is_something_else(small, tmp_path):
    words = r"dmos_realigned\.mat: .*download"
    check_broken_table("live_iqa", small[0], tmp_path / "data", "dmos_realigned.mat", words)
