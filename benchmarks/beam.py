"""What `gsn score --runner beam` must show: the plain command's rows, also when a worker is killed.

    python benchmarks/beam.py --pairs 2000

Makes a table of small pairs of few sizes, some of them broken, in a temporary folder; scores it
with the plain command, with two local worker processes, and with two of which one is killed when
the first units are done; compares row by row and counts the rows.
"""

from __future__ import annotations

import argparse
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet
from folder import GSN, run, save_pair

# Height and width in pixels.
SIZES = (64, 64), (64, 96), (96, 64), (80, 80), (160, 144)


def make_table(folder: Path, count: int, broken: int) -> Path:
    """Pairs of which some cannot be scored: half a file, none, text, another size."""
    generator = np.random.default_rng(0)
    rows = []
    for index in range(count):
        name = f"{index:06d}"
        save_pair(folder, name, SIZES[generator.integers(len(SIZES))], generator)
        rows.append([f"reference/{name}.png", f"distorted/{name}.png"])
    for number, index in enumerate(np.linspace(0, count - 1, broken).astype(int)):
        path = folder / rows[index][1]
        data = path.read_bytes()
        if number % 4 == 3:
            path.unlink()
        else:
            path.write_bytes([data[: len(data) // 2], b"", b"text"][number % 4])
    table = folder / "pairs.csv"
    with open(table, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["reference", "distorted"], *rows])
    return table


def command(table: Path, out: Path, options: argparse.Namespace, *more: str) -> list[str]:
    """The command that scores the table."""
    given = ["--pairs", str(table), "--out", str(out), "--metric", options.metric]
    return [*GSN, "score", *given, *more]


def compare(plain: Path, out: Path, metrics: list[str]) -> str:
    """What differs between the plain command's table and a folder of shards."""
    expected = pyarrow.parquet.read_table(plain).to_pylist()
    rows = pyarrow.parquet.read_table(out).to_pylist()
    numbers = [row["row"] for row in rows]
    lost = len(set(range(len(expected))) - set(numbers))
    doubled = len(numbers) - len(set(numbers))
    largest, other = 0.0, 0
    for row in rows:
        twin = expected[row["row"]]
        same = all(row[name] == twin[name] for name in ("reference", "distorted", "error"))
        for name in metrics:
            same &= (row[name] is None) == (twin[name] is None)
            if same and row[name] is not None:
                largest = max(largest, abs(row[name] - twin[name]))
        other += not same
    bad = sum(bool(row["error"]) for row in rows)
    return (
        f"{len(rows)} rows in {len(list(out.glob('*.parquet')))} files, {bad} with an error; "
        f"{lost} lost, {doubled} doubled, {other} with other names, errors or missing scores; "
        f"largest difference of a score {largest:.1e}"
    )


def workers_of(parent: int) -> list[int]:
    """Beam's worker processes below a process, from /proc."""
    parents, workers = {}, []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has ended
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


def killed(order: list[str], out: Path) -> tuple[float, str, str]:
    """Runs a command and kills a worker of it: seconds, error output, what was killed when."""
    start = time.perf_counter()
    with subprocess.Popen(order, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        units, what = out / "_unfinished" / "units", "no worker was killed: the run was too fast"
        while process.poll() is None:
            done = len(list(units.glob("*.json"))) if units.is_dir() else 0
            if done and (victims := workers_of(process.pid)):
                os.kill(victims[0], signal.SIGKILL)
                what = f"killed one of {len(victims)} workers after {done} units"
                break
            time.sleep(0.02)
        errors = process.communicate()[1].decode()
    return time.perf_counter() - start, errors, what


def main() -> None:
    """Makes the pairs, runs three times and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--broken", type=int, default=8)
    parser.add_argument("--metric", default="gsn,psnr")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    metrics = options.metric.split(",")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = make_table(folder, options.pairs, options.broken)
        plain, out, again = folder / "plain.parquet", folder / "out", folder / "again"
        seconds, _, _, code = run(command(table, plain, options))
        print(f"plain: {seconds:.1f} s, exit code {code}", flush=True)
        beam = ["--runner", "beam", "--beam-option", f"direct_num_workers={options.workers}"]
        seconds, _, errors, code = run(command(table, out, options, *beam))
        print(f"beam: {seconds:.1f} s, exit code {code}", flush=True)
        if code not in (0, 2) or not out.is_dir():
            sys.exit(errors)
        print(f"  {compare(plain, out, metrics)}", flush=True)
        seconds, errors, what = killed(command(table, again, options, *beam), again)
        print(f"beam, {what}: {seconds:.1f} s")
        print(f"  said: {errors.splitlines()[0] if errors else ''}")
        print(f"  {compare(plain, again, metrics)}")


if __name__ == "__main__":
    main()
