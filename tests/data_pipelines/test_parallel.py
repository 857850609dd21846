"""Jobs over all cores."""

import os

import pytest

from data_pipelines import parallel
from gsn_jax.errors import InputError


def test_parallel_run_gives_every_result():
    assert sorted(parallel.run(abs, [-3, 1, -2], workers=1)) == [1, 2, 3]
    assert list(parallel.run(abs, [])) == []


def test_a_killed_process_is_told_and_not_waited_for():
    with pytest.raises(InputError, match="out of memory"):
        list(parallel.run(os._exit, [9, 9, 9], workers=2))
