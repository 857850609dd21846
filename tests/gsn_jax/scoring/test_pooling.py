import math
import statistics
from pathlib import Path

import pytest

from gsn_jax.metrics import get
from gsn_jax.scoring import pooling
from gsn_jax.scoring.pairs import Pair, ScoredPair


def frames(scores, distorted="d.y4m", metric="psnr"):
    files = Path("r.y4m"), Path(distorted)
    return [
        ScoredPair(Pair(f"r.y4m#{n}", f"{distorted}#{n}", *files), {metric: score})
        for n, score in enumerate(scores)
    ]


def pooled(scores, metric="psnr"):
    (item,) = pooling.pool(frames(scores, metric=metric), [get(metric)])
    return {key.removeprefix(f"{metric}:"): value for key, value in item.scores.items()}


def test_statistics_are_those_of_the_standard_library(rng):
    scores = list(rng.uniform(20, 50, 101))
    got = pooled(scores)
    ordered = sorted(scores)
    assert got["mean"] == pytest.approx(statistics.fmean(scores))
    assert got["harmonic_mean"] == pytest.approx(statistics.harmonic_mean(scores))
    assert got["min"] == ordered[0]
    assert got["max"] == ordered[-1]
    assert [got["p5"], got["p50"], got["p95"]] == [ordered[5], ordered[50], ordered[95]]
    assert list(got) == list(pooling.STATISTICS)


def test_zeros_and_infinite_scores():
    assert pooled([0, 4])["harmonic_mean"] == 0
    assert set(pooled([math.inf] * 3).values()) == {math.inf}
    got = pooled([20, math.inf, math.inf])
    assert got["mean"] == math.inf
    assert got["harmonic_mean"] == pytest.approx(60)
    assert (got["min"], got["p50"]) == (20, math.inf)


def test_where_there_is_no_harmonic_mean():
    assert "harmonic_mean" not in pooled([-1, 2])
    assert "harmonic_mean" not in pooled([0.1, 0.2], metric="gmsd")  # it would favour good frames


def test_each_video_and_each_folder_is_a_sequence():
    images = [
        ScoredPair(Pair(f"r/{n}.png", f"{d}/{n}.png", Path("x.png"), Path("x.png")), {"psnr": s})
        for d, n, s in [("a", 0, 10.0), ("b", 0, 30.0), ("a", 1, 20.0)]
    ]
    got = pooling.pool([*frames([1, 3]), *frames([5], "e.mp4"), *images], [get("psnr")])
    assert [(item.pair.reference, item.pair.distorted) for item in got] == [
        ("r.y4m", "d.y4m"), ("r.y4m", "e.mp4"), ("r", "a"), ("r", "b"),
    ]  # fmt: skip
    assert [item.scores["psnr:mean"] for item in got] == [2, 5, 15, 30]


def test_a_sequence_with_a_missing_score_has_no_statistics():
    items = frames([30, 40])
    items[1] = ScoredPair(items[1].pair, {"gmsd": 0.1}, "psnr: broken")
    items[0].scores["gmsd"] = 0.2
    (got,) = pooling.pool(items, [get("psnr"), get("gmsd")])
    assert got.error == "psnr: broken"
    assert {key.split(":")[0] for key in got.scores} == {"gmsd"}
    assert got.scores["gmsd:max"] == 0.2
