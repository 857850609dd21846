"""`gsn score` on videos and folders of frames: pooled scores, limits and JUnit XML."""

import io
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import command_line
import numpy as np
import pytest
from command_line import rows_of as rows
from PIL import Image
from video_files import write_images

from gsn_jax import metrics
from gsn_jax.cli import score_views
from gsn_jax.scoring import regions
from gsn_jax.scoring.pairs import Pair, ScoredPair


@pytest.fixture
def folder(tmp_path, photo, monkeypatch):
    """Six frames as Y4M, with noise as Y4M and MP4, and as two folders of PNG files."""
    generator = np.random.default_rng(3)
    clean = [np.ascontiguousarray(photo[:64, n : n + 64]) for n in range(6)]
    noisy = [
        np.clip(image + generator.normal(scale=4 * (n + 1), size=image.shape), 0, 255)
        for n, image in enumerate(clean)
    ]
    noisy = [image.astype(np.uint8) for image in noisy]
    write_images(tmp_path / "r.y4m", clean, form="yuv444p")
    write_images(tmp_path / "d.y4m", noisy, form="yuv444p")
    write_images(tmp_path / "d.mp4", noisy, "libx264", options={"crf": "10"})
    write_images(tmp_path / "short.y4m", noisy[:5], form="yuv444p")
    for name, images in (("r", clean), ("d", noisy)):
        (tmp_path / name).mkdir()
        for n, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / name / f"{n:04}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return command_line.run("score", *arguments, "--metric", "psnr,gmsd")


def test_videos_are_pooled_and_frames_are_in_the_table(folder):
    out, err, code = run("r.y4m", "d.y4m", "d.mp4", "--out", "frames.csv")
    assert (err, code) == ("", 0)
    frames = rows((folder / "frames.csv").read_text())
    names = [f"{name}#{n}" for name in ("d.y4m", "d.mp4") for n in range(6)]
    assert [row["distorted"] for row in frames] == names
    pooled = rows(out)
    assert [row["distorted"] for row in pooled] == ["d.y4m", "d.mp4"]
    for row, start in zip(pooled, (0, 6), strict=True):
        scores = np.array([float(frame["psnr"]) for frame in frames[start : start + 6]])
        assert float(row["psnr:mean"]) == pytest.approx(scores.mean(), abs=2e-6)
        assert float(row["psnr:harmonic_mean"]) == pytest.approx(6 / (1 / scores).sum(), abs=2e-6)
        assert float(row["psnr:p5"]) == scores.min()
        assert row["gmsd:harmonic_mean"] == ""
        assert list(scores[:3]) == sorted(scores[:3], reverse=True)


def test_people_get_a_table_per_video(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    files = Path("r.y4m"), Path("d.y4m")
    scored = [
        ScoredPair(Pair(f"r.y4m#{n}", f"d.y4m#{n}", *files), {"psnr": 30.0 + n, "gmsd": 0.1 * n})
        for n in range(3)
    ]
    monkeypatch.setattr("sys.stdout", Terminal())
    score_views.pool_to_screen(scored, [metrics.get("psnr"), metrics.get("gmsd")], False)
    plain = re.sub(r"\x1b\[[\d;]*m", "", sys.stdout.getvalue())
    lines = [re.findall(r"[\w.↑↓-]+", line) for line in plain.splitlines()]
    assert ["d.y4m"] in lines
    assert ["psnr", "↑", "gmsd", "↓"] in lines
    assert ["mean", "31.0000", "0.1000"] in lines
    assert ["harmonic", "mean", "30.9785", "-"] in lines
    assert ["p95", "32.0000", "0.2000"] in lines


def test_folders_of_frames_score_like_the_video(folder):
    """Samples of luma and chroma have 8 bits, so each pixel is off by up to a level."""
    video, _, _ = run("r.y4m", "d.y4m")
    folders = "--reference-dir", "r", "--distorted-dir", "d"
    out, err, code = run(*folders, "--pool")
    assert (err, code) == ("", 0)
    assert rows(out)[0]["distorted"] == "d"
    one, two = (float(rows(text)[0]["psnr:mean"]) for text in (video, out))
    assert one == pytest.approx(two, abs=0.15)
    assert len(rows(run(*folders)[0])) == 6
    assert [row["distorted"] for row in rows(run(*folders, "--every", 4)[0])] == [
        "d/0000.png", "d/0004.png",
    ]  # fmt: skip


def test_limits_apply_to_pooled_scores(folder):
    frames = rows(run("--reference-dir", "r", "--distorted-dir", "d")[0])
    scores = [float(row["psnr"]) for row in frames]
    between = (min(scores) + sum(scores) / 6) / 2
    arguments = "--reference-dir", "r", "--distorted-dir", "d", "--pool"
    assert run(*arguments, "--fail-below", f"psnr={between}")[2] == 0
    assert run(*arguments, "--fail-below", f"psnr:mean={between}")[2] == 0
    _, err, code = run(*arguments, "--fail-below", f"psnr:p5={between}")
    assert code == 1
    assert err == f"gsn: d: psnr:p5 {min(scores):.6f} is below {between:.10g}\n"
    _, err, code = run(*arguments, "--fail-below", "psnr:median=3")
    assert code == 2
    assert "statistics: mean, harmonic_mean, min, p5" in err
    _, err, code = run(*arguments, "--metric", "gmsd", "--fail-below", "gmsd:harmonic_mean=1")
    assert code == 2  # a distance has none, so the check would always pass
    assert "no score 'gmsd:harmonic_mean'" in err


def test_junit_has_a_case_per_video(folder):
    _, _, code = run("r.y4m", "d.y4m", "--fail-below", "psnr:max=99", "--junit", "j.xml")
    assert code == 1
    (case,) = ElementTree.parse(folder / "j.xml").iter("testcase")
    assert (case.get("classname"), case.get("name")) == ("r.y4m", "d.y4m")
    assert "is below 99" in case.find("failure").get("message")
    assert run("r.y4m", "d.y4m", "--junit", "j.xml")[2] == 0
    assert ElementTree.parse(folder / "j.xml").find(".//failure") is None


def test_junit_has_a_case_per_image(folder):
    images = "r/0000.png", "d/0000.png", "d/0005.png", "d/none.png"
    out, _, code = run(*images, "--fail-below", "psnr=30", "--junit", "j.xml")
    assert code == 2
    assert len(rows(out)) == 3
    cases = list(ElementTree.parse(folder / "j.xml").iter("testcase"))
    assert [[part.tag for part in case] for case in cases] == [
        ["system-out"], ["failure", "system-out"], ["error", "system-out"],
    ]  # fmt: skip
    assert "no such file" in cases[2].find("error").get("message")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["r.y4m", "short.y4m"], "short.y4m: has 5 frames, but r.y4m has 6"),
        (["r.y4m", "r/0000.png"], "r/0000.png: is not a video"),
        (["r/0000.png", "d.y4m"], "r/0000.png: is not a video"),
        (["r.y4m", "none.y4m"], "none.y4m: no such file"),
        (["r.y4m", "d.y4m", "--maps", "m"], "--maps: not for videos"),
        (["r/0000.png", "d/0000.png", "--every", "2"], "--every is for videos"),
        (["r.y4m", "d.y4m", "--out", "r.y4m"], "r.y4m: "),
        (["r.y4m", "d.y4m", "--junit", "d.y4m"], "d.y4m: is an input"),
        (["r.y4m", "d.y4m", "--junit", "s.csv", "--out", "s.csv"], "is both --out and --junit"),
        (["r.y4m", "d.y4m", "--max-pixels", "100"], "64 x 64 pixels is beyond the limit of 100"),
        (["r/0000.png", "d/0000.png", "--fail-below", "psnr:p5=3"], "no score 'psnr:p5'"),
    ],
)
def test_wrong_use_is_one_line(folder, arguments, message):
    before = sorted(folder.rglob("*"))
    out, err, code = run(*arguments)
    assert (out, code) == ("", 2)
    assert message in err
    assert err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_an_interrupted_run_continues_with_the_frames_that_are_missing(folder, monkeypatch):
    assert run("r.y4m", "d.y4m", "--out", "whole.csv")[2] == 0
    scored = []
    score = regions.score_arrays

    def interrupted(metric, *images):
        scored.append(metric.name)
        if len(scored) == 8:
            raise KeyboardInterrupt
        return score(metric, *images)

    with monkeypatch.context() as patch:
        patch.setattr(regions, "score_arrays", interrupted)
        assert run("r.y4m", "d.y4m", "--out", "resumed.csv")[2] == 130
    assert not (folder / "resumed.csv").exists()
    scored.clear()
    monkeypatch.setattr(regions, "score_arrays", lambda *a: scored.append(a) or score(*a))
    _, err, code = run("r.y4m", "d.y4m", "--out", "resumed.csv")
    assert code == 0
    assert "3 of 6 pairs were already scored" in err
    assert len(scored) == 2 * 3
    assert (folder / "resumed.csv").read_text() == (folder / "whole.csv").read_text()
