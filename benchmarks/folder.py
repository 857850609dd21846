"""Measures `gsn score` on folders, large images and single pairs: memory, compilations, speed.

    python benchmarks/folder.py mixed --pairs 2000   # sizes 64 to 2048, some broken; kill, resume
    python benchmarks/folder.py large                # an 8192 x 8192 pair; tiles at 2048 x 2048
    python benchmarks/folder.py start                # from process start to first score
    python benchmarks/folder.py peer --pyiqa "..."   # pairs/s against pyiqa's command with LPIPS

Everything runs as a user would run it, in separate processes, on images made in a temporary folder.
The exit code is 1 if a claim does not hold. --pyiqa is a shell command that runs pyiqa's command
line, for example ". ~/peers/env && pyiqa".
"""

from __future__ import annotations

import argparse
import re
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from claims import Claims
from commands import rows_of, run, score_folders, score_pair
from image_pairs import Recipe, break_some, make_pairs

from gsn_jax.scoring.tiles import SHAPES

# Tolerances for scores of one pair computed in different ways, and in tiles.
SAME, TILED = 1e-5, 1e-3

# Largest allowed number of programs, for images of any size: the encoder and two kinds of sums for
# each shape, and the last step.
COMPILATIONS = 3 * len(SHAPES) + 1

# Largest allowed memory for a pair of 8192 x 8192 pixels, in bytes.
LARGE_BYTES = 4e9


def mixed(folder: Path, options: argparse.Namespace, claims: Claims) -> None:
    """Checks memory, compilations, single scores and resumption on a folder of many sizes."""
    make_pairs(Recipe(folder, *recipe) for recipe in mixed_sizes(options.pairs))
    broken = break_some(sorted((folder / "distorted").iterdir()), options.broken)
    code = 2 if broken else 0
    whole, resumed = folder / "whole.csv", folder / "resumed.csv"
    ended = run(score_folders(folder, whole), code=code, JAX_LOG_COMPILES="1")
    compiled = re.findall(r"Finished XLA compilation of (\S+)", ended.errors)
    rows = rows_of(whole)
    print(f"{len(rows)} pairs in {ended.seconds:.1f} s, exit code {code}")
    print(f"peak memory {ended.peak / 2**20:.0f} MiB")
    claims.check(
        0 < len(compiled) <= COMPILATIONS, f"{len(compiled)} compilations, at most {COMPILATIONS}"
    )
    claims.check(len(rows) == options.pairs, f"{len(rows)} rows for {options.pairs} pairs")
    named = {row["distorted"] for row in rows if row["distorted"] in row["error"]}
    bad = {row["distorted"] for row in rows if row["error"]}
    claims.check(
        bad == named == {str(path) for path in broken},
        f"{len(bad)} pairs have an error that names the file, {len(broken)} files are broken",
    )
    check_alone([row for row in rows if not row["error"]], options, claims)
    check_resumed(folder, whole, resumed, code, claims)


def mixed_sizes(count: int) -> list[tuple[str, tuple[int, int], int]]:
    """Names, sizes and seeds: sides from 64 to 2048 pixels, more small ones than large ones."""
    generator = np.random.default_rng(0)
    sides = (64 * 32 ** generator.uniform(size=(count, 2)) ** 1.5).astype(int).tolist()
    sides[:4] = [[64, 64], [2048, 2048], [64, 2048], [2048, 64]][:count]
    return [(f"{index:05d}", tuple(size), index) for index, size in enumerate(sides)]


def check_alone(rows: list[dict[str, str]], options: argparse.Namespace, claims: Claims) -> None:
    """Compares scores of the folder with those of single pairs, tiled and whole."""
    import jax

    import gsn_jax
    from gsn_jax.images import as_pair

    metric = gsn_jax.load()

    def whole(*files: str) -> float:
        return float(jax.jit(metric.function)(*as_pair(*files)))

    ways = (
        ("scored singly", options.sample, lambda *files: float(metric(*files))),
        ("scored whole, compiled for the exact size", options.whole, whole),
    )
    for name, count, score in ways:
        chosen = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)
        differences = [
            abs(
                score(rows[index]["reference"], rows[index]["distorted"])
                - float(rows[index]["gsn"])
            )
            for index in chosen
        ]
        claims.check(
            max(differences) <= SAME,
            f"{len(chosen)} of {len(rows)} pairs {name}: largest difference "
            f"{max(differences):.1e}, at most {SAME:g} (the table has 6 decimals)",
        )
    scores = [float(row["gsn"]) for row in rows]
    print(f"scores from {min(scores):.3f} to {max(scores):.3f}")


def check_resumed(folder: Path, whole: Path, resumed: Path, code: int, claims: Claims) -> None:
    """Kills a run halfway, resumes it, and compares its table with an uninterrupted one."""
    half = len(rows_of(whole)) // 2
    journal = resumed.with_name(f".{resumed.name}.partial")

    def kept() -> int:
        return max(journal.read_bytes().count(b"\n") - 1, 0) if journal.exists() else 0

    with subprocess.Popen(score_folders(folder, resumed), stderr=subprocess.DEVNULL) as process:
        while kept() < half and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    claims.check(half <= kept() and not resumed.exists(), f"killed after {kept()} pairs")
    ended = run(score_folders(folder, resumed), code=code)
    before = re.search(r"gsn: (\d+) of \d+ pairs were already scored", ended.errors)
    print(
        f"resumed in {ended.seconds:.1f} s; {before[1] if before else 0} pairs were already scored"
    )
    same = resumed.read_bytes() == whole.read_bytes()
    claims.check(same and before is not None, "the resumed table has the same bytes")


def large(folder: Path, options: argparse.Namespace, claims: Claims) -> None:
    """Checks the memory of a very large pair, and the score of tiles against the whole image."""
    sides = {"large": options.side, "medium": 2048}
    make_pairs(Recipe(folder, name, (side, side), 0) for name, side in sides.items())
    ended = run(score_pair(folder, "large"))
    print(f"{options.side} x {options.side}: {ended.seconds:.1f} s")
    claims.check(
        ended.peak <= LARGE_BYTES,
        f"peak memory {ended.peak / 1e9:.2f} GB, at most {LARGE_BYTES / 1e9:g}",
    )
    import jax

    import gsn_jax
    from gsn_jax.images import as_pair

    files = [folder / kind / "medium.png" for kind in ("reference", "distorted")]
    metric = gsn_jax.load()
    whole, tiled = float(jax.jit(metric.function)(*as_pair(*files))), float(metric(*files))
    claims.check(
        abs(whole - tiled) <= TILED,
        f"2048 x 2048: whole {whole:.7f}, in tiles {tiled:.7f}, at most {TILED:g} apart",
    )


def start(folder: Path, options: argparse.Namespace, claims: Claims) -> None:
    """Measures the time from the shell to the first score, with a warm compilation cache."""
    make_pairs([Recipe(folder, "pair", (384, 512), 0)])
    compiled = folder / "compiled"
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(compiled),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    cold = run(score_pair(folder, "pair"), **cache)
    programs = {path.name for path in compiled.glob("*-cache")}
    warm = [run(score_pair(folder, "pair"), **cache) for _ in range(options.repeats)]
    seconds = sorted(ended.seconds for ended in warm)
    print(f"cold start to first score: {cold.seconds:.2f} s")
    print(
        f"warm start to first score: median {statistics.median(seconds):.2f} s of "
        f"{len(seconds)}, {seconds[0]:.2f} to {seconds[-1]:.2f}"
    )
    later = {path.name for path in compiled.glob("*-cache")}
    claims.check(bool(programs) and programs == later, "a warm start compiles nothing")
    claims.check(
        {ended.output for ended in warm} == {cold.output}, "every start gives the same score"
    )


def peer(folder: Path, options: argparse.Namespace, claims: Claims) -> None:
    """Compares the rate with pyiqa's: both commands take turns on the same files."""
    make_pairs(Recipe(folder, f"{index:05d}", (384, 512), index) for index in range(options.pairs))
    ours, theirs = folder / "scores.csv", f"{options.pyiqa} lpips"
    theirs += f" -t {folder / 'distorted'} -r {folder / 'reference'}"
    rates: dict[str, list[float]] = {"gsn": [], "pyiqa lpips": []}
    for _ in range(options.repeats):
        for name, command in zip(
            rates, (score_folders(folder, ours), ["bash", "-c", theirs]), strict=True
        ):
            ended = run(command)
            rates[name].append(options.pairs / ended.seconds)
            print(f"{name}: {options.pairs} pairs, {rates[name][-1]:.1f} pairs/s", flush=True)
        done = f"{options.pairs}/{options.pairs}" in ended.errors and "'mean'" in ended.output
        claims.check(done, f"pyiqa scored {options.pairs} pairs")
        scored = sum(bool(row["gsn"]) for row in rows_of(ours))
        claims.check(scored == options.pairs, f"gsn scored {scored} pairs")
    medians = {name: statistics.median(some) for name, some in rates.items()}
    print(", ".join(f"{name}: median {rate:.1f} pairs/s" for name, rate in medians.items()))
    ratio = medians["gsn"] / medians["pyiqa lpips"]
    claims.check(
        ratio >= options.ratio, f"gsn is {ratio:.2f} times as fast, at least {options.ratio:g}"
    )


def main() -> None:
    """Parses the arguments and runs one of the modes."""
    modes = {function.__name__: function for function in (mixed, large, start, peer)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", choices=modes)
    parser.add_argument("--pairs", type=int, default=150)
    parser.add_argument("--broken", type=int, default=6, help="mixed: number of broken files")
    parser.add_argument(
        "--sample", type=int, default=50, help="mixed: number of pairs to score singly"
    )
    parser.add_argument(
        "--whole", type=int, default=6, help="mixed: number of pairs to score whole"
    )
    parser.add_argument("--side", type=int, default=8192, help="large: side of the pair in pixels")
    parser.add_argument("--repeats", type=int, default=5, help="start, peer: number of repeats")
    parser.add_argument("--pyiqa", default="pyiqa", help="peer: shell command that runs pyiqa")
    parser.add_argument(
        "--ratio", type=float, default=1, help="peer: required speed relative to pyiqa"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gsn-folder-") as name, Claims() as claims:
        modes[options.mode](Path(name), options, claims)


if __name__ == "__main__":
    main()
