"""Checks whether metrics order the settings of a codec by bits, photograph by photograph.

    python scripts/codec_order.py encode PHOTOS OUT
    gsn rd --pairs OUT/pairs.csv --metric gsn,lpips_alex,psnr --out OUT/scored
    python scripts/codec_order.py shares OUT/scored/points.csv

`encode` encodes each photograph by JPEG, WebP, AVIF and H.265 at six settings each, and by JPEG at
half the size. It writes the decoded images as PNG files (the halved ones enlarged again), and a
table with the bytes of the encoded files. `shares` prints, for every metric and codec, in which
share of neighbouring settings of a photograph the one with more bits has the better score.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image
from tabulate import tabulate

from gsn_jax.errors import InputError
from gsn_jax.rate_distortion.photos import find_photos, load_8_bit
from gsn_jax.scoring import by_name

Encoded = tuple[Image.Image, int]  # the decoded image, and the number of bytes of the encoded file


def main() -> None:
    """Runs the subcommand."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("encode")
    making.add_argument("photos", type=Path)
    making.add_argument("out", type=Path)
    reading = commands.add_parser("shares")
    reading.add_argument("table", type=Path, help="points.csv of `gsn rd --out`")
    options = parser.parse_args()
    try:
        if options.command == "encode":
            print(encode_folder(options.photos, options.out))
        else:
            with options.table.open(newline="", encoding="utf-8") as file:
                print(shares(list(csv.DictReader(file))))
    except InputError as error:
        parser.exit(2, f"codec_order: {error}\n")
    except OSError as error:
        parser.exit(2, f"codec_order: {error.filename}: {error.strerror}; check the path\n")


def encode_folder(photos: Path, out: Path) -> Path:
    """Encodes the photographs of a folder at all settings and returns the pairs table.

    Files are named by the photographs' paths below the folder.
    """
    found = find_photos([photos], out)
    rows = []
    for path, stem in ((photo.path, photo.name) for photo in found):
        photo = Image.fromarray(load_8_bit(path))
        (out / stem).parent.mkdir(parents=True, exist_ok=True)
        photo.save(out / f"{stem}.png")
        for codec, (encode, settings) in CODECS.items():
            for setting in settings:
                decoded, size = encode(photo, setting)
                name = f"{stem}_{codec}_{setting}.png"
                decoded.save(out / name)
                rows.append((f"{stem}.png", name, codec, setting, size))
    with (out / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("reference", "distorted", "codec", "setting", "bytes"), *rows])
    return out / "pairs.csv"


def pillow(format: str) -> Callable[[Image.Image, int], Encoded]:
    """A codec of Pillow, as a function of image and quality."""

    def encode(photo: Image.Image, quality: int) -> Encoded:
        file = io.BytesIO()
        photo.save(file, format, quality=quality)
        return Image.open(file).convert("RGB"), file.tell()

    return encode


def halved_jpeg(photo: Image.Image, quality: int) -> Encoded:
    """JPEG at half the height and width, enlarged again as players do with small streams."""
    small = photo.resize((photo.width // 2, photo.height // 2), Image.Resampling.LANCZOS)
    decoded, size = pillow("JPEG")(small, quality)
    return decoded.resize(photo.size, Image.Resampling.BICUBIC), size


def h265(photo: Image.Image, crf: int) -> Encoded:
    """One intra frame by x265, 4:2:0, at a constant rate factor."""
    file = io.BytesIO()
    with av.open(file, "w", format="hevc") as container:
        stream = container.add_stream("libx265", rate=1)
        stream.width, stream.height, stream.pix_fmt = photo.width, photo.height, "yuv420p"
        stream.options = {"crf": str(crf), "x265-params": "log-level=error:info=0"}
        frame = av.VideoFrame.from_ndarray(np.asarray(photo), format="rgb24")
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    size = file.tell()
    file.seek(0)
    with av.open(file, format="hevc") as container:
        (decoded,) = container.decode(video=0)
        return Image.fromarray(decoded.to_ndarray(format="rgb24")), size


CODECS: dict[str, tuple[Callable[[Image.Image, int], Encoded], Sequence[int]]] = {
    "jpeg": (pillow("JPEG"), (10, 25, 40, 60, 75, 90)),
    "webp": (pillow("WEBP"), (5, 20, 40, 60, 75, 90)),
    "avif": (pillow("AVIF"), (20, 35, 50, 65, 75, 90)),
    "h265": (h265, (45, 40, 35, 30, 25, 20)),
    "halved-jpeg": (halved_jpeg, (10, 25, 40, 60, 75, 90)),
}


def shares(rows: Sequence[dict[str, str]]) -> str:
    """The table of shares: a row per metric, best mean first, and a column per codec.

    Raises:
        InputError: no codec has two settings to compare.
    """
    for name in ("reference", "codec", "bytes"):
        if rows and name not in rows[0]:
            raise InputError(f"the table lacks the column {name}")
    neighbours = list(_neighbours(rows))
    codecs = [codec for codec in CODECS if any(codec == found for found, *_ in neighbours)]
    if not codecs:
        raise InputError(f"the table lacks two settings of {', '.join(CODECS)} for a photograph")
    higher = {
        name: by_name.resolve(name).higher_is_better
        for name in rows[0]
        if name in by_name.every_name()
    }
    counts = {name: {codec: [0, 0] for codec in codecs} for name in higher}
    for codec, better, worse in neighbours:
        for name, up in higher.items():
            if not better[name] or not worse[name]:
                continue  # a pair that could not be scored
            difference = float(better[name]) - float(worse[name])
            counts[name][codec][0] += (difference if up else -difference) > 0
            counts[name][codec][1] += 1
    table = [
        (name, *(good / total if total else math.nan for good, total in by_codec.values()))
        for name, by_codec in counts.items()
    ]
    table.sort(key=lambda row: -sum(row[1:]))
    return tabulate(table, ["metric", *codecs], tablefmt="github", floatfmt=".3f")


def _neighbours(rows: Sequence[dict[str, str]]) -> Iterator[tuple[str, dict, dict]]:
    """Codec and two neighbouring settings of a photograph, the one with more bits first."""
    curves: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        curves[row["reference"], row["codec"]].append(row)
    for (_, codec), curve in curves.items():
        curve.sort(key=lambda row: float(row["bytes"]))
        for worse, better in itertools.pairwise(curve):
            if float(better["bytes"]) > float(worse["bytes"]):
                yield codec, better, worse


if __name__ == "__main__":
    main()
