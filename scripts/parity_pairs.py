"""Makes pairs on which `metric_parity.py` compares implementations.

    python scripts/parity_pairs.py PHOTOS OUT [--public ResultsCalibra]
    python scripts/metric_parity.py --pairs OUT/pairs.csv --limit 100 --peers "PEERS/bin/python"

Writes PNG files and `pairs.csv` to OUT: the first five photographs (of at least 384 x 256 pixels;
fewer are used several times) after JPEG, JPEG 2000, WebP and AVIF, and one photograph cropped to
small and odd sizes, in gray and saturated, and a nearly flat image. --public adds the pairs of a
folder with ref_dir/ and dist_dir/, such as the one in pyiqa's wheel.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data_pipelines.synthesize import find_photos
from gsn_jax.errors import InputError
from gsn_jax.images import load_image

# Options of each encoder, one set for each of five photographs.
CODECS: dict[str, list[dict[str, Any]]] = {
    "jpeg": [{"quality": q} for q in (5, 20, 45, 75, 95)],
    "jpeg2000": [{"quality_mode": "rates", "quality_layers": [r]} for r in (100, 60, 30, 15, 5)],
    "webp": [{"quality": q} for q in (1, 20, 45, 75, 95)],
    "avif": [{"quality": q} for q in (5, 20, 45, 75, 95)],
}
SIZES = ((8, 8), (13, 37), (65, 64), (161, 171), (255, 383))


def main() -> None:
    """Writes the pairs and their table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--public", type=Path)
    options = parser.parse_args()
    try:
        photos = [load_image(path) for path in find_photos(options.photos)[:5]]
    except InputError as error:
        parser.exit(2, f"parity_pairs: {error}\n")
    options.out.mkdir(parents=True, exist_ok=True)
    with open(options.out / "pairs.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["reference", "distorted"])
        for name, *pair in [*coded(photos), *special(photos[0])]:
            names = [f"{name}_{part}.png" for part in ("reference", "distorted")]
            for part, image in zip(names, pair, strict=True):
                Image.fromarray(image).save(options.out / part)
            table.writerow(names)
        if options.public:
            for path in sorted(options.public.resolve().glob("ref_dir/*")):
                table.writerow([path, path.parents[1] / "dist_dir" / path.name])


def coded(photos: list[np.ndarray]) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, reference and decoded image of every encoder and its options."""
    return [
        (f"{codec}_{number}", photo, decoded(photo, codec, **chosen))
        for codec, all_options in CODECS.items()
        for number, (photo, chosen) in enumerate(
            zip(itertools.cycle(photos), all_options, strict=False)
        )
    ]


def special(photo: np.ndarray) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, reference and distorted image of pairs that are unusual in size or content."""
    worse = decoded(photo, "jpeg", quality=30)
    pairs = [(f"{h}x{w}", photo[:h, :w], worse[:h, :w]) for h, w in SIZES]
    gray = [np.repeat(image.mean(-1, keepdims=True).round(), 3, -1) for image in (photo, worse)]
    strong = [np.where(image > 127, 255.0, 0.0) for image in (photo, worse)]
    flat = np.full_like(photo, 128)
    spotted = flat.copy()
    spotted[::7, ::5] += 1
    pairs += [
        ("gray", *(image.astype(np.uint8) for image in gray)),
        ("saturated", *(image.astype(np.uint8) for image in strong)),
        ("flat", flat, spotted),
    ]
    return pairs


def decoded(photo: np.ndarray, codec: str, **options: Any) -> np.ndarray:
    """The photograph after encoding and decoding."""
    file = io.BytesIO()
    Image.fromarray(photo).save(file, codec, **options)
    return np.asarray(Image.open(file).convert("RGB"))


if __name__ == "__main__":
    main()
