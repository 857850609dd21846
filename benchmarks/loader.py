"""Compares the input pipeline with a plain torch `DataLoader`: pairs per second and memory.

    python benchmarks/loader.py [--peer-python PYTHON_WITH_TORCH_AND_PILLOW] [--photos FOLDER]

Both read the same PNG files (512x384, 25 references), give shuffled batches of 16 pairs of 192x192
crops with the same window in both images and a random horizontal flip, and use two decoding threads
or worker processes. The peer is an ordinary `DataLoader(num_workers=2)` with Pillow. The pipelines
take turns; each is timed over a whole epoch after a first one, and the best rate is printed. The
lines "prepared" are for the same pairs after `gsn datasets prepare iqa_table`.

The last lines sample the resident memory over one epoch.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from data_pipelines import catalogue
from data_pipelines.loader import train_loader
from data_pipelines.sources import PairSource
from data_pipelines.tables import PairTable
from gsn_jax.images.files import SUFFIXES, load_image

HEIGHT, WIDTH, CROP, BATCH = 384, 512, 192, 16

PEER = """
import csv, random, sys, time
import numpy as np, torch
from PIL import Image

class Pairs(torch.utils.data.Dataset):
    def __init__(self, table, crop):
        self.folder, self.crop = table.rsplit("/", 1)[0], crop
        self.rows = list(csv.DictReader(open(table)))
    def __len__(self):
        return len(self.rows)
    def __getitem__(self, i):
        row = self.rows[i]
        images = [np.asarray(Image.open(f"{self.folder}/{row[k]}").convert("RGB"))
                  for k in ("reference", "distorted")]
        top = random.randint(0, images[0].shape[0] - self.crop)
        left = random.randint(0, images[0].shape[1] - self.crop)
        images = [x[top:top + self.crop, left:left + self.crop] for x in images]
        if random.random() < 0.5:
            images = [x[:, ::-1] for x in images]
        reference, distorted = (torch.from_numpy(np.ascontiguousarray(x)) for x in images)
        return {"reference": reference, "distorted": distorted, "quality": float(row["score"])}

table, crop, batch, workers = sys.argv[1], *map(int, sys.argv[2:5])
loader = torch.utils.data.DataLoader(Pairs(table, crop), batch, shuffle=True, drop_last=True,
                                     num_workers=workers, persistent_workers=True)
for _ in loader:
    pass
start, pairs = time.perf_counter(), 0
for batch in loader:
    pairs += len(batch["quality"])
print(pairs / (time.perf_counter() - start))
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Makes the pairs and runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", help="interpreter with torch and Pillow")
    parser.add_argument("--photos", type=Path, help="folder of photographs to use as references")
    parser.add_argument("--distorted", type=int, default=24, help="distorted images per reference")
    parser.add_argument("--rounds", type=int, default=3, help="timed epochs of each pipeline")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        table = make_pairs(Path(folder, "pairs"), options.photos, options.distorted)
        catalogue.prepare("iqa_table", table.parent, Path(folder, "prepared"))
        prepared = catalogue.load("iqa_table", "train", Path(folder, "prepared"))
        run(table, prepared, options.peer_python, options.rounds)


def run(table: Path, prepared: PairSource, peer: str | None, rounds: int) -> None:
    """Times all pipelines in turns and prints the rates, then the memory."""
    files = PairTable(table)
    pipelines: dict[str, Callable[[], float]] = {
        "PNG files, 2 threads": lambda: our_rate(files, workers=0),
        "PNG files, 2 worker processes": lambda: our_rate(files, workers=2),
        "prepared, 2 threads": lambda: our_rate(prepared, workers=0),
        "prepared, 2 worker processes": lambda: our_rate(prepared, workers=2),
    }
    if peer:
        pipelines = {"torch DataLoader, 2 workers": lambda: peer_rate(peer, table), **pipelines}
    best = dict.fromkeys(pipelines, 0.0)
    for _ in range(rounds):
        for name, rate in pipelines.items():
            best[name] = max(best[name], rate())
    print_rates(best, len(files))
    print_memory(prepared)


def our_rate(source: PairSource, workers: int) -> float:
    """Pairs per second over the second of two epochs."""
    loader = train_loader(
        source,
        batch_size=BATCH,
        crop_size=CROP,
        seed=0,
        num_workers=workers,
        num_threads=1 if workers else 2,
    )
    batches = len(source) // BATCH
    for _ in range(batches):
        next(loader)
    start = time.perf_counter()
    for _ in range(batches):
        next(loader)
    rate = batches * BATCH / (time.perf_counter() - start)
    loader.close()
    return rate


def peer_rate(python: str, table: Path) -> float:
    """`our_rate` of the peer, which runs in its own interpreter."""
    command = [python, "-c", PEER, str(table), str(CROP), str(BATCH), "2"]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def print_rates(best: dict[str, float], pairs: int) -> None:
    """Prints one line per pipeline, with the ratio to the first."""
    first = next(iter(best))
    table = Table(
        "pipeline", "pairs/s", f"against {first.split(',')[0]}", title=f"{pairs} pairs, best epoch"
    )
    for name, rate in best.items():
        table.add_row(name, f"{rate:.0f}", f"{rate / best[first]:.2f} x")
    Console().print(table)


def print_memory(source: PairSource, samples: int = 10) -> None:
    """Prints the resident memory of this process at even intervals of the second epoch."""
    loader = train_loader(source, batch_size=BATCH, crop_size=CROP, seed=1, num_threads=2)
    batches = len(source) // BATCH
    for _ in range(batches):
        next(loader)
    resident = []
    for step in range(batches):
        next(loader)
        if step % max(1, batches // samples) == 0:
            resident.append(resident_mib())
    loader.close()
    print("resident memory over an epoch, MiB:", " ".join(f"{value:.0f}" for value in resident))
    print(f"growth over the epoch: {resident[-1] - resident[0]:+.1f} MiB")


def resident_mib() -> float:
    """Resident memory of this process in MiB; NaN where the system is not Linux."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return float("nan")
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def make_pairs(folder: Path, photos: Path | None, count: int) -> Path:
    """Writes 25 references with `count` distorted images each, and returns their table."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for number, reference in enumerate(references(photos, rng)):
        write_png(folder / f"r{number}.png", reference)
        for kind in range(count):
            distorted = distort(reference, kind, rng)
            write_png(folder / f"r{number}_{kind}.png", distorted)
            rows.append([f"r{number}.png", f"r{number}_{kind}.png", rng.uniform()])
    with open(folder / "pairs.csv", "w", newline="") as file:
        csv.writer(file).writerows([["reference", "distorted", "score"], *rows])
    return folder / "pairs.csv"


def references(photos: Path | None, rng: np.random.Generator) -> list[np.ndarray]:
    """25 images `(384, 512, 3)`: crops of photographs, or noise with a photograph's spectrum."""
    if photos is None:
        return [spectral_noise(rng) for _ in range(25)]
    files = sorted(path for path in photos.iterdir() if path.suffix.lower() in SUFFIXES)
    images = [load_image(path)[:HEIGHT, :WIDTH] for path in files]
    images = [image for image in images if image.shape == (HEIGHT, WIDTH, 3)]
    if not images:
        sys.exit(f"{photos}: no photograph of at least {WIDTH} x {HEIGHT} pixels; add one")
    return [images[i % len(images)] for i in range(25)]


def spectral_noise(rng: np.random.Generator) -> np.ndarray:
    """A random image whose amplitude falls with frequency as in photographs (1/f)."""
    frequency = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None])
    spectrum = np.fft.rfft2(rng.normal(size=(3, HEIGHT, WIDTH))) / np.maximum(frequency, 1e-3)
    image = np.fft.irfft2(spectrum, s=(HEIGHT, WIDTH))
    image = 128 + 50 * image / image.std()
    return np.clip(image, 0, 255).astype(np.uint8).transpose(1, 2, 0).copy()


def distort(image: np.ndarray, kind: int, rng: np.random.Generator) -> np.ndarray:
    """Adds noise, blurs or compresses, depending on `kind`, at varying strength."""
    strength = 1 + kind // 3 % 5
    if kind % 3 == 0:
        noisy = image + rng.normal(0, 4 * strength, image.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)
    if kind % 3 == 1:
        return cv2.GaussianBlur(image, (0, 0), strength / 2)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60 - 10 * strength])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes a PNG with the compression that Pillow and most tools use."""
    cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 6])


if __name__ == "__main__":
    main()
