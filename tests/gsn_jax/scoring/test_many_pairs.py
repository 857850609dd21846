"""What concerns single pairs; folders and their order are in tests/gsn_jax/cli."""

import dataclasses
import math

import numpy as np
import pytest
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.scoring.many_pairs import score_pairs
from gsn_jax.scoring.pairs import Loading, Pair, pairs_of_files


@dataclasses.dataclass
class Constant:
    """A metric that gives one score to every pair."""

    score: float
    name: str = "constant"
    higher_is_better: bool = True
    value_range: tuple = (0.0, math.inf)
    has_map: bool = False

    def __call__(self, reference, distorted):
        return np.float32(self.score)


@pytest.fixture
def pair(tmp_path, photo):
    for name in ("r.png", "d.png"):
        Image.fromarray(photo[:32, :32]).save(tmp_path / name)
    return pairs_of_files(str(tmp_path / "r.png"), [str(tmp_path / "d.png")])


@pytest.mark.parametrize(
    ("score", "options", "fine"),
    [
        (0.5, {}, True),
        (math.inf, {}, True),  # PSNR of equal images
        (math.inf, {"higher_is_better": False}, False),
        (math.inf, {"value_range": (0.0, 1.0)}, False),
        (math.nan, {}, False),
        (-math.inf, {}, False),
    ],
)
def test_a_score_that_is_not_finite_is_an_error(pair, score, options, fine):
    (scored,) = score_pairs(pair, [Constant(score, **options)])
    assert scored.scores == ({"constant": score} if fine else {})
    assert ("not finite" in scored.error) == (not fine)


def test_files_of_a_pair_with_a_problem():
    assert Pair("r", "d", None, None, "no reference given").problem
    with pytest.raises(InputError, match="no reference given"):
        _ = Pair("r", "d", None, None, "no reference given").files


def test_loading_has_a_limit(pair):
    with pytest.raises(InputError, match="beyond the limit"):
        Loading(max_pixels=100).load(pair[0].files[0])
