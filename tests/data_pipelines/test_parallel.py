"""Jobs over all cores."""

from data_pipelines import parallel


def test_parallel_run_gives_every_result():
    assert sorted(parallel.run(abs, [-3, 1, -2], workers=1)) == [1, 2, 3]
    assert list(parallel.run(abs, [])) == []
