"""Runs every step on sets of the published sizes and layouts, with noise as images.

    python benchmarks/rehearsal.py --folder /scratch/rehearsal [--sets csiq,pipal] [--kill]

For each set: writes it in its authors' layout, prepares it, reads one epoch of training crops,
trains a small model for one epoch, evaluates it, and benchmarks it beside PSNR. Every phase is a
process of its own. Prints a Markdown table of wall time, CPU time (which other programs hardly
affect), peak memory, disk space and pairs/s.

With --kill, each phase also runs a second time from the start, is killed (SIGKILL) after a third of
its time, and is repeated; the result must be the same. A set needs three times the space of its
images. It is removed before the next set is written, unless --keep is given; --phases can then
repeat some phases.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import commands
import numpy as np
from rehearsal_sets import LAYOUTS

BATCH = 32

# Phases, and the folder that each one writes.
PHASES = {
    "write": "originals",
    "prepare": "sets",
    "read": "",
    "train": "run",
    "evaluate": "evaluate",
    "benchmark": "benchmark",
}

_WRITE = "import sys; sys.path.insert(0, {here!r}); from pathlib import Path; " + (
    "from rehearsal_sets import write_set; write_set({name!r}, Path({folder!r}), {count}, {size})"
)
_READ = """
from data_pipelines import load
from data_pipelines.loader import train_loader
pairs = load({name!r}, data_dir={sets!r})
loader = train_loader(pairs, batch_size={batch}, crop_size={crop}, seed=0)
for _ in range(max(1, len(pairs) // {batch})):
    next(loader)
loader.close()
"""
_CONFIG = """
from gsn_jax.training.config import base_config
def get_config():
    config = base_config()
    config.model.backbone_options = {{"stem_width": {widths}[0], "widths": {widths}, "blocks": 1}}
    config.model.attention = config.model.attention[-len({widths}):]
    config.model.fusion_width = {widths}[-1]
    config.data.train = ("{name}:train",)
    config.data.batch_size, config.data.crop_size = {batch}, {crop}
    config.train.steps = config.train.eval_every = {steps}
    config.train.checkpoint_every = max(1, {steps} // 5)
    return config
"""
# A rehearsal with fewer references must turn off the builders' checks of counts.
_ANY_COUNT = """
import importlib, sys
from data_pipelines import catalogue
module = importlib.import_module("data_pipelines.builders.{name}")
builder = getattr(module, catalogue._BUILDERS["{name}"])
builder.NUM_REFERENCES = builder.NUM_PAIRS = None
from gsn_jax.cli import main
main()
"""


class Phase(NamedTuple):
    """A phase of the rehearsal.

    Attributes:
        name: name of the phase.
        command: takes the working directory and returns the command.
        digest: digest of the result in the working directory; None if it is not compared.
    """

    name: str
    command: Callable[[Path], Sequence[str]]
    digest: Callable[[Path], str] | None


def phases(name: str, options: argparse.Namespace) -> list[Phase]:
    """The phases of a set; each one uses the results of earlier phases in the folder `first`."""
    first = options.folder / name / "first"
    sets, originals = first / "sets", first / "originals"
    count = options.references or LAYOUTS[name].references
    crop = min(options.crop, *(options.size or LAYOUTS[name].size))
    config = options.folder / name / "config.py"
    gsn = commands.GSN
    if options.references:
        gsn = [sys.executable, "-c", _ANY_COUNT.format(name=name)]

    def write(folder: Path) -> list[str]:
        settings = {"here": str(Path(__file__).parent), "folder": str(folder / "originals")}
        code = _WRITE.format(name=name, count=count, size=options.size, **settings)
        return [sys.executable, "-c", code]

    def prepare(folder: Path) -> list[str]:
        where = ["--data-dir", folder / "sets", "prepare", name, "--manual-dir", originals]
        return [*gsn, "datasets", *map(str, where)]

    def read(_: Path) -> list[str]:
        code = _READ.format(name=name, sets=str(sets), batch=BATCH, crop=crop)
        return [sys.executable, "-c", code]

    def train(folder: Path) -> list[str]:
        steps = max(1, int(0.8 * _pairs(sets, name)) // BATCH)
        settings = {"batch": BATCH, "crop": crop, "widths": options.widths, "steps": steps}
        config.write_text(_CONFIG.format(name=name, **settings))
        return [*gsn, "train", "--config", str(config), "--workdir", str(folder / "run")]

    def judge(command: str, metrics: str) -> Callable[[Path], list[str]]:
        def arguments(folder: Path) -> list[str]:
            where = ["--data-dir", sets, "--out", folder / command]
            where += ["--checkpoint", first / "run" / "model"]
            return [*gsn, command, "--dataset", name, "--metric", metrics, *map(str, where)]

        return arguments

    prepared = f"{name}/[0-9]*/*.array_record*"  # excludes the leftovers of a killed command
    return [
        Phase("write", write, None),
        Phase("prepare", prepare, lambda folder: _digest(folder / "sets", prepared)),
        Phase("read", read, None),
        Phase("train", train, _variables),
        Phase("evaluate", judge("evaluate", "gsn"), _scores("evaluate")),
        Phase("benchmark", judge("benchmark", "gsn,psnr"), _scores("benchmark")),
    ]


def _pairs(sets: Path, name: str) -> int:
    import data_pipelines

    return len(data_pipelines.load(name, data_dir=sets))


def _digest(folder: Path, pattern: str) -> str:
    digest = hashlib.sha256()
    files = sorted(folder.rglob(pattern))
    if not files:
        raise RuntimeError(f"{folder}: no file matches {pattern}")
    for file in files:
        with open(file, "rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


def _variables(folder: Path) -> str:
    import jax

    from gsn_jax.models.folders import read_model

    leaves = jax.tree.leaves(read_model(folder / "run" / "model").variables)
    return hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in leaves)).hexdigest()


def _scores(command: str) -> Callable[[Path], str]:
    return lambda folder: _digest(folder / command, "scores.csv")


def bytes_of(folder: Path) -> int:
    """Total size of the files in a folder, in bytes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def killed_and_repeated(
    command: Sequence[str], folder: Path, seconds: float, environment: dict[str, str]
) -> None:
    """Starts a command, kills it after `seconds`, and runs it again to its end.

    If it ends before it is killed, because its programs are compiled already, it is started again
    and killed after a third of the time that it took.

    Raises:
        RuntimeError: the repeated command fails.
    """
    killed = False
    while not killed:
        shutil.rmtree(folder)
        folder.mkdir()
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(seconds)
            seconds = (time.perf_counter() - start) / 3
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed = process.wait() == -signal.SIGKILL
    commands.run(command, **environment)


def rehearse(name: str, options: argparse.Namespace) -> bool:
    """Rehearses a set and prints its rows; whether repeated phases gave the same results."""
    folder = options.folder / name
    chosen = [phase for phase in phases(name, options) if phase.name in options.phases]
    first, second = folder / "first", folder / "second"
    first.mkdir(parents=True, exist_ok=True)
    second.mkdir(exist_ok=True)
    for left in filter(None, (PHASES[phase.name] for phase in chosen)):
        shutil.rmtree(first / left, ignore_errors=True)
    environment = {"TFDS_DATA_DIR": str(first / "sets")}
    same, before = True, bytes_of(first)
    for phase in chosen:
        ended = commands.run(phase.command(first), **environment)
        after = bytes_of(first)
        known = phase.name != "write"
        pairs = f"{_pairs(first / 'sets', name) / ended.seconds:.1f}" if known else ""
        again = ""
        if options.kill and phase.digest is not None:
            command = phase.command(second)
            killed_and_repeated(command, second, ended.seconds / 3, environment)
            equal = phase.digest(first) == phase.digest(second)
            same, again = same and equal, "the same" if equal else "DIFFERENT"
        print(
            f"| {name} | {phase.name} | {ended.seconds:.1f} | {ended.processor:.1f} "
            f"| {ended.peak / 2**20:.0f} | {(after - before) / 1e6:.1f} | {pairs} | {again} |",
            flush=True,
        )
        before = after
    if not options.keep:
        shutil.rmtree(folder)
    return same


def main() -> None:
    """Rehearses the sets and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(LAYOUTS))
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the sets and runs")
    parser.add_argument(
        "--phases",
        default=",".join(PHASES),
        help="phases to run; earlier phases must have been run with --keep",
    )
    parser.add_argument("--crop", type=int, default=192, help="side of a training crop")
    parser.add_argument("--widths", default="8,8,8", help="channels of the small model's levels")
    parser.add_argument("--references", type=int, help="references per set (default: all)")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="size of the images")
    options = parser.parse_args()
    options.folder = options.folder.absolute()
    options.sets, options.phases = options.sets.split(","), options.phases.split(",")
    options.widths = tuple(map(int, options.widths.split(",")))
    for option, given, known in (
        ("--sets", options.sets, LAYOUTS),
        ("--phases", options.phases, PHASES),
    ):
        if unknown := set(given) - set(known):
            parser.error(
                f"{option}: no {', '.join(sorted(unknown))}; choose from {', '.join(known)}"
            )
    columns = "set", "phase", "s", "CPU s", "peak MiB", "new MB on disk", "pairs/s"
    print(f"| {' | '.join(columns)} | killed and repeated |")
    print("|---" * (len(columns) + 1) + "|")
    same = [rehearse(name, options) for name in options.sets]
    sys.exit(0 if all(same) else 1)


if __name__ == "__main__":
    main()
