import itertools

import numpy as np
import pytest

import data_pipelines
from data_pipelines.sources import Subset
from data_pipelines.splits import RATIOS_2, check_disjoint, kfold, seeded_splits, split
from data_pipelines.tables import PairTable
from gsn_jax.errors import InputError


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """25 references with 4 pairs each; every image is one file, nothing is decoded."""
    folder = tmp_path_factory.mktemp("split")
    (folder / "x.png").write_bytes(b"")
    rows = "".join(f"x.png,x.png,0.5,{i},r{i % 25}\n" for i in range(100))
    (folder / "pairs.csv").write_text(f"reference,distorted,score,level,group\n{rows}")
    return PairTable(folder / "pairs.csv")


def numbers(part):
    return part.fields["distortion_level"].tolist()


@pytest.mark.parametrize(
    ("ratios", "references"),
    [
        ((0.6, 0.2, 0.2), [15, 5, 5]),
        ((0.8, 0.2), [20, 5]),
        ((4, 1), [20, 5]),
        ((0.5, 0.5), [13, 12]),
        ((0.98, 0.01, 0.01), [23, 1, 1]),
        ((1,), [25]),
    ],
)
def test_parts_have_their_share_of_references(source, ratios, references):
    parts = split(source, ratios, seed=0)
    assert sorted((len(set(part.reference_ids)) for part in parts), reverse=True) == references
    assert sorted(itertools.chain(*map(numbers, parts))) == list(range(100))
    for i, part in enumerate(parts):
        others = {r for other in (*parts[:i], *parts[i + 1 :]) for r in other.reference_ids}
        assert not others & set(part.reference_ids)


def test_split_depends_on_the_seed_only(source):
    first = [numbers(part) for part in split(source, (0.6, 0.2, 0.2), seed=3)]
    assert first == [numbers(part) for part in data_pipelines.split(source, (0.6, 0.2, 0.2), 3)]
    assert first != [numbers(part) for part in split(source, (0.6, 0.2, 0.2), seed=4)]
    backwards = Subset(source, np.arange(100)[::-1])
    for part, other in zip(first, split(backwards, (0.6, 0.2, 0.2), seed=3), strict=True):
        assert part == sorted(numbers(other))


def test_the_split_stays_the_same_in_later_versions(source):
    # sha256 of "0/r0" to "0/r24" in order, worked out with sha256sum and sort
    training, test = split(source, (0.8, 0.2), seed=0)
    assert sorted(set(test.reference_ids)) == EXPECTED_TEST
    assert len(training) == 80


EXPECTED_TEST = ["r12", "r2", "r21", "r3", "r7"]


def test_ten_seeded_splits(source):
    for ratios, sizes in (((0.6, 0.2, 0.2), [60, 20, 20]), (RATIOS_2, [80, 20])):
        splits = seeded_splits(source, ratios)
        assert [[len(part) for part in parts] for parts in splits] == [sizes] * 10
        assert len({tuple(numbers(parts[-1])) for parts in splits}) == 10


@pytest.mark.parametrize("k", [2, 5, 25])
def test_kfold_tests_every_pair_once(source, k):
    folds = kfold(source, k, seed=1)
    assert len(folds) == k
    assert sorted(itertools.chain(*(numbers(test) for _, test in folds))) == list(range(100))
    for training, test in folds:
        assert not set(training.reference_ids) & set(test.reference_ids)
        assert len(training) + len(test) == 100
        assert 25 // k <= len(set(test.reference_ids)) <= 25 // k + 1


def test_a_shared_reference_raises(source):
    check_disjoint(Subset(source, [0, 25]), Subset(source, [1]), Subset(source, [2]))
    with pytest.raises(InputError, match=r"1 references occur on both sides.*: r0;"):
        check_disjoint(Subset(source, [0, 3]), Subset(source, [25]))


def test_impossible_splits(source):
    with pytest.raises(InputError, match="1 references cannot be split into 2"):
        split(Subset(source, [0, 25]), (0.5, 0.5))
    with pytest.raises(InputError, match="positive"):
        split(source, (1, 0))
    with pytest.raises(InputError, match="at least 2 folds"):
        kfold(source, 1)
    with pytest.raises(InputError, match="25 references cannot be split into 26"):
        kfold(source, 26)
