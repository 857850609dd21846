"""Batches for evaluation: every pair exactly once."""

import collections

import numpy as np
import pytest

from data_pipelines.evaluation_batches import eval_batches, plan
from data_pipelines.tables import PairTable
from gsn_jax.errors import InputError

SIZES = ((12, 16), (12, 16), (16, 12))  # of references 0, 1, 2


@pytest.fixture
def source(position_table):
    return PairTable(position_table(pairs=11, references=3, sizes=SIZES))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8, 20])
@pytest.mark.parametrize("process_count", [1, 2, 3])
def test_every_pair_is_valid_exactly_once(source, batch_size, process_count):
    seen = collections.Counter()
    shapes = []
    for process in range(process_count):
        batches = list(
            eval_batches(
                source,
                batch_size=batch_size,
                process_index=process,
                process_count=process_count,
            )
        )
        shapes.append([batch["reference"].shape for batch in batches])
        for batch in batches:
            assert batch["index"].shape == batch["valid"].shape == (batch_size,)
            for i in range(batch_size):
                index = batch["index"][i]
                # what fills up is a real pair as well, so that its numbers are finite
                assert batch["reference"][i, 0, 0, 2] == index % 3
                assert batch["distorted"][i, 0, 0, 2] == 100 + index
                assert batch["quality"][i] == source.quality[index]
                seen[index] += bool(batch["valid"][i])
    assert seen == dict.fromkeys(range(11), 1)
    assert all(process == shapes[0] for process in shapes)  # in step, with the same shapes
    assert {shape[1:] for shape in shapes[0]} == {(12, 16, 3), (16, 12, 3)}
    assert {shape[0] for shape in shapes[0]} == {batch_size}


def test_types(source):
    batch = next(eval_batches(source, batch_size=4))
    kinds = {name: value.dtype for name, value in batch.items()}
    assert kinds == {
        "reference": np.uint8,
        "distorted": np.uint8,
        "quality": np.float32,
        "index": np.int32,
        "valid": np.bool_,
    }


def test_plan_fills_the_last_batch_of_each_size_only():
    steps = plan([(4, 4)] * 5 + [(2, 2)], 2, 0, 1)
    assert [(step.indices, step.real) for step in steps] == [
        ((5, 5), 1),
        ((0, 1), 2),
        ((2, 3), 2),
        ((4, 4), 1),
    ]


def test_a_process_without_real_pairs_still_takes_part():
    assert [(s.indices, s.real) for s in plan([(4, 4)], 2, 1, 2)] == [((0, 0), 0)]


def test_settings_out_of_range(source):
    with pytest.raises(InputError, match="batch_size"):
        eval_batches(source, batch_size=0)
