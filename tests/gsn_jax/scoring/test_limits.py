import math

import pytest

from gsn_jax.metrics import get
from gsn_jax.scoring.limits import Limit


@pytest.mark.parametrize(
    ("name", "value", "score", "passes"),
    [
        ("psnr", 30, 30.0, True),
        ("psnr", 30, 29.9999996, True),  # 30 at six decimals
        ("psnr", 30, 29.999, False),
        ("psnr", 30, math.inf, True),
        ("psnr", 30, math.nan, False),
        ("gmsd", 0.1, 0.1, True),
        ("gmsd", 0.1, 0.1000004, True),
        ("gmsd", 0.1, 0.101, False),
        ("gmsd", 0.1, math.nan, False),
    ],
)
def test_limits_know_directions(name, value, score, passes):
    limit = Limit(get(name), value, name)
    assert limit.passes(score) is passes
    assert (limit.complaint({name: score}) == "") is passes


def test_complaints():
    assert Limit(get("psnr"), 30, "psnr").complaint({}) == ""
    assert Limit(get("gmsd"), 0.1, "gmsd:p5").complaint({"gmsd": 0, "gmsd:p5": 0.25}) == (
        "gmsd:p5 0.250000 is above 0.1"
    )


def test_a_complaint_has_the_whole_limit():
    limit = Limit(get("psnr"), 38.12345, "psnr")
    assert limit.complaint({"psnr": 38.12342}) == "psnr 38.123420 is below 38.12345"


def test_an_undefined_statistic_fails():
    limit = Limit(get("psnr"), 30, "psnr:harmonic_mean")
    assert limit.complaint({}) == ""  # a sequence with a bad frame has an error instead
    undefined = "psnr:harmonic_mean is undefined, because some scores are negative"
    assert limit.complaint({"psnr:mean": 20.0}) == undefined
