"""The files of a data set: archives of every kind, and names in any case."""

import io
import tarfile
import zipfile

import pytest

from data_pipelines import catalogue
from data_pipelines.builders import inputs as inputs_module
from data_pipelines.builders.inputs import Inputs
from gsn_jax.errors import InputError


@pytest.mark.parametrize("member", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt"])
@pytest.mark.parametrize("ending", ["zip", "tar"])
def test_archives_that_would_write_elsewhere_are_refused(tmp_path, member, ending):
    archive = tmp_path / f"tid2013.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(member, "x")
    else:
        with tarfile.open(archive, "w") as file:
            file.addfile(tarfile.TarInfo(member), io.BytesIO())
    (tmp_path / "out").mkdir()
    if ending == "tar" and member.startswith("/"):  # tarfile strips the leading slash
        inputs_module.unpack(archive, tmp_path / "out", lambda *args: None)
        assert (tmp_path / "out" / "tmp" / "evil.txt").exists()
        return
    with pytest.raises(InputError, match="unsafe to unpack"):
        inputs_module.unpack(archive, tmp_path / "out", lambda *args: None)
    assert not list(tmp_path.rglob("evil.txt"))


def test_an_archive_with_an_entry_for_its_own_folder(tmp_path):
    archive = tmp_path / "tid2013.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("./", "")
        file.writestr("./a.txt", "x")
    inputs_module.unpack(archive, tmp_path / "out", lambda *args: None)
    assert (tmp_path / "out" / "a.txt").read_text() == "x"


@pytest.mark.parametrize("ending", ["zip", "tar"])
def test_damaged_archives(tmp_path, ending):
    (tmp_path / f"tid2013.{ending}").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match="damaged archive"):
        catalogue.prepare("tid2013", tmp_path, tmp_path / "data")


def test_what_a_mac_adds_is_not_read(tmp_path):
    for name in ("__MACOSX/images/x.png", "images/._x.png", "images/y.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with Inputs(tmp_path, (), tmp_path, lambda *args: None) as found:
        assert found.find("images/x.png") is None
        assert found.find("._x.png") is None
        assert found.find("Images/Y.PNG") == tmp_path / "images" / "y.png"


def test_encrypted_archives(tmp_path):
    archive = tmp_path / "tid2013.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.txt", "x")
    data = bytearray(archive.read_bytes())
    data[6] |= 1  # "encrypted", in the local header and in the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(InputError, match=r"tid2013\.zip: cannot be unpacked .*unpack it yourself"):
        catalogue.prepare("tid2013", tmp_path, tmp_path / "data")


def archived(ending):
    """An archive with one file of labels."""
    content = io.BytesIO()
    if ending.startswith("zip"):
        kind = getattr(zipfile, f"ZIP_{ending.partition('.')[2].upper()}")
        with zipfile.ZipFile(content, "w", kind) as file:
            file.writestr("labels.txt", b"label\n" * 200)
    else:
        with tarfile.open(fileobj=content, mode=f"w:{ending.partition('.')[2]}") as file:
            member = tarfile.TarInfo("labels.txt")
            member.size = 1200
            file.addfile(member, io.BytesIO(b"label\n" * 200))
    return content.getvalue()


@pytest.mark.parametrize(
    "ending",
    ["zip.stored", "zip.deflated", "zip.bzip2", "zip.lzma", "tar.", "tar.gz", "tar.bz2", "tar.xz"],
)
def test_a_flipped_byte_anywhere_is_one_line_or_harmless(tmp_path, ending, rng):
    content = archived(ending)
    name = "x.zip" if ending.startswith("zip") else f"x.{ending}".rstrip(".")
    found = 0
    for place in rng.integers(0, len(content), 40):
        (tmp_path / name).write_bytes(
            content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]
        )
        out = tmp_path / f"out{place}"
        out.mkdir(exist_ok=True)
        try:
            inputs_module.unpack(tmp_path / name, out, lambda *args: None)
        except InputError:  # one line by definition
            found += 1
    assert found or ending == "tar."


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("tid2013", "mos_with_names.txt"),
        ("kadid10k", "dmos.csv"),
        ("pipal", "Train_Label/A0001.txt"),
    ],
)
def test_labels_that_are_not_utf_8_are_one_line(tmp_path, name, table):
    file = tmp_path / "manual" / table
    file.parent.mkdir(parents=True)
    file.write_bytes(b"5.5 caf\xe9.bmp\n")
    with pytest.raises(InputError, match=r"not UTF-8 text; download it again"):
        catalogue.prepare(name, tmp_path / "manual", tmp_path / "data")
