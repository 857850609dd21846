"""Checkpoints of a state of two arrays: what is restored, and what damage leads to."""

import gc
import shutil
import warnings

import jax
import numpy as np
import pytest

from gsn_jax.training.checkpoints import Checkpoints
from gsn_jax.training.state import TrainState


def small_state(value):
    array = jax.numpy.full((3,), value, jax.numpy.float32)
    return TrainState(
        step=jax.numpy.int32(value),
        params={"kernel": array},
        ema={},
        opt_state={"momentum": array},
        key=jax.random.key_data(jax.random.key(0)),
        failed_step=jax.numpy.int32(-1),
    )


def abstract(state):
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), state
    )


@pytest.fixture
def saved(tmp_path):
    """A folder with the checkpoints of steps 1 and 2."""
    folder = tmp_path / "checkpoints"
    with Checkpoints(folder, keep=2) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, small_state(step), {"step": step})
    return folder


def restore(folder):
    with Checkpoints(folder, keep=2) as checkpoints:
        return checkpoints.restore(abstract(small_state(0)))


def test_the_newest_checkpoint_is_restored_with_its_metadata(saved):
    state, metadata = restore(saved)
    assert metadata["step"] == 2
    jax.tree.map(np.testing.assert_array_equal, state, small_state(2))


def test_an_empty_folder_restores_nothing(tmp_path):
    assert restore(tmp_path / "checkpoints") is None


@pytest.mark.parametrize("part", ["model", "progress"])
@pytest.mark.parametrize("damage", ["truncated", "absent"])
def test_a_damaged_part_sets_the_step_aside_and_leaves_no_coroutine(saved, part, damage):
    if damage == "absent":
        shutil.rmtree(saved / "2" / part)
    else:
        for file in (saved / "2" / part).rglob("*"):
            if file.is_file():
                file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        state, metadata = restore(saved)
        gc.collect()
    assert metadata["step"] == 1
    assert (saved.parent / "damaged" / "2").is_dir()
    jax.tree.map(np.testing.assert_array_equal, state, small_state(1))
    assert [str(w.message) for w in caught if "never awaited" in str(w.message)] == []
    assert [str(w.message).split(" (")[0] for w in caught if w.category is UserWarning] == [
        "checkpoint 2 cannot be read"
    ]


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def warned(caught):
    return [str(w.message) for w in caught if w.category is UserWarning]


@pytest.mark.slow
def test_a_flipped_bit_in_any_file_sets_the_step_aside(saved, tmp_path):
    files = [
        path.relative_to(saved / "2")
        for path in (saved / "2").rglob("*")
        if path.is_file() and path.name != "commit_success.txt"
    ]
    assert len(files) > 8
    for number, name in enumerate(files):
        folder = tmp_path / str(number) / "checkpoints"
        shutil.copytree(saved, folder)
        flip(folder / "2" / name)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with Checkpoints(folder, keep=2) as checkpoints:
                assert checkpoints.steps() == [1], name
        assert [text.split(" (")[0] for text in warned(caught)] == ["checkpoint 2 cannot be read"]


def test_older_checkpoints_without_checksums_are_restored(saved):
    (saved / "2" / "SHA256SUMS").unlink()
    assert restore(saved)[1]["step"] == 2


def test_an_empty_file_of_figures_sets_the_step_aside(tmp_path):
    folder = tmp_path / "checkpoints"
    with Checkpoints(folder, keep=2) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, small_state(step), {"step": step}, {"srcc": 0.5})
    (folder / "2" / "metrics" / "metrics").write_text("")
    (folder / "2" / "SHA256SUMS").unlink()
    with pytest.warns(UserWarning, match="checkpoint 2 cannot be read .metrics/metrics is damaged"):
        assert restore(folder)[1]["step"] == 1


@pytest.fixture
def evaluated(tmp_path):
    """A folder with the checkpoints of steps 1 to 4, of which 2 is the best."""
    folder = tmp_path / "checkpoints"
    with Checkpoints(folder, keep=4) as checkpoints:
        for step, srcc in enumerate((0.2, 0.9, 0.3, 0.4), start=1):
            checkpoints.save(step, small_state(step), {"step": step}, {"srcc": srcc})
    return folder


def deleted_in_part(folder, files):
    for file in files:
        file.unlink()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Checkpoints(folder, keep=2) as checkpoints:
            assert {2, 3, 4} <= set(checkpoints.steps())
            checkpoints.save(5, small_state(5), {"step": 5}, {"srcc": 0.5})
        assert sorted(path.name for path in folder.iterdir()) == ["2", "4", "5"]
    return warned(caught)


def test_the_rest_of_a_deleted_checkpoint_is_deleted(evaluated, tmp_path):
    """Whole but for its checksums it is not seen to be damaged."""
    names = [path.relative_to(evaluated) for path in (evaluated / "1").rglob("*") if path.is_file()]
    names.sort(key=lambda name: name.name == "SHA256SUMS")
    for case, deleted in enumerate((names[:1], names[: len(names) // 2], names[:-1], names[-1:])):
        folder = tmp_path / str(case) / "checkpoints"
        shutil.copytree(evaluated, folder)
        assert deleted_in_part(folder, [folder / name for name in deleted]) == []
        assert not (folder.parent / "damaged").exists()


def test_the_best_checkpoint_is_set_aside_when_it_is_damaged(evaluated):
    flip(next(path for path in (evaluated / "2" / "model").rglob("*") if path.is_file()))
    with pytest.warns(UserWarning, match="checkpoint 2 cannot be read"):
        Checkpoints(evaluated, keep=2).close()
    assert (evaluated.parent / "damaged" / "2").is_dir()
