"""Times the scoring of a table by several devices and processes, and compares the results.

    python benchmarks/scoring_devices.py [--pairs 2000] [--metric gsn,ssim] [--divide-sides 4]

Makes pairs of several sizes and scores their table with `gsn score`: one by one, in batches on 1,
2, 4 and 8 virtual CPU devices, and with 2 and 4 processes. Prints a Markdown table. The exit code
is 1 if rows differ, or if scores differ by more than 1e-5 (relative for scores above 1). Virtual
devices share the cores.
"""

from __future__ import annotations

import argparse
import csv
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import commands
from image_pairs import Recipe, make_pairs

SIZES = (384, 512), (288, 288), (256, 384), (375, 500)
TOLERANCE = 1e-5


class Way(NamedTuple):
    """A way to score.

    Attributes:
        devices: virtual devices per process.
        processes: number of processes.
        batch: pairs per device; None to score pairs one by one.
    """

    devices: int = 1
    processes: int = 1
    batch: int | None = None

    def __str__(self) -> str:
        batch = "one by one" if self.batch is None else f"batches of {self.batch}"
        return f"{self.processes} | {self.devices} | {batch}"


def make_table(folder: Path, count: int, divisor: int) -> Path:
    """Makes pairs of the sizes in turns, with sides divided by `divisor`; returns their table."""
    sizes = [(height // divisor, width // divisor) for height, width in SIZES]
    make_pairs(
        Recipe(folder, f"{index:05}", sizes[index % len(sizes)], index) for index in range(count)
    )
    table = folder / "pairs.csv"
    with open(table, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["reference", "distorted"])
        for index in range(count):
            writer.writerow([f"{kind}/{index:05}.png" for kind in ("reference", "distorted")])
    return table


def score(way: Way, table: Path, out: Path, metric: str) -> float:
    """Scores the table; returns the seconds until all processes have ended.

    Raises:
        RuntimeError: a process failed.
    """
    command = [*commands.GSN, "score", "--pairs", str(table), "--out", str(out), "--metric", metric]
    if way.batch is not None:
        command += ["--batch-size", str(way.batch)]
    flags = (
        f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={way.devices}"
    )
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags.strip()}
    with socket.socket() as port:  # held, so that no other program gets it; JAX can share it
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        port.bind(("127.0.0.1", 0))
        start = time.perf_counter()
        running = []
        for index in range(way.processes):
            if way.processes > 1:
                environment["JAX_COORDINATOR_ADDRESS"] = f"127.0.0.1:{port.getsockname()[1]}"
                environment["JAX_NUM_PROCESSES"] = str(way.processes)
                environment["JAX_PROCESS_ID"] = str(index)
            running.append(
                subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
            )
        errors = [process.communicate()[1] for process in running]
    if any(process.returncode for process in running):
        raise RuntimeError(f"gsn score failed with {way!r}: {errors}")
    return time.perf_counter() - start


def difference(out: Path, want: Path) -> float:
    """The largest difference of scores, relative for scores above 1; infinite if rows differ."""
    rows, wanted = commands.rows_of(out), commands.rows_of(want)
    largest = 0.0
    if len(rows) != len(wanted):
        return float("inf")
    for row, other in zip(rows, wanted, strict=True):
        for name, text in row.items():
            if name in ("reference", "distorted", "error"):
                apart = 0.0 if text == other[name] else float("inf")
            else:
                apart = abs(float(text) - float(other[name])) / max(1, abs(float(other[name])))
            largest = max(largest, apart)
    return largest


def main() -> None:
    """Scores in every way and prints a Markdown table one row at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--metric", default="gsn,ssim")
    parser.add_argument("--divide-sides", type=int, default=1, help="divisor of the image sides")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--devices", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--processes", type=int, nargs="*", default=[2, 4])
    options = parser.parse_args()
    batched = [Way(devices, batch=options.batch_size) for devices in options.devices]
    divided = [Way(processes=count) for count in options.processes]
    beyond = False
    print("| processes | devices per process | pairs | s | pairs/s | largest difference |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        table = make_table(folder, options.pairs, options.divide_sides)
        for number, way in enumerate([Way(), *batched, *divided]):
            out = folder / f"scores{number}.csv"
            seconds = score(way, table, out, options.metric)
            apart = difference(out, folder / "scores0.csv")
            beyond |= apart > TOLERANCE
            rate = options.pairs / seconds
            print(f"| {way} | {seconds:.1f} | {rate:.1f} | {apart:.1e} |", flush=True)
    sys.exit(1 if beyond else 0)


if __name__ == "__main__":
    main()
