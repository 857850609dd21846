"""Small data sets with opinion scores, and a metric that counts its calls."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from data_pipelines.sources import PairSource
from gsn_jax.benchmark.judged_sets import open_table
from gsn_jax.benchmark.scored_set import MetricScores, ScoredSet
from gsn_jax.errors import InputError


class LabelledPairs(PairSource):
    """Pairs without images."""

    def load_reference(self, index):
        raise NotImplementedError

    def load_distorted(self, index):
        raise NotImplementedError


def labelled(scores, contents=None, types=None, quality=None):
    """A source with these opinion scores."""
    scores = np.asarray(scores, np.float64)
    count = len(scores)
    spread = np.ptp(scores) or 1.0
    return LabelledPairs(
        {
            "score": scores,
            "score_std": np.full(count, np.nan),
            "quality": (scores - scores.min()) / spread if quality is None else quality,
            "reference_id": contents if contents is not None else [f"c{i}" for i in range(count)],
            "distortion_type": types if types is not None else [""] * count,
            "distortion_level": [0] * count,
            "reference": ["r"] * count,
            "distorted": [f"d{i}" for i in range(count)],
        }
    )


@pytest.fixture
def make_set():
    """`make_set(scores, {"name": values}, contents=..., types=..., falling=("name",))`."""

    def make(scores, metrics, *, falling=(), **options):
        return ScoredSet(
            "test",
            labelled(scores, **options),
            {
                name: MetricScores(name, name not in falling, np.asarray(values, np.float64))
                for name, values in metrics.items()
            },
        )

    return make


@dataclasses.dataclass
class CountingMetric:
    """Mean absolute difference; counts its calls and can interrupt the run at one of them."""

    name: str = "difference"
    dies_at: int = -1
    higher_is_better: bool = False
    value_range: tuple = (0.0, 1.0)
    has_map: bool = False
    calls: int = 0

    def __call__(self, reference, distorted):
        if self.calls == self.dies_at:
            raise KeyboardInterrupt
        self.calls += 1
        if min(reference.shape[:2]) < 24:
            raise InputError("too small for this metric")
        return np.float32(np.mean(np.abs(np.float64(reference) - distorted)) / 255)


@pytest.fixture
def counting():
    return CountingMetric


@pytest.fixture
def table(tmp_path, photo, rng):
    """Two references with four distorted versions each, and opinion scores of 0 to 100."""
    lines = ["reference,distorted,mos,scene,type"]
    for scene in range(2):
        reference = photo[:48, 40 * scene : 40 * scene + 48]
        Image.fromarray(reference).save(tmp_path / f"ref{scene}.png")
        for level in (4, 12, 30, 70):
            noise = rng.normal(scale=level, size=reference.shape)
            distorted = np.clip(reference + noise, 0, 255).astype(np.uint8)
            Image.fromarray(distorted).save(tmp_path / f"d{scene}_{level}.png")
            kind = "mild" if level < 20 else "strong"
            lines.append(f"ref{scene}.png,d{scene}_{level}.png,{90 - level},s{scene},{kind}")
    path = tmp_path / "people.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def judged_table(table):
    return open_table(table)
