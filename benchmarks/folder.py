"""What `gsn score` does with folders, large images and single pairs: memory, compilations, speed.

    python benchmarks/folder.py mixed --pairs 2000   # sizes 64 to 2048, some broken; kill, resume
    python benchmarks/folder.py large                # an 8192 x 8192 pair; 2048 x 2048 both ways
    python benchmarks/folder.py start                # a fresh process up to its first score
    python benchmarks/folder.py peer --pyiqa "..."   # pairs/s against pyiqa's command with LPIPS

Everything runs as a user runs it, in processes of its own, on images made in a temporary folder.
The option --pyiqa runs pyiqa's command line, for example ". ~/peers/env && pyiqa".
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

GSN = [sys.executable, "-m", "gsn_jax"]


def texture(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Something like a photograph: noise at several scales, uint8."""
    total = np.zeros((height, width, 3), np.float32)
    for scale in (4, 16, 64):
        shape = (height // scale + 2, width // scale + 2, 3)
        coarse = generator.integers(0, 256, shape, dtype=np.uint8)
        total += np.asarray(
            Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        )
    return (total / 3).astype(np.uint8)


def save_pair(
    folder: Path, name: str, size: tuple[int, int], generator: np.random.Generator
) -> None:
    """A reference and a noisy version, as PNG."""
    reference = texture(generator, *size)
    noise = generator.integers(-20, 21, reference.shape, dtype=np.int16)
    distorted = np.clip(reference + noise, 0, 255).astype(np.uint8)
    for kind, image in (("reference", reference), ("distorted", distorted)):
        (folder / kind).mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / kind / f"{name}.png", compress_level=1)


def mixed_folder(folder: Path, count: int, broken: int) -> None:
    """Pairs of log-uniform sides from 64 to 2048 pixels; of some the distorted image is broken."""
    generator = np.random.default_rng(0)
    for index in range(count):
        size = np.exp(generator.uniform(np.log(64), np.log(2048), 2)).astype(int)
        save_pair(folder, f"{index:05d}", tuple(size), generator)
    for number, index in enumerate(np.linspace(0, count - 1, broken).astype(int)):
        path = folder / "distorted" / f"{index:05d}.png"
        data = path.read_bytes()
        path.write_bytes([data[: len(data) // 2], b"", b"text"][number % 3])


def run(command: list[str], **environment: str) -> tuple[float, int, str, int]:
    """Seconds, peak memory in bytes, error output and exit code of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - start, usage.ru_maxrss * 1024, errors, process.returncode


def score_folders(folder: Path, out: Path, *options: str) -> list[str]:
    """The command that scores what `save_pair` made."""
    folders = ["--reference-dir", str(folder / "reference"), "--distorted-dir"]
    return [*GSN, "score", *folders, str(folder / "distorted"), "--out", str(out), *options]


def rows_of(path: Path) -> list[dict[str, str]]:
    """A table of scores."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def mixed(folder: Path, options: argparse.Namespace) -> None:
    """The folder of many sizes: memory, compilations, one by one, killed and resumed."""
    mixed_folder(folder, options.pairs, options.broken)
    whole, resumed = folder / "whole.csv", folder / "resumed.csv"
    seconds, peak, errors, code = run(score_folders(folder, whole), JAX_LOG_COMPILES="1")
    compiled = re.findall(r"Finished XLA compilation of (\S+)", errors)
    rows = rows_of(whole)
    bad = [row for row in rows if row["error"]]
    print(f"{len(rows)} pairs in {seconds:.1f} s, exit code {code}, {len(bad)} with an error")
    print(f"peak memory {peak / 2**20:.0f} MiB; {len(compiled)} compilations: {compiled}")
    check_alone([row for row in rows if not row["error"]], options.sample)
    command = score_folders(folder, resumed)
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    journal = folder / ".resumed.csv.partial"
    while not journal.exists() or journal.read_bytes().count(b"\n") < len(rows) // 2:
        time.sleep(0.2)
        if process.poll() is not None:
            raise RuntimeError("the run to be killed ended before its half")
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = journal.read_bytes().count(b"\n") - 1
    seconds, _, errors, _ = run(command)
    same = resumed.read_bytes() == whole.read_bytes()
    print(f"killed after {kept} pairs; resumed in {seconds:.1f} s; same bytes: {same}")


def check_alone(rows: list[dict[str, str]], sample: int) -> None:
    """Scores some pairs by the API, whole and without size classes, and compares."""
    import jax

    import gsn_jax
    from gsn_jax.images import as_pair

    metric = gsn_jax.load()
    function = jax.jit(metric.function)
    chosen = [rows[i] for i in np.linspace(0, len(rows) - 1, min(sample, len(rows))).astype(int)]
    alone, exact = [], []
    for row in chosen:
        files = row["reference"], row["distorted"]
        alone.append(abs(float(metric(*files)) - float(row["gsn"])))
        exact.append(abs(float(function(*as_pair(*files))) - float(row["gsn"])))
        jax.clear_caches()
    print(
        f"{len(chosen)} pairs by themselves: largest difference {max(alone):.1e}; "
        f"compiled for their very size: {max(exact):.1e} (the table has 6 decimals)"
    )


def large(folder: Path, options: argparse.Namespace) -> None:
    """One very large pair, and the tolerance of tiles."""
    import jax

    import gsn_jax
    from gsn_jax.images import as_pair

    generator = np.random.default_rng(0)
    save_pair(folder, "large", (options.side, options.side), generator)
    save_pair(folder / "reference", "medium", (2048, 2048), generator)
    names = [str(folder / kind / "large.png") for kind in ("reference", "distorted")]
    seconds, peak, errors, code = run([*GSN, "score", *names])
    print(f"{options.side} x {options.side}: {seconds:.1f} s, exit code {code} {errors.strip()}")
    print(f"peak memory {peak / 2**20:.0f} MiB")
    files = [folder / "reference" / kind / "medium.png" for kind in ("reference", "distorted")]
    metric = gsn_jax.load()
    whole = float(jax.jit(metric.function)(*as_pair(*files)))
    print(f"2048 x 2048: whole {whole:.7f}, in tiles {float(metric(*files)):.7f}")


def start(folder: Path, options: argparse.Namespace) -> None:
    """From the shell to the first score, with what was compiled before at hand."""
    save_pair(folder, "pair", (384, 512), np.random.default_rng(0))
    names = [str(folder / kind / "pair.png") for kind in ("reference", "distorted")]
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    for turn in range(1 + options.repeats):
        seconds, *_ = run([*GSN, "score", *names], **cache)
        print(f"{'cold' if turn == 0 else 'warm'} start to first score: {seconds:.2f} s")


def peer(folder: Path, options: argparse.Namespace) -> None:
    """Both commands on the same files, taking turns."""
    generator = np.random.default_rng(0)
    for index in range(options.pairs):
        save_pair(folder, f"{index:05d}", (384, 512), generator)
    ours = score_folders(folder, folder / "scores.csv")
    theirs = f"{options.pyiqa} lpips -t {folder / 'distorted'} -r {folder / 'reference'}"
    for _ in range(options.repeats):
        for name, command in (("gsn", ours), ("pyiqa lpips", ["bash", "-c", theirs])):
            seconds, _, errors, code = run(command)
            if code:
                raise RuntimeError(f"{name} failed: {errors[-2000:]}")
            rate = options.pairs / seconds
            print(f"{name}: {options.pairs} pairs in {seconds:.1f} s, {rate:.1f} pairs/s")


def main() -> None:
    """Parses the arguments and runs one of the modes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", choices=["mixed", "large", "start", "peer"])
    parser.add_argument("--pairs", type=int, default=150)
    parser.add_argument("--broken", type=int, default=6)
    parser.add_argument("--sample", type=int, default=12, help="pairs compared one by one")
    parser.add_argument("--side", type=int, default=8192)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pyiqa", default="pyiqa", help="shell command of pyiqa")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gsn-folder-") as name:
        globals()[options.mode](Path(name), options)


if __name__ == "__main__":
    main()
