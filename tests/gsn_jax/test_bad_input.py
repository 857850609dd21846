"""Whatever is given to `gsn score`: one clear line and exit code 2, and nothing else is lost.

How each format is decoded or refused is tested in `tests/gsn_jax/images/`; here is what a user
sees of it.
"""

import csv
import io
import os
import re
import struct
import subprocess
import sys
import zlib

import command_line
import cv2
import imagecodecs
import jpeg_xl_files
import numpy as np
import pytest
from command_line import rows_of
from image_files import with_chunks
from PIL import Image

from gsn_jax import cli

PIXELS = np.random.default_rng(0).integers(0, 256, size=(12, 16, 3), dtype=np.uint8)


def image():
    return Image.fromarray(PIXELS)


def png_promising(width, height, depth=8, data=b"\0"):
    """A PNG whose header says any size."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def encoded(suffix, **options):
    buffer = io.BytesIO()
    image().save(buffer, suffix, **options)
    return buffer.getvalue()


def bmp_promising_too_much():
    data = bytearray(encoded("BMP"))
    data[18:26] = struct.pack("<ii", 16, 4000)
    return bytes(data)


def with_bytes(content):
    return lambda path: path.write_bytes(content() if callable(content) else content)


def with_image(make, **options):
    return lambda path: make().save(path, **options)


def frames(path):
    image().save(path, save_all=True, append_images=[image().rotate(180)])


def transparent():
    rgba = image().convert("RGBA")
    rgba.putalpha(100)
    return rgba


def float_tiff(value):
    def save(path):
        values = np.full((12, 16, 3), value, np.float32)
        cv2.imwrite(str(path), values, [cv2.IMWRITE_TIFF_COMPRESSION, 1])

    return save


def changed(data, marker, offset, content):
    """Data with other bytes behind a marker."""
    place = data.index(marker) + len(marker) + offset
    return data[:place] + content + data[place + len(content) :]


def avif(**options):
    return encoded("AVIF", **options)


def avif_of_size(width, height):
    return changed(avif(), b"ispe", 4, struct.pack(">II", width, height))


def avif_of_colours(primaries, transfer):
    return changed(avif(), b"nclx", 0, struct.pack(">HH", primaries, transfer))


def jpeg_xl():
    return imagecodecs.jpegxl_encode(PIXELS, lossless=True)


def jpeg2000_of_size(width, height):
    data = encoded("JPEG2000")
    return changed(data, b"\xff\x4f\xff\x51", 4, struct.pack(">II", width, height))


def qoi():
    return imagecodecs.qoi_encode(PIXELS)


def heic(*, images=1, **options):
    pillow_heif = pytest.importorskip("pillow_heif")
    file = pillow_heif.HeifFile()
    for _ in range(images):
        file.add_frombytes("RGB", (16, 12), PIXELS.tobytes())
    buffer = io.BytesIO()
    file.save(buffer, save_all=True, **options)
    return buffer.getvalue()


def heic_of_size(width, height):
    return changed(heic(), b"ispe", 4, struct.pack(">II", width, height))


def pfm(width=16, height=12):
    return b"PF\n%d %d\n-1.0\n" % (width, height) + np.float32(PIXELS / 255).tobytes()


def png_in_pq():
    return with_chunks(encoded("PNG"), (b"cICP", bytes([9, 16, 0, 1])))


def unreadable(path):
    path.symlink_to(path)  # also for root, who may read everything


# name of the case -> file name, what makes it, what the line says
IMAGES = {
    "missing": ("x.png", lambda path: None, "no such file; check the path"),
    "folder_called_png": ("x.png", lambda path: path.mkdir(), "is a folder"),
    "empty": ("x.png", lambda path: path.touch(), "unknown format"),
    "text": ("x.png", with_bytes(b"hello"), "unknown format"),
    "html_error_page": ("x.jpg", with_bytes(b"<html>404</html>"), "unknown format"),
    "signature_only": ("x.png", with_bytes(b"\x89PNG\r\n\x1a\n"), "not an image"),
    "zeros": ("x.jpg", with_bytes(bytes(4096)), "unknown format"),
    "tga": ("x.tga", with_image(image), "give a PNG, JPEG, WebP, TIFF, .* or GIF file"),
    "tga_called_png": ("x.png", with_image(image, format="TGA"), "give a PNG"),
    "animated_gif": ("x.gif", frames, "has 2 frames"),
    "pipe": ("x.png", os.mkfifo, "is a pipe or a device, not an image file"),
    "device": ("x.png", lambda path: path.symlink_to("/dev/zero"), "is a pipe or a device"),
    "svg": ("x.svg", with_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "unknown format"),
    "postscript": ("x.png", with_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n"), "unknown format"),
    "numpy_pickle": ("x.png", with_bytes(b"\x93NUMPY\x01\x00"), "unknown format"),
    "truncated_png": ("x.png", with_bytes(lambda: encoded("PNG")[:-100]), "truncated"),
    "truncated_jpeg": ("x.jpg", with_bytes(lambda: encoded("JPEG")[:-60]), "truncated"),
    "truncated_webp": ("x.webp", with_bytes(lambda: encoded("WEBP")[:-60]), "not an image|trunc"),
    "truncated_tiff": ("x.tif", with_bytes(lambda: encoded("TIFF")[:60]), "not an image|trunc"),
    "truncated_bmp": ("x.bmp", with_bytes(lambda: encoded("BMP")[:-60]), "truncated"),
    "broken_checksum": (
        "x.png",
        with_bytes(lambda: encoded("PNG").replace(b"IDAT", b"IDAX")),
        "not an image|damaged",
    ),
    "header_promises_more": ("x.png", with_bytes(png_promising(16, 12)), "truncated"),
    "bmp_promises_more": ("x.bmp", with_bytes(bmp_promising_too_much), "truncated|differs"),
    "decompression_bomb": (
        "x.png",
        with_bytes(lambda: png_promising(60_000, 60_000, data=bytes(10**6))),
        "beyond the limit of 80,000,000 pixels",
    ),
    "bomb_under_pillows_limit": (
        "x.png",
        with_bytes(lambda: png_promising(9_500, 9_500)),
        "9500 x 9500 pixels is beyond",
    ),
    "zero_size": ("x.png", with_bytes(png_promising(0, 0)), "not an image"),
    "zero_width": ("x.png", with_bytes(png_promising(0, 12)), "not an image"),
    "odd_bit_depth": ("x.png", with_bytes(png_promising(16, 12, depth=7)), "not an image"),
    "cmyk": ("x.jpg", with_image(lambda: image().convert("CMYK")), "colour mode CMYK"),
    "transparent": ("x.png", with_image(transparent), "--alpha black"),
    "transparent_palette": (
        "x.png",
        with_image(lambda: image().quantize(8), transparency=0),
        "transparent pixels",
    ),
    "broken_profile": ("x.png", with_image(image, icc_profile=b"none" * 40), "colour profile"),
    "animated_png": ("x.png", frames, "has 2 frames"),
    "animated_webp": ("x.webp", frames, "has 2 frames"),
    "several_pages": ("x.tif", frames, "has 2 frames"),
    "float_in_255": ("x.tif", float_tiff(200.0), "divide 8-bit values by 255"),
    "float_negative": ("x.tif", float_tiff(-0.25), "scale or clip"),
    "float_nan": ("x.tif", float_tiff(np.nan), "not finite"),
    "other_size": ("x.png", with_image(lambda: image().resize((16, 11))), "16 x 11 differs from"),
    "turned": ("x.png", with_image(lambda: image().rotate(90, expand=True)), "12 x 16 differs"),
    "truncated_avif": ("x.avif", with_bytes(lambda: avif()[:-90]), "not an image|truncated"),
    "truncated_jpeg_xl": ("x.jxl", with_bytes(lambda: jpeg_xl()[:-40]), "truncated"),
    "jpeg_xl_signature": ("x.jxl", with_bytes(b"\xff\x0a"), "not an image .*ends within"),
    "truncated_jpeg_2000": ("x.jp2", with_bytes(lambda: encoded("JPEG2000")[:-90]), "truncated"),
    "truncated_heic": ("x.heic", with_bytes(lambda: heic()[:-90]), "not an image|truncated"),
    "truncated_qoi": ("x.qoi", with_bytes(lambda: qoi()[:-90]), "truncated"),
    "truncated_pfm": ("x.pfm", with_bytes(lambda: pfm()[:-1]), "truncated"),
    "truncated_gif": ("x.gif", with_bytes(lambda: encoded("GIF")[:-90]), "truncated"),
    "truncated_ppm_of_16_bits": (
        "x.ppm",
        with_bytes(b"P6 16 12 65535\n" + bytes(1000)),
        "truncated",
    ),
    "avif_bomb": ("x.avif", with_bytes(lambda: avif_of_size(60_000, 60_000)), "limit|not an image"),
    "avif_stream_larger_than_its_header": (
        "x.avif",
        with_bytes(lambda: avif_of_size(8, 12)),
        "its headers disagree about the size",
    ),
    "avif_stream_smaller_than_its_header": (
        "x.avif",
        with_bytes(lambda: avif_of_size(8000, 8000)),
        "its headers disagree about the size",
    ),
    "jpeg_xl_bomb": (
        "x.jxl",
        with_bytes(b"\xff\x0a\xfe\xff\xff\xff\x13" + bytes(99)),
        "1073741824 x 1073741824 pixels is beyond the limit",
    ),
    "jpeg_2000_bomb": (
        "x.jp2",
        with_bytes(lambda: jpeg2000_of_size(60_000, 60_000)),
        "disagree about the size|not an image|beyond the limit",
    ),
    "jpeg_2000_codestream_bomb": (
        "x.j2k",
        with_bytes(lambda: jpeg2000_of_size(60_000, 60_000).partition(b"jp2c")[2]),
        "beyond the limit",
    ),
    "heic_bomb": ("x.heic", with_bytes(lambda: heic_of_size(60_000, 60_000)), "limit|not an image"),
    "heic_header_of_another_size": (
        "x.heic",
        with_bytes(lambda: heic_of_size(8000, 8000)),
        "truncated|not an image",
    ),
    "qoi_bomb": (
        "x.qoi",
        with_bytes(lambda: changed(qoi(), b"qoif", 0, struct.pack(">II", 9999, 9999))),
        "9999 x 9999 pixels is beyond the limit",
    ),
    "qoi_promises_more": (
        "x.qoi",
        with_bytes(lambda: changed(qoi(), b"qoif", 0, struct.pack(">II", 16, 4000))),
        "truncated|differs",
    ),
    "pfm_bomb": ("x.pfm", with_bytes(lambda: pfm(10**8, 10**8)), "beyond the limit"),
    "gif_bomb": (
        "x.gif",
        with_bytes(lambda: changed(encoded("GIF"), b"GIF8", 2, struct.pack("<HH", 9999, 9999))),
        "beyond the limit",
    ),
    "animated_avif": ("x.avif", frames, "has 2 frames"),
    "animated_jpeg_xl": (
        "x.jxl",
        with_bytes(lambda: jpeg_xl_files.read("animated")),
        "is animated; extract the frame",
    ),
    "several_images_in_heic": ("x.heic", with_bytes(lambda: heic(images=2)), "has 2 images"),
    "pq_in_png": ("x.png", with_bytes(png_in_pq), "is an HDR image .PQ."),
    "pq_in_avif": ("x.avif", with_bytes(lambda: avif_of_colours(9, 16)), "HDR image .PQ."),
    "hlg_in_avif": ("x.avif", with_bytes(lambda: avif_of_colours(9, 18)), "HDR image .HLG."),
    "pq_in_jpeg_xl": ("x.jxl", with_bytes(lambda: jpeg_xl_files.read("pq")), "HDR image .PQ."),
    "hlg_in_heic": (
        "x.heic",
        with_bytes(lambda: heic(color_primaries=9, transfer_characteristics=18)),
        "HDR image .HLG.",
    ),
    "wrong_code_points_in_avif": (
        "x.avif",
        with_bytes(lambda: avif_of_colours(77, 13)),
        "CICP primaries 77, transfer 13. is not supported",
    ),
    "link_to_itself": ("x.png", unreadable, "cannot be read .Too many levels"),
    "link_to_nothing": ("x.png", lambda path: path.symlink_to("gone.png"), "no such file"),
    "not_utf8": (os.fsdecode(b"x\xff.png"), lambda path: None, r"x\\xff.png: no such file"),
    "line_break": ("x\ny.png", lambda path: None, "x y.png: no such file"),
    "name_too_long": ("x" * 300 + ".png", lambda path: None, "cannot be read .File name too"),
}


@pytest.fixture
def folder(tmp_path):
    image().save(tmp_path / "good.png")
    return tmp_path


def run(*arguments):
    """Output, error output and exit code of `gsn score`, as the entry point gives them."""
    return command_line.run("score", *arguments, "--metric", "psnr")


@pytest.mark.parametrize("case", IMAGES)
def test_a_bad_image_is_one_line_and_the_others_are_scored(folder, case):
    name, make, message = IMAGES[case]
    if len(name) < 255:
        make(folder / name)
    before = sorted(os.listdir(os.fsencode(folder)))
    good = folder / "good.png"
    out, err, code = run(good, good, os.fsencode(folder / name).decode(errors="surrogateescape"))
    assert code == 2
    lines = err.splitlines()
    assert len(lines) == 2
    assert lines[1] == "gsn: 1 of 2 pairs could not be scored"
    assert re.search(message, lines[0]), lines[0]
    assert "x" in lines[0]
    first, second = csv.DictReader(out.splitlines())
    assert (first["psnr"], first["error"]) == ("inf", "")
    assert second["psnr"] == ""
    assert second["error"] == lines[0].removeprefix("gsn: ")
    assert sorted(os.listdir(os.fsencode(folder))) == before


def table_case(content):
    def make(folder):
        content_bytes = content if isinstance(content, bytes) else content.encode()
        (folder / "t.csv").write_bytes(content_bytes)
        return ["--pairs", folder / "t.csv"]

    return make


def folders_case(references, distorted, *options):
    def make(folder):
        for kind, names in (("r", references), ("d", distorted)):
            (folder / kind).mkdir()
            for name in names:
                path = folder / kind / name
                path.parent.mkdir(parents=True, exist_ok=True)
                image().save(path)
        return ["--reference-dir", folder / "r", "--distorted-dir", folder / "d", *options]

    return make


def output_case(make):
    def arguments(folder):
        return [folder / "good.png", folder / "good.png", "--out", make(folder)]

    return arguments


def output_in_the_input(folder):
    arguments = folders_case(["a.png"], ["a.png"])(folder)
    return [*arguments, "--out", folder / "d" / "scores.csv"]


def output_over_the_table(folder):
    return [*table_case("reference,distorted\ngood.png,good.png\n")(folder), "--out",
            folder / "t.csv"]  # fmt: skip


def made(path, make):
    make(path)
    return path


HEADER = "reference,distorted\n"

# name of the case -> what makes it and gives the arguments, what the line says
CALLS = {
    "no_table": (lambda folder: ["--pairs", folder / "none.csv"], "no such table"),
    "table_is_a_folder": (lambda folder: ["--pairs", folder], "is a folder, .* --reference-dir"),
    "empty_table": (table_case(""), "lacks reference, distorted"),
    "header_alone": (table_case(HEADER), "no pairs below the header line; add some"),
    "other_columns": (table_case("ref,dist\na,b\n"), "lacks reference, distorted"),
    "column_twice": (
        table_case("reference,distorted,reference\n"),
        "the column reference occurs twice",
    ),
    "latin_1": (table_case("reference,distorted\nä,b\n".encode("latin-1")), "not UTF-8"),
    "open_quote": (table_case(HEADER + '"a,b\n'), "not valid CSV"),
    "binary_table": (table_case(png_promising(4, 4)), "not UTF-8|lacks"),
    "short_row": (
        table_case(HEADER + "good.png\n"),
        r"t\.csv, line 2: 1 field, but",
    ),
    "no_distorted": (table_case(HEADER + "good.png,\n"), r"t\.csv, line 2: no distorted given; "),
    "escaping_path": (table_case(HEADER + "good.png,../x.png\n"), r"t\.csv, line 2: .* outside"),
    "absolute_path": (table_case(HEADER + "good.png,/none/x.png\n"), "/none/x.png: no such file"),
    "null_in_a_path": (
        table_case(HEADER + "good.png,x\0.png\n"),
        r"t\.csv, line 2: .* null",
    ),
    "no_folder": (
        lambda folder: ["--reference-dir", folder / "no", "--distorted-dir", folder],
        "no: no such folder",
    ),
    "file_as_folder": (
        lambda folder: ["--reference-dir", folder / "good.png", "--distorted-dir", folder],
        "is a file, not a folder",
    ),
    "one_folder_only": (lambda folder: ["--reference-dir", folder], "give both"),
    "folder_twice": (
        lambda folder: ["--reference-dir", folder, "--distorted-dir", folder],
        "is both the reference and the distorted folder",
    ),
    "empty_folder": (folders_case([], ["a.png"]), "r: contains no images"),
    "nothing_pairs": (folders_case(["a.png"], ["b.png"]), "matches a reference in"),
    "ambiguous": (folders_case(["a.png", "a.bmp"], ["a_1.png"]), "match several references"),
    "lone_distorted": (folders_case(["a.png"], ["a.png", "b.png"]), "without a reference: b.png"),
    "lone_reference": (folders_case(["a.png", "b.png"], ["a.png"]), "distorted image: b.png"),
    "bad_rule": (folders_case(["a.png"], ["a.png"], "--pairing", "("), "regular expression"),
    "output_is_a_folder": (output_case(lambda folder: folder), "is a folder"),
    "output_in_no_folder": (
        output_case(lambda folder: folder / "no" / "s.csv"),
        "no such folder",
    ),
    "output_is_the_input": (output_case(lambda folder: folder / "good.png"), "is an input"),
    "output_links_to_the_input": (
        output_case(lambda f: made(f / "s.csv", lambda path: path.symlink_to(f / "good.png"))),
        "is an input",
    ),
    "output_over_the_table": (output_over_the_table, "is an input"),
    "output_in_the_input": (output_in_the_input, "lies in the input folder"),
    "full_device": (output_case(lambda folder: "/dev/full"), "No space left on device"),
    "table_and_folders": (
        lambda folder: ["--pairs", folder / "t.csv", "--reference-dir", folder],
        "only one of these",
    ),
}


@pytest.mark.parametrize("case", CALLS)
def test_a_bad_call_is_one_line_and_touches_nothing(folder, case):
    make, message = CALLS[case]
    if case == "full_device" and not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    arguments = make(folder)
    before = {path: path.is_dir() or path.read_bytes() for path in folder.rglob("*")}
    _, err, code = run(*arguments)
    assert code == 2
    assert err.count("\n") == 1
    assert re.search(message, err), err
    assert {path: path.is_dir() or path.read_bytes() for path in folder.rglob("*")} == before


def test_a_file_name_that_is_not_utf8_in_a_folder(folder):
    arguments = folders_case(["a.png"], ["a.png"])(folder)
    try:
        image().save(os.fsencode(folder / "d") + b"/a_\xff.png")
    except OSError:
        pytest.skip("needs a file system that takes any bytes as a name")
    out, err, code = run(*arguments)
    assert code == 2
    assert r"a_\xff.png: the name is not UTF-8; rename the file" in err
    assert [row["psnr"] for row in rows_of(out)] == ["inf", ""]


@pytest.mark.slow
def test_a_full_disk_loses_nothing(folder):
    """Files may grow to one block only: the run stops with one line; with room it continues."""
    names = [f"d{index}.png" for index in range(12)]
    for name in names:
        image().save(folder / name)
    rows = "".join(f"good.png,{name}\n" for name in names)
    (folder / "t.csv").write_text(HEADER + rows)
    out = folder / "s.csv"
    arguments = ["score", "--pairs", str(folder / "t.csv"), "--out", str(out), "--metric", "psnr"]

    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": ""}
    little_room = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", sys.executable, "-m", "gsn_jax"]
    done = subprocess.run(
        [*little_room, *arguments], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot be written (File too large); earlier scores are kept" in done.stderr
    assert not out.exists()
    _, err, code = run(*arguments[1:-2])
    assert code == 0
    assert "pairs were already scored" in err
    assert [row["distorted"] for row in rows_of(out.read_text())] == names


def test_there_are_many_cases():
    assert len(IMAGES) + len(CALLS) >= 40


@pytest.mark.parametrize(
    ("encoding", "name"), [("latin-1", "\\u65e5ü.png"), ("ascii", "\\xfc.png")]
)
def test_names_that_the_terminal_cannot_print(tmp_path, monkeypatch, encoding, name):
    names = {"latin-1": "日ü.png", "ascii": "ü.png"}
    monkeypatch.chdir(tmp_path)
    image().save(names[encoding])
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "argv", ["gsn", "score", *2 * [names[encoding]], "--metric", "psnr"])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    (row,) = rows_of(stream.buffer.getvalue().decode(encoding))
    assert (row["distorted"], row["error"]) == (name, "")
