"""The journal by itself; interrupted commands are in tests/gsn_jax/cli/test_score_tables.py."""

import contextlib
import os

import pytest

from gsn_jax.errors import InputError
from gsn_jax.images.alignment import Shift
from gsn_jax.scoring.journal import open_journal
from gsn_jax.scoring.pairs import ScoredPair, pairs_of_files

RUN = {"metrics": {"psnr": ""}}


class Stopped(Exception):
    pass


@pytest.fixture
def pairs(tmp_path):
    for name in ("r.png", "a.png", "b.png", "c.png"):
        (tmp_path / name).write_text(name)
    return pairs_of_files(str(tmp_path / "r.png"), [str(tmp_path / f"{n}.png") for n in "abc"])


@pytest.fixture
def table(tmp_path, pairs):
    """A table whose run was interrupted after two pairs, of which one failed."""
    path = tmp_path / "s.csv"
    with contextlib.suppress(Stopped), open_journal(path, pairs, RUN) as journal:
        journal.add(2, ScoredPair(pairs[2], {"psnr": 0.1 + 0.2}))
        journal.add(1, ScoredPair(pairs[1], {}, "no image"))
        raise Stopped
    return path


def test_what_was_scored_is_there_again(table, pairs):
    with open_journal(table, pairs, RUN) as journal:
        assert journal.scored == {2: ScoredPair(pairs[2], {"psnr": 0.1 + 0.2})}
    with open_journal(table, pairs, RUN) as journal:  # the last context has finished the table
        assert journal.scored == {}


def test_what_other_processes_keep_is_gathered_whole(tmp_path, pairs):
    table, moved = tmp_path / "s.csv", Shift(0.5, -2.0)
    mine = ScoredPair(pairs[0], {"psnr": 30.0}, tiles=({"psnr": 29.0}, {"psnr": 31.0}))
    its = ScoredPair(pairs[1], {"psnr": 20.0}, tiles=({"psnr": 19.0},), shift=moved)
    failed = ScoredPair(pairs[2], {}, "no image")
    with open_journal(table, pairs, RUN) as journal:
        journal.add(0, mine)
        with open_journal(table, pairs, RUN, process=1) as other:
            other.add(1, its)
            other.add(2, failed)
        journal.close()
        journal.gather()
        assert journal.scored == {0: mine, 1: its, 2: failed}


def test_nothing_is_left_of_a_finished_run(table, pairs, tmp_path):
    assert (tmp_path / ".s.csv.partial").exists()
    with open_journal(table, pairs, RUN):
        pass
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_another_run_starts_anew(table, pairs):
    with open_journal(table, pairs, {"metrics": {"ssim": ""}}) as journal:
        assert journal.scored == {}


def test_a_pair_whose_file_has_changed_is_scored_again(table, pairs):
    os.utime(pairs[2].files[1], ns=(1, 1))
    with open_journal(table, pairs, RUN) as journal:
        assert journal.scored == {}


def test_a_file_that_changes_after_it_was_decoded_is_scored_again(tmp_path, pairs):
    table = tmp_path / "s.csv"
    with contextlib.suppress(Stopped), open_journal(table, pairs, RUN) as journal:
        os.utime(pairs[0].files[1], ns=(1, 1))  # while it is scored
        journal.add(0, ScoredPair(pairs[0], {"psnr": 1.0}))
        raise Stopped
    with open_journal(table, pairs, RUN) as journal:
        assert journal.scored == {}


def test_two_runs_at_once_are_refused(table, pairs):
    with (
        open_journal(table, pairs, RUN),
        pytest.raises(InputError, match=r"s\.csv: another run is writing this table; wait for it"),
        open_journal(table, pairs, RUN),
    ):
        pass


def test_a_link_in_its_place_is_refused(pairs, tmp_path):
    (tmp_path / "precious").write_text("somebody's")
    (tmp_path / ".s.csv.partial").symlink_to("precious")
    with (
        pytest.raises(InputError, match=r"\.s\.csv\.partial: cannot be written"),
        open_journal(tmp_path / "s.csv", pairs, RUN),
    ):
        pass
    assert (tmp_path / "precious").read_text() == "somebody's"
