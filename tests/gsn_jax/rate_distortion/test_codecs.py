"""Codecs of libraries and programs: sizes, versions, what is refused."""

import io
import shlex
import sys

import numpy as np
import pytest
from PIL import Image

from gsn_jax.errors import InputError
from gsn_jax.rate_distortion import codecs

# A program that encodes as JPEG.
SCRIPT = (
    "import sys; from PIL import Image; "
    "Image.open(sys.argv[1]).save(sys.argv[2], 'JPEG', quality=int(sys.argv[3]))"
)
PROGRAM = f"{shlex.quote(sys.executable)} -c {shlex.quote(SCRIPT)} {{in}} {{out}}"


def available(name):
    try:
        return bool(codecs.LIBRARY[name].identity())
    except InputError:
        return False


@pytest.mark.parametrize("name", codecs.LIBRARY)
def test_a_higher_quality_is_nearer_and_larger(name, photo):
    if not available(name):
        pytest.skip(f"{name} is not in the libraries that are installed")
    (codec,) = codecs.choose([name], [], [])
    files = [codec.encode(photo, quality) for quality in (30, 90)]
    errors = [np.square(codec.decode(data) - photo.astype(float)).mean() for data in files]
    assert len(files[0]) < len(files[1])
    assert errors[0] > errors[1]
    assert errors[1] < 60
    assert files[0] == codec.encode(photo, 30)


def test_jpeg_is_pillows(photo):
    (codec,) = codecs.choose(["jpeg"], [], [])
    target = io.BytesIO()
    Image.fromarray(photo).save(target, "JPEG", quality=40, subsampling=2, optimize=True)
    assert codec.encode(photo, 40) == target.getvalue()
    assert codec.is_readable(target.getvalue())
    assert codecs.suffix_of(target.getvalue(), "") == ".jpg"


def test_a_program(photo):
    (codec,) = codecs.choose([], [f"mine={PROGRAM} {{q}}"], [])
    target = io.BytesIO()
    Image.fromarray(photo).save(target, "JPEG", quality=55)
    data = codec.encode(photo, 55)
    assert data == target.getvalue()
    np.testing.assert_array_equal(codec.decode(data), np.asarray(Image.open(target)))
    assert codec.is_readable(data)


def test_a_program_with_a_decoder(photo):
    decoder = f"mine={PROGRAM.replace('JPEG', 'PNG')} 1"
    (codec,) = codecs.choose([], [f"mine={PROGRAM} {{q}}"], [decoder])
    data = codec.encode(photo, 55)
    np.testing.assert_array_equal(codec.decode(data), np.asarray(Image.open(io.BytesIO(data))))
    assert not codec.is_readable(data)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (f"{shlex.quote(sys.executable)} -c 'exit(3)' {{in}} {{out}} {{q}}", "exit code 3"),
        (f"{shlex.quote(sys.executable)} -c pass {{in}} {{out}} {{q}}", "wrote 0 files"),
    ],
)
def test_a_program_that_fails(photo, command, message):
    (codec,) = codecs.choose([], [f"mine={command}"], [])
    with pytest.raises(InputError, match=message):
        codec.encode(photo, 50)


def test_what_cannot_be_decoded():
    (library,) = codecs.choose(["jpeg"], [], [])
    with pytest.raises(InputError, match=r"^the file that jpeg encoded cannot .*; choose another"):
        library.decode(b"nothing")
    (program,) = codecs.choose([], [f"mine={PROGRAM} {{q}}"], [])
    with pytest.raises(InputError, match=r"give --decoder 'mine=PROGRAM \{in\} \{out\}'$"):
        program.decode(b"nothing")


def test_a_decoder_that_writes_no_image():
    copy = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
    decoder = f"mine={shlex.quote(sys.executable)} -c {shlex.quote(copy)} {{in}} {{out}}"
    (codec,) = codecs.choose([], [f"mine={PROGRAM} {{q}}"], [decoder])
    with pytest.raises(InputError, match=r"^mine: .*cannot be decoded") as caught:
        codec.decode(b"nothing")
    assert str(caught.value).endswith("; it must write PNG")
    assert "--decoder" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "encoders", "decoders", "message"),
    [
        (["gif"], [], [], "no such codec; choose from jpeg, webp"),
        (["jpeg", "jpeg"], [], [], "two codecs are named jpeg"),
        ([], ["x=enc {in} {out}"], [], "lacks {q}"),
        ([], ["enc {in} {out} {q}"], [], "give a name and a command"),
        ([], ["x y=enc {in} {out} {q}"], [], "as in --encoder 'NAME=PROGRAM {in} {out} -q {q}'"),
        ([], [], ["dec"], "as in --decoder 'NAME=PROGRAM {in} {out}'"),
        ([], ["x=enc '{in} {out} {q}"], [], "No closing quotation"),
        ([], [], ["x=dec {in} {out}"], "no --encoder has that name"),
        ([], [], ["x=a {in} {out}", "x=b {in} {out}"], "--decoder x: given twice"),
        ([], ["x=enc {in} {out} {q}"], [], "x: no such program: enc"),
        ([], [f"x={PROGRAM} {{q}}"], ["x=dec {in} {out}"], "x: no such program: dec"),
    ],
)
def test_bad_choices(names, encoders, decoders, message):
    with pytest.raises(InputError, match=message):
        codecs.choose(names, encoders, decoders)
