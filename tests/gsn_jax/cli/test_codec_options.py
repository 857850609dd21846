"""The qualities that `--quality` gives."""

import pytest

from gsn_jax.cli import codec_options
from gsn_jax.errors import InputError
from gsn_jax.rate_distortion.codecs import ProgramCodec

CODECS = [ProgramCodec(name, ("x", "{in}", "{out}", "{q}")) for name in "ab"]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["20:95:15"], [20, 35, 50, 65, 80, 95]),
        (["20:94:15"], [20, 35, 50, 65, 80]),
        (["0.1:0.3:0.1"], [0.1, 0.2, 0.3]),
        (["90,10"], [10, 90]),
        (["0:100:0.1"], [step / 10 for step in range(1001)]),
        (["1,2", "a=3:4:1"], [3, 4]),
        (["a=3:4:1", "b=5"], [3, 4]),
    ],
)
def test_qualities(texts, expected):
    assert codec_options.qualities(texts, CODECS)[CODECS[0]] == expected


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["1:2"], "FIRST:LAST:STEP"),
        (["9:2:1"], "FIRST:LAST:STEP"),
        (["1:2:0"], "FIRST:LAST:STEP"),
        (["x"], "FIRST:LAST:STEP"),
        (["1-5000"], "FIRST:LAST:STEP"),
        (["1:5000:1"], "1:5000:1: more than 1,001 qualities; give a larger STEP"),
        (["0:1:1e-320"], "more than 1,001 qualities"),
        (["nan:95:5"], "FIRST:LAST:STEP"),
        (["20,inf"], "FIRST:LAST:STEP"),
        (["c=1"], "no codec 'c'; codecs: a, b"),
        (["a=1"], "none for b"),
        (["a=1", "b=2", "a=3"], "already given for a; list"),
        (["1", "2"], "already given for all codecs"),
    ],
)
def test_bad_qualities(texts, message):
    with pytest.raises(InputError, match=message):
        codec_options.qualities(texts, CODECS)
