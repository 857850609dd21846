import zipfile

import numpy as np
import pytest
from PIL import Image

from gsn_jax import metrics
from gsn_jax.benchmark import submission
from gsn_jax.errors import InputError
from gsn_jax.scoring.pairs import Pair, ScoredPair


@pytest.fixture
def folders(tmp_path, photo, rng):
    """Two references and three distorted images each, named as in PIPAL."""
    for name in ("ref", "dist"):
        (tmp_path / name).mkdir()
    for number in (1, 2):
        reference = photo[:32, 32 * number : 32 * number + 32]
        Image.fromarray(reference).save(tmp_path / "ref" / f"A000{number}.bmp")
        for level in range(3):
            noise = rng.normal(scale=10 * (level + 1), size=reference.shape)
            distorted = np.clip(reference + noise, 0, 255).astype(np.uint8)
            Image.fromarray(distorted).save(tmp_path / "dist" / f"A000{number}_00_0{level}.bmp")
    return tmp_path / "ref", tmp_path / "dist"


@pytest.mark.parametrize(("name", "sign"), [("psnr", 1), ("gmsd", -1)])
def test_a_submission_has_a_line_per_image_up_is_better(folders, tmp_path, name, sign):
    metric = metrics.get(name)
    scores, seconds = submission.score_all(submission.match(*folders), metric)
    about = submission.readme(seconds, on_cpu=True, extra_data=False, description="two\nlines")
    submission.write_zip(tmp_path / "s.zip", scores, about)
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert archive.namelist() == ["output.txt", "readme.txt"]
        lines = archive.read("output.txt").decode().splitlines()
        readme = archive.read("readme.txt").decode().splitlines()
    assert [line.split(",")[0] for line in lines] == sorted(p.name for p in folders[1].iterdir())
    values = [float(line.split(",")[1]) for line in lines]
    assert values[0] > values[1] > values[2]
    want = float(metric(folders[0] / "A0001.bmp", folders[1] / "A0001_00_00.bmp"))
    assert values[0] == pytest.approx(sign * want, rel=1e-6, abs=1e-6)
    assert readme[0] == f"runtime per image [s] : {seconds:.4f}"
    assert readme[1:] == [
        "CPU[1] / GPU[0] : 1",
        "Extra Data [1] / No Extra Data [0] : 0",
        "Other description : two lines",
    ]
    assert seconds > 0


def test_the_time_of_an_image_does_not_depend_on_bursts(monkeypatch):
    """On accelerators, scores of a batch come together."""
    clock = iter([0.0, 10.0, 18.0])  # the start, the first score, the end
    monkeypatch.setattr(submission.time, "perf_counter", lambda: next(clock))
    pairs = [Pair("a.png", f"d{k}.png", None, None) for k in range(5)]
    scored = [ScoredPair(pair, {"psnr": 30.0}) for pair in pairs]
    monkeypatch.setattr(submission, "score_pairs", lambda *_: iter(scored))
    _, seconds = submission.score_all(pairs, metrics.get("psnr"))
    assert seconds == 2.0


def test_the_longest_reference_name_counts(folders):
    references, distorted = folders
    (references / "A0001.bmp").rename(references / "a0001_00.BMP")
    pairs = submission.match(references, distorted)
    assert {pair.reference for pair in pairs} == {"a0001_00.BMP", "A0002.bmp"}


def test_folders_that_do_not_fit_are_refused(folders, tmp_path):
    references, distorted = folders
    with pytest.raises(InputError, match="no such folder"):
        submission.match(tmp_path / "none", distorted)
    with pytest.raises(InputError, match=r"A0001\.bmp: is a file, not a folder"):
        submission.match(references / "A0001.bmp", distorted)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no images in it"):
        submission.match(references, tmp_path / "empty")
    (references / "A0002.bmp").rename(references / "A0001.png")
    with pytest.raises(InputError, match="has the same name as"):
        submission.match(references, distorted)
    (references / "A0001.png").unlink()
    with pytest.raises(InputError, match=r"no reference for A0002_00_00.bmp, .*02_00_02.bmp"):
        submission.match(references, distorted)


def test_an_image_that_cannot_be_scored_ends_it(folders):
    references, distorted = folders
    (distorted / "A0001_00_01.bmp").write_bytes(b"BM")
    with pytest.raises(InputError, match=r"A0001_00_01\.bmp"):
        submission.score_all(submission.match(references, distorted), metrics.get("psnr"))
