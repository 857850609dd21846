"""Runs with the options of the step and of profiling."""

import pytest
from tensorboard_reader import read_scalars

from gsn_jax.errors import InputError
from gsn_jax.training.loop import train


@pytest.fixture
def accumulating(config):
    """Two micro-batches on each of eight devices."""
    config.train.steps = config.train.eval_every = 4
    config.train.checkpoint_every = 2
    config.data.batch_size, config.data.eval_fraction = 16, 0.0
    config.optimizer.accumulate = 2
    return config


@pytest.mark.slow
def test_a_run_with_all_of_them_is_traced_and_timed(accumulating, tmp_path, capsys):
    assert train(accumulating, tmp_path, profile=range(2, 4)).step == 4
    lines = capsys.readouterr().err
    assert "GFLOP per pair" in lines
    assert "step 4: loss" in lines
    assert "time: input" in lines
    assert "evaluation" in lines.split("time: ")[1]
    assert f"a trace of steps 2 to 3 is in {tmp_path / 'profile'}" in lines
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))
    scalars = read_scalars(tmp_path / "tensorboard")
    assert {"seconds/input", "seconds/step", "train/model_flops_per_second"} <= scalars.keys()
    # The same run with another accumulation, of which nothing but rounding depends.
    accumulating.optimizer.accumulate, accumulating.model.remat = 1, True
    assert train(accumulating, tmp_path, profile=range(2, 4)).step == 4
    assert "this run did not include steps 2 to 3" in capsys.readouterr().err


def test_micro_batches_that_do_not_divide_a_devices_part(accumulating, tmp_path):
    accumulating.optimizer.accumulate = 4
    with pytest.raises(InputError, match="2 pairs on each of 8 devices"):
        train(accumulating, tmp_path)
