"""Checks that `gsn score --runner beam` gives the plain command's rows, even if a worker is killed.

    python benchmarks/beam.py --pairs 2000

Makes a table of small pairs of a few sizes, some of them broken, in a temporary folder. Scores it
with the plain command, with two local worker processes, and again with two, one of which is killed
when half of the units are done. Compares the tables row by row and counts the rows. The exit code
is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import csv
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet
from claims import Claims
from commands import GSN, run
from image_pairs import Recipe, break_some, make_pairs

# Height and width in pixels.
SIZES = (64, 64), (64, 96), (96, 64), (80, 80), (160, 144)

# Largest allowed difference of a score from that of the plain command.
SAME = 1e-6


def make_table(folder: Path, count: int, broken: int) -> Path:
    """Makes pairs, some of which cannot be scored: truncated, empty, text and missing files."""
    generator = np.random.default_rng(0)
    sizes = generator.integers(len(SIZES), size=count)
    make_pairs(
        Recipe(folder, f"{index:06d}", SIZES[size], index) for index, size in enumerate(sizes)
    )
    names = sorted(path.name for path in (folder / "reference").iterdir())
    break_some([folder / "distorted" / name for name in names], broken, kinds=4)
    table = folder / "pairs.csv"
    with open(table, "w", newline="", encoding="utf-8") as file:
        rows = ([f"reference/{name}", f"distorted/{name}"] for name in names)
        csv.writer(file).writerows([["reference", "distorted"], *rows])
    return table


def command(table: Path, out: Path, options: argparse.Namespace, *more: str) -> list[str]:
    """The `gsn score` command for the table."""
    given = ["--pairs", str(table), "--out", str(out), "--metric", options.metric]
    return [*GSN, "score", *given, *more]


def compare(plain: Path, out: Path, options: argparse.Namespace, claims: Claims) -> None:
    """Compares the plain command's table with a folder of shards, row by row."""
    expected = pyarrow.parquet.read_table(plain).to_pylist()
    rows = pyarrow.parquet.read_table(out).to_pylist()
    numbers = [row["row"] for row in rows]
    lost = len(set(range(options.pairs)) - set(numbers))
    doubled = len(numbers) - len(set(numbers))
    claims.check(
        (lost, doubled, len(rows)) == (0, 0, options.pairs),
        f"{len(rows)} rows in {len(list(out.glob('*.parquet')))} files, {lost} lost, "
        f"{doubled} duplicated",
    )
    bad = sum(bool(row["error"]) for row in rows)
    claims.check(bad == options.broken, f"{bad} rows have an error, {options.broken} expected")
    largest, other = 0.0, 0
    for row in rows:
        twin = expected[row["row"]]
        same = all(row[name] == twin[name] for name in ("reference", "distorted", "error"))
        for name in options.metric.split(","):
            same &= (row[name] is None) == (twin[name] is None)
            if same and row[name] is not None:
                largest = max(largest, abs(row[name] - twin[name]))
        other += not same
    claims.check(
        other == 0 and largest <= SAME,
        f"{other} rows differ in names, errors or missing scores; largest difference of a score "
        f"{largest:.1e}, at most {SAME:g}",
    )


def workers_of(parent: int) -> list[int]:
    """PIDs of Beam's workers among the descendants of a process, read from /proc."""
    parents, workers = {}, []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:  # the process has ended
            continue
        parents[int(entry.name)] = int(status[1])
        if b"apache_beam.runners.worker.sdk_worker_main" in arguments:
            workers.append(int(entry.name))
    return [worker for worker in workers if parent in _ancestors(worker, parents)]


def _ancestors(process: int, parents: dict[int, int]) -> set[int]:
    above = set()
    while process := parents.get(process, 0):
        above.add(process)
    return above


def killed(order: list[str], out: Path, after: int) -> tuple[str, str]:
    """Runs a command and kills one of its workers after some units.

    Returns:
        The command's error output, and what was killed; "" if nothing was.
    """
    with subprocess.Popen(order, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        units, what = out / "_unfinished" / "units", ""
        while process.poll() is None:
            done = len(list(units.glob("*.json"))) if units.is_dir() else 0
            if done >= after and (victims := workers_of(process.pid)):
                os.kill(victims[0], signal.SIGKILL)
                what = f"one of {len(victims)} workers after {done} units"
                break
            time.sleep(0.02)
        errors = process.communicate()[1].decode()
    return errors, what


def main() -> None:
    """Scores the table in the three ways and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--broken", type=int, default=8)
    parser.add_argument("--metric", default="gsn,psnr")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gsn-beam-") as name, Claims() as claims:
        folder = Path(name)
        table = make_table(folder, options.pairs, options.broken)
        plain, out, again = folder / "plain.parquet", folder / "out", folder / "again"
        code = 2 if options.broken else 0
        ended = run(command(table, plain, options), code=code)
        print(f"plain: {ended.seconds:.1f} s", flush=True)
        beam = ["--runner", "beam", "--beam-option", f"direct_num_workers={options.workers}"]
        ended = run(command(table, out, options, *beam), code=code)
        print(f"beam, {options.workers} workers: {ended.seconds:.1f} s", flush=True)
        compare(plain, out, options, claims)
        half = max(1, options.pairs // 128)  # a unit has at most 64 pairs
        errors, what = killed(command(table, again, options, *beam), again, half)
        print(errors, end="")
        claims.check(bool(what), f"killed {what or 'no worker, because the run ended too soon'}")
        claims.check("gsn: a worker died; restarting the run" in errors, "the run was restarted")
        compare(plain, again, options, claims)


if __name__ == "__main__":
    main()
