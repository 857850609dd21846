import contextlib
import json
import os
import resource

import pytest

from gsn_jax.scoring.store import Store, decode, encode

RUN = {"metrics": ["psnr"], "version": 1}


def add(store, key):
    """A row like its key."""
    with contextlib.closing(store):
        store.add(key, key)


def test_rows_are_there_again(tmp_path):
    path = tmp_path / "rows"
    store = Store(path, RUN)
    assert store.rows == {}
    store.add(3, {"psnr": 0.1 + 0.2})
    store.add("name", [float("inf"), None])
    store.add(3, {"psnr": 31.5})
    store.close()
    again = Store(path, RUN)
    assert again.rows == {3: {"psnr": 31.5}, "name": [float("inf"), None]}
    again.add(4, "more")
    again.close()
    assert list(Store(path, RUN).rows) == [3, "name", 4]


def test_on_a_full_disk_no_file_stays(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            Store(tmp_path / "rows", RUN).open()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_a_row_that_was_being_written_is_dropped(tmp_path):
    """At whatever byte a process was killed, the rows before are there and more can be added."""
    whole = encode(RUN, {0: {"psnr": 1.5}, 1: {"psnr": 2.5}})
    for length in range(len(whole)):
        path = tmp_path / str(length)
        path.write_bytes(whole[:length])
        store = Store(path, RUN)
        assert store.rows == dict(list(decode(whole)[1].items())[: len(store.rows)])
        store.add(9, "later")
        store.close()
        assert Store(path, RUN).rows == store.rows
        for line in path.read_bytes().splitlines():
            json.loads(line)


def test_adding_goes_on_after_closing(tmp_path):
    """Also behind a damaged tail, which the first row replaces."""
    path = tmp_path / "rows"
    path.write_bytes(encode(RUN, {0: "whole"}) + b'[1, "half')
    store = Store(path, RUN)
    for key in (1, 2, 3):
        add(store, key)
    assert Store(path, RUN).rows == {0: "whole", 1: 1, 2: 2, 3: 3}


@pytest.mark.parametrize("content", [b"", b"\0\1", b"[]\n", b'{"other": 1}\n', b"null\n[1, 2]\n"])
def test_what_is_no_store_has_no_rows(tmp_path, content):
    path = tmp_path / "rows"
    path.write_bytes(content)
    store = Store(path, RUN)
    assert (store.rows, store.found) == ({}, None)
    add(store, 1)
    assert Store(path, RUN).rows == {1: 1}


def test_rows_of_another_run_are_left_out(tmp_path):
    path = tmp_path / "rows"
    add(Store(path, RUN), 1)
    other = Store(path, {**RUN, "version": 2})
    assert (other.rows, other.found) == ({}, RUN)
    assert Store(path, RUN).rows == {1: 1}  # opening it has changed nothing
    add(other, 2)
    assert Store(path, RUN).rows == {}


def test_rows_are_replaced_at_once(tmp_path):
    path = tmp_path / "rows"
    store = Store(path, RUN)
    add(store, 0)
    store.add(1, 1)
    store.replace({7: "new"})
    add(store, 8)
    assert Store(path, RUN).rows == {7: "new", 8: 8}
    assert [file.name for file in tmp_path.iterdir()] == ["rows"]


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("somebody's")
    (tmp_path / "rows").symlink_to("precious")
    with pytest.raises(OSError, match="symbolic links"):
        Store(tmp_path / "rows", RUN)
    assert (tmp_path / "precious").read_text() == "somebody's"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "rows")
    with pytest.raises(OSError, match="is not a regular file"):
        Store(tmp_path / "rows", RUN)
