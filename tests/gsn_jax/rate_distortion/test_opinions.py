"""Opinions: tables, people's BD-rate with its interval, the nearest metric."""

import dataclasses
from pathlib import Path

import bjontegaard
import numpy as np
import pytest

from gsn_jax.errors import InputError
from gsn_jax.rate_distortion import opinions, text
from gsn_jax.rate_distortion.encodings import Encoding, Study
from gsn_jax.scoring.pairs import Pair

ELO = {"a": [100.0, 200.0, 300.0, 400.0], "b": [120.0, 230.0, 310.0, 440.0]}
BYTES = {"a": [100, 200, 400, 800], "b": [90, 210, 380, 820]}


@pytest.fixture
def study():
    """Eight photographs; the metric "good" is Elo itself, "bad" prefers the other codec."""
    encodings, good, bad = [], [], []
    for image in range(8):
        for codec in ELO:
            for k in range(4):
                pair = Pair(f"p{image}", "-", Path("p"), Path("-"))
                size = BYTES[codec][k] * (image + 4)
                encodings.append(Encoding(pair, codec, f"q{k}", size, 5000))
                good.append(ELO[codec][k] + image)
                bad.append(-ELO[codec][k] + (60 if codec == "b" else 0) - image)
    scores = {"good": np.asarray(good), "bad": np.asarray(bad)}
    higher = {"good": True, "bad": False}
    return Study(encodings, higher, scores, [""] * len(encodings))


def table(tmp_path, deviation=5.0):
    lines = ["method,elo,p99Low,p99Hi,bpp"]
    for codec, values in ELO.items():
        for k, value in enumerate(values):
            reach = 2.5758293 * deviation
            rate = 8 * BYTES[codec][k] * 7.5 / 5000
            lines.append(f"{codec}-q{k},{value},{value - reach},{value + reach},{rate}")
    (tmp_path / "elo.csv").write_text("\n".join([*lines, "c-q0,1,0,2,1"]) + "\n")
    return opinions.read_opinions(tmp_path / "elo.csv")


def test_people_and_the_nearest_metric(study, tmp_path, rng):
    verdict = opinions.judge(study, table(tmp_path), "a", resamples=100)
    rates = {codec: 8 * np.asarray(sizes) * 7.5 / 5000 for codec, sizes in BYTES.items()}
    expected = bjontegaard.bd_rate(rates["a"], ELO["a"], rates["b"], ELO["b"], "pchip")
    assert verdict.people["b"].value == pytest.approx(expected)
    assert verdict.metrics["good"]["b"].value == pytest.approx(expected)
    assert verdict.nearest == "good"
    assert verdict.difference("bad") > 5
    assert verdict.srcc["good"] == pytest.approx(1)
    assert verdict.unmatched == ["c-q0"]
    assert max(map(abs, verdict.rate_errors.values())) < 1e-9
    # The interval against draws of the scores.
    samples = [
        bjontegaard.bd_rate(
            rates["a"],
            ELO["a"] + rng.normal(scale=5, size=4),
            rates["b"],
            ELO["b"] + rng.normal(scale=5, size=4),
            "pchip",
            min_overlap=0,
        )
        for _ in range(2000)
    ]
    low, high = np.quantile(samples, [0.025, 0.975])
    seen = verdict.people["b"]
    assert [seen.low, seen.high] == pytest.approx([low, high], abs=0.1 * (high - low))
    printed = text.opinion_table(verdict)
    assert [row[0].text for row in printed.rows] == ["people", "good", "bad"]
    assert any("Nearest to people: good." in note for note in printed.notes)


def test_settings_of_several_codecs_need_the_codec(study, tmp_path):
    rated = {name: opinion for name, opinion in table(tmp_path).items() if name != "a-q0"}
    with pytest.raises(InputError, match="q0 is a setting of a and b; name the codec too, as in a"):
        opinions.judge(study, {"q0": rated["a-q1"], **rated}, "a", resamples=0)


def test_a_metric_without_a_bd_rate_comes_last(study, tmp_path):
    without = np.full_like(study.scores["good"], np.nan)
    scores = {"none": without, **study.scores}
    unscored = dataclasses.replace(
        study, scores=scores, higher_is_better={"none": True, **study.higher_is_better}
    )
    verdict = opinions.judge(unscored, table(tmp_path), "a", resamples=0)
    rows = text.opinion_table(verdict).rows
    assert [row[0].text for row in rows] == ["people", "good", "bad", "none"]


def test_exact_scores_give_a_point(study, tmp_path):
    seen = opinions.judge(study, table(tmp_path, deviation=0.0), "a", resamples=0).people["b"]
    assert seen.low == pytest.approx(seen.value) == seen.high


def test_people_who_prefer_fewer_bytes(study, tmp_path):
    """Opinions that fall with the bytes: a line says so, and no number is made up."""
    found = table(tmp_path)
    scores = [found["b-q1"], found["b-q0"]]
    found |= dict(zip(("b-q0", "b-q1"), scores, strict=True))
    verdict = opinions.judge(study, found, "a", resamples=0)
    assert np.isnan(verdict.people["b"].value)
    assert verdict.nearest is None
    notes = text.opinion_table(verdict).notes
    assert "people, b: no BD-rate: the score does not improve with every step in bytes." in notes


def test_no_matching_settings(study, tmp_path):
    with pytest.raises(InputError, match="c and another codec"):
        opinions.judge(study, table(tmp_path), "c")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("setting,mean\nx,1\n", "header needs setting or method"),
        ("setting,mos\nx,y\n", "line 2: a score"),
        ("setting,mos\nx,nan\n", "line 2: a score"),
        ("setting,mos\nx,1\nx,2\n", "line 3: x occurs twice"),
        ("setting,mos\nx,1\n\nx,2\n", "line 4: x occurs twice"),
        ("setting,mos\n,1\n", "line 2: no setting given"),
        ("setting,mos\n", "no rows"),
    ],
)
def test_bad_tables(tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        opinions.read_opinions(tmp_path / "t.csv")


def test_a_missing_table(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        opinions.read_opinions(tmp_path / "none.csv")
