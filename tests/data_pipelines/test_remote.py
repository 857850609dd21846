"""Tables and prepared sets at URLs, in fsspec's storage in memory."""

import fsspec
import numpy as np
import pytest
from small_data_sets import picture, save

import data_pipelines
from data_pipelines import catalogue, remote
from data_pipelines.tables import PairTable
from gsn_jax.errors import InputError


@pytest.fixture
def memory(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    storage = fsspec.filesystem("memory")
    yield storage
    storage.rm("/", recursive=True)


@pytest.fixture
def table(memory, tmp_path):
    """A table of two pairs at a URL."""
    for name in ("a.png", "sub/b.png", "sub/c.png"):
        save(tmp_path / "here", name)
    (tmp_path / "here" / "pairs.csv").write_text(
        "reference,distorted,score\na.png,sub/b.png,0.25\na.png,sub/c.png,1\n"
    )
    memory.put(str(tmp_path / "here"), "/bucket/set", recursive=True)
    return "memory://bucket/set/pairs.csv"


def test_a_table_is_copied_with_its_images(table):
    pairs = PairTable(remote.local_table(table))
    assert pairs.fields["distorted"].tolist() == ["sub/b.png", "sub/c.png"]
    np.testing.assert_array_equal(pairs[1]["distorted"], picture("c.png"))
    np.testing.assert_array_equal(pairs[1]["reference"], picture("a.png"))


def test_only_what_has_changed_is_fetched_again(table, memory, tmp_path, monkeypatch):
    remote.local_table(table)
    fetched = []
    real = memory.get_file
    monkeypatch.setattr(
        type(memory),
        "get_file",
        lambda self, path, target, **options: fetched.append(path) or real(path, target, **options),
    )
    remote.local_table(table)
    assert fetched == []
    save(tmp_path, "new.png")
    memory.put_file(str(tmp_path / "new.png"), "/bucket/set/sub/b.png")
    copy = remote.local_table(table)
    assert fetched == ["/bucket/set/sub/b.png"]
    np.testing.assert_array_equal(PairTable(copy)[0]["distorted"], picture("new.png"))
    (copy.parent / "a.png").unlink()
    remote.local_table(table)
    assert fetched[1:] == ["/bucket/set/a.png"]


def test_what_is_missing_is_listed(table, memory):
    memory.rm("/bucket/set/sub/c.png")
    with pytest.raises(InputError, match=r"pairs.csv: no such files: /bucket/set/sub/c.png$"):
        remote.local_table(table)
    with pytest.raises(InputError, match=r"other.csv: no such files: /bucket/set/other.csv$"):
        remote.local_table("memory://bucket/set/other.csv")


@pytest.mark.parametrize("name", ["../secret.png", "/etc/x.png", "memory://bucket/x.png"])
def test_images_outside_the_tables_folder_are_refused(table, memory, name):
    memory.pipe_file("/bucket/set/bad.csv", f"reference,distorted\na.png,{name}\n".encode())
    with pytest.raises(InputError, match=f"bad.csv, line 2: {name} is not below the table's"):
        remote.local_table("memory://bucket/set/bad.csv")


def test_files_of_a_folder_stay_in_it(memory, monkeypatch, tmp_path):
    """A bucket's names are any text."""
    bad = "/bucket/sets/csiq/../../evil"
    with monkeypatch.context() as patch:
        patch.setattr(type(memory), "find", lambda *_: ["/bucket/sets/csiq/..fine", bad])
        with pytest.raises(InputError, match=r"csiq: the name /bucket/sets/csiq/../../evil leads"):
            remote.local_folder("memory://bucket/sets/csiq")
    memory.pipe_file("/bucket/sets/csiq/..fine", b"")
    assert (remote.local_folder("memory://bucket/sets/csiq") / "..fine").is_file()
    assert not list(tmp_path.rglob("evil"))


def test_a_storage_that_nobody_knows():
    with pytest.raises(InputError, match=r"^nowhere://a/b.csv: cannot be read \(Protocol not"):
        remote.local_table("nowhere://a/b.csv")


def test_a_prepared_set_is_read_from_a_url(memory, tmp_path, monkeypatch):
    save(tmp_path / "from", "a.png")
    (tmp_path / "from" / "scores.csv").write_text("reference,distorted,score\na.png,a.png,0.5\n")
    catalogue.prepare("iqa_table", tmp_path / "from", tmp_path / "sets")
    memory.put(str(tmp_path / "sets"), "/bucket/sets", recursive=True)
    monkeypatch.setenv("TFDS_DATA_DIR", "memory://bucket/sets")
    pairs = data_pipelines.load("iqa_table")
    np.testing.assert_array_equal(pairs[0]["distorted"], picture("a.png"))
    with pytest.raises(InputError, match=r"csiq is not in memory://bucket/sets; prepare it in a"):
        data_pipelines.load("csiq")
    with pytest.raises(InputError, match="data sets are prepared in a local folder"):
        catalogue.prepare("iqa_table", tmp_path / "from")
