"""Encodes the photographs of mucped23 at its settings, for `gsn rd --opinions`.

    python scripts/judged_codecs.py PHOTOS mucped23_elo.csv OUT --cjpeg path/to/mozjpeg/cjpeg
    gsn rd --pairs OUT/pairs.csv --opinions mucped23_elo.csv --anchor libjpeg-turbo

For mucped23 (Google, 2023), people judged three JPEG encoders at 31 settings, on the 49 photographs
of the validation part of CID22. PHOTOS is a folder with these as PNG or WebP files. libjpeg-turbo
comes with Pillow, jpegli with ajpegli; mozjpeg is run through its program `cjpeg`, which can be
built from the npm package mozjpeg. Without --cjpeg, the settings of mozjpeg are left out.
"""

import argparse
import csv
import io
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from gsn_jax.images import load_image
from gsn_jax.rate_distortion.codec_libraries import butteraugli_distance

# The column `originalName` of mucped23/answers.csv in google-research/google-research.
PHOTOS = [
    "1025469",
    "1044329",
    "1189261",
    "1279330",
    "1418519",
    "1420710",
    "1475938",
    "1531677",
    "1544947",
    "159550",
    "1624487",
    "162520",
    "164595",
    "2079234",
    "21169144185_3f7977cb5a_o",
    "2190188",
    "225228",
    "2253934",
    "2389166",
    "2670327",
    "2736139",
    "2775196",
    "2887497",
    "2936831",
    "297394",
    "3156482",
    "3316926",
    "3316926_opo25u",
    "3637739",
    "3653963",
    "373965",
    "3762075",
    "382297",
    "4215100",
    "5055743",
    "5458393",
    "6078297",
    "6292444",
    "70497",
    "7062219",
    "7552578",
    "792079",
    "844297",
    "adriankierman-report-page",
    "pexels-photo-1933873",
    "pexels-photo-2686358",
    "pexels-photo-2802032",
    "pexels-photo-4210863",
    "ularapi_Semarang_City_Logo",
]

CODECS = ("libjpeg-turbo", "mozjpeg", "jpegli", "jpegli-420")


def main() -> None:
    """Writes OUT/PHOTO/METHOD.jpg and OUT/pairs.csv."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("elo", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cjpeg", type=Path)
    arguments = parser.parse_args()
    with open(arguments.elo, newline="") as file:
        rows = list(csv.DictReader(file))
    if arguments.cjpeg is None:
        rows = [row for row in rows if row["label"] != "mozjpeg"]
    rows.sort(key=lambda row: CODECS.index(row["label"]))
    lines = ["reference,distorted,codec,setting"]
    for name in PHOTOS:
        files = [arguments.photos / f"{name}{suffix}" for suffix in (".png", ".webp")]
        path = next(filter(Path.exists, files), None)
        if path is None:
            parser.error(f"{arguments.photos}: no {name}.png or {name}.webp; add it")
        image = load_image(path)
        folder = arguments.out / name
        folder.mkdir(parents=True, exist_ok=True)
        for row in rows:
            file = f"{row['method']}.jpg"
            (folder / file).write_bytes(encode(image, row["method"], arguments.cjpeg))
            lines.append(f"{path.resolve()},{name}/{file},{row['label']},{row['method']}")
    (arguments.out / "pairs.csv").write_text("\n".join(lines) + "\n")


def encode(image: np.ndarray, method: str, cjpeg: Path | None) -> bytes:
    """Encodes an image by a method such as `mozjpeg-q75-yuv420`; returns the file's bytes."""
    encoder, quality, sampling = method.rsplit("-", 2)
    level, chroma = int(quality[1:]), sampling.removeprefix("yuv")
    if encoder == "jpegli":
        import ajpegli

        # People judged the files of cjpegli, which converts the quality to a distance.
        distance = butteraugli_distance(level)
        return ajpegli.encode(image, distance=distance, subsampling=chroma)
    target = io.BytesIO()
    if encoder == "libjpeg-turbo":
        # The files that people judged were written by ImageMagick, which optimises Huffman tables.
        options = {"quality": level, "subsampling": ":".join(chroma), "optimize": True}
        Image.fromarray(image).save(target, "JPEG", **options)
        return target.getvalue()
    Image.fromarray(image).save(target, "PPM")
    factors = {"420": "2x2", "422": "2x1", "444": "1x1"}[chroma]
    command = [str(cjpeg), "-quality", str(level), "-sample", factors]
    done = subprocess.run(command, input=target.getvalue(), stdout=subprocess.PIPE, check=True)
    return done.stdout


if __name__ == "__main__":
    main()
