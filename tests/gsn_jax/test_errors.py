"""What a disk that cannot be written leads to, whatever library notices it."""

import errno
from pathlib import Path

import pytest

from gsn_jax import cli
from gsn_jax.errors import InputError, about, counted, disk_failure, refused_path
from gsn_jax.training.run_folder import why_unwritable


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (
            ValueError('RESOURCE_EXHAUSTED: Failed writing: "/a": No space left on device [28]'),
            "No space left on device",
        ),
        (RuntimeError("write() failed: Disk quota exceeded; writing /a"), "Disk quota exceeded"),
        (OSError(errno.ENOENT, "No such file"), None),
        (ValueError("wrong"), None),
    ],
)
def test_the_reason_is_found_in_any_error(error, reason):
    assert disk_failure(error) == reason


def test_a_file_is_named_once():
    assert about("a.png", InputError("damaged")) == "a.png: damaged"
    assert about(Path("a.png"), InputError("a.png: damaged")) == "a.png: damaged"


def test_a_refused_path_is_one_line(monkeypatch, capsys):
    """As root, which tests may run as, nothing is refused, so the error is raised by hand."""

    def refused(**_):
        raise PermissionError(errno.EACCES, "Permission denied", "/data/private")

    monkeypatch.setattr(cli.cli, "main", refused)
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert capsys.readouterr().err == (
        "gsn: /data/private: cannot be read or written (Permission denied); check its permissions, "
        "or name another\n"
    )


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "Permission denied"), FileNotFoundError(2, "no", "x")]
)
def test_other_errors_are_not_explained_by_a_path(error):
    assert refused_path(error) is None


def test_a_folder_that_was_removed_during_the_training(tmp_path):
    gone = tmp_path / "run"
    error = FileNotFoundError(errno.ENOENT, "No such file", str(gone / "checkpoints" / "2"))
    assert why_unwritable(gone, error) == "the folder has been removed"
    assert why_unwritable(gone, ValueError("a fault of another kind")) is None
    gone.mkdir()
    (gone / "config.json").write_text("{}")
    assert why_unwritable(gone, error) is None


def test_the_removed_folder_may_have_been_given_as_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="run/evaluations") as caught:
        Path("run/evaluations.csv").write_text("")
    assert why_unwritable("run", caught.value) == "the folder has been removed"
    assert why_unwritable("other", caught.value) is None


def test_one_thing_is_in_the_singular():
    assert [counted(count, "pair") for count in (0, 1, 2)] == ["0 pairs", "1 pair", "2 pairs"]
