import pytest

pytest.importorskip("apache_beam", reason="needs the extra [beam]")

from gsn_jax.serving.beam import units
from gsn_jax.serving.beam.units import Task


def tasks(count):
    return [Task(row, "r", f"d{row}", "/r.png", f"/d{row}.png", "") for row in range(count)]


def test_units_do_not_depend_on_the_order_of_arrival(rng):
    elements = [tuple(task) for task in tasks(150)]
    shuffled = [elements[index] for index in rng.permutation(150)]
    made = list(units.units_of("000000-128x128", shuffled))
    assert made == list(units.units_of("000000-128x128", elements))
    assert [len(part) for _, part in made] == [64, 64, 22]
    assert [row for _, part in made for row, *_ in part] == list(range(150))


def test_groups_are_blocks_and_size_classes():
    (task,) = tasks(1)
    late = task._replace(row=2048)
    assert units.group_of(task, (128, 128)) == "000000-160x160"
    assert units.group_of(late, (140, 170)) == "000002-288x288"
    assert units.group_of(task, (100, 400)) == "000000-512x128"
    assert units.group_of(task, (100, 4000)) == "000000-tiled"
    assert units.group_of(task, None) == "000000-unreadable"


def test_kept_units_are_of_the_same_pairs_files_and_run(tmp_path):
    some = tasks(3)
    folder = tmp_path / "units"
    folder.mkdir()
    kept = units.KeptUnits(str(folder), "run")
    assert kept.load("a", some) == {}
    kept.save("a", some, {0: {"psnr": 0.1 + 0.2}, 2: {"psnr": float("inf")}})
    assert kept.load("a", some) == {0: {"psnr": 0.1 + 0.2}, 2: {"psnr": float("inf")}}
    assert kept.load("a", some[:2]) == {}
    assert kept.load("a", [*some[:2], some[2]._replace(stamp="later")]) == {}
    assert units.KeptUnits(str(folder), "another").load("a", some) == {}
    (path,) = folder.iterdir()
    path.write_text('{"0": ')
    assert kept.load("a", some) == {}
