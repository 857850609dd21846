"""Rehearses the life of the published data sets at their full sizes, with noise as images.

    python benchmarks/rehearsal.py --folder /scratch/rehearsal [--sets csiq,pipal] [--kill]

For each set: writes it in its authors' layout, prepares it, reads one epoch of training crops,
trains a small model for that epoch, evaluates it, and benchmarks it beside PSNR; every phase in a
process of its own. Prints a Markdown table of wall time, peak memory, disk space and pairs/s. With
--kill each phase also runs a second time from the start: killed (SIGKILL) after a third of its
time, and repeated; its result must be the same. A set needs three times the space of its images,
and is removed before the next one is written, but for --keep; --phases then repeats some phases.
Seconds of cores are those of the processor, which other programs on the machine hardly change.
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

# The folder that each phase leaves.
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
    config.model.backbone_options = {{"stem_width": {width}, "widths": ({width},) * 3, "blocks": 1}}
    config.model.fusion_width = {width}
    config.data.train = ("{name}:train",)
    config.data.batch_size, config.data.crop_size = {batch}, {crop}
    config.train.steps = config.train.eval_every = {steps}
    config.train.checkpoint_every = max(1, {steps} // 5)
    return config
"""
# Builders check the numbers of references and pairs, which a smaller rehearsal does not have.
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
    """A command, and what it leaves.

    Attributes:
        name: of the phase.
        command: gets the folder to work in.
        digest: of the result in that folder; equal for equal results. None of a phase that leaves
            nothing.
    """

    name: str
    command: Callable[[Path], Sequence[str]]
    digest: Callable[[Path], str] | None


def phases(name: str, options: argparse.Namespace) -> list[Phase]:
    """The phases of a set; each works on the results of those before it, in `first`."""
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
        settings = {"batch": BATCH, "crop": crop, "width": options.width, "steps": steps}
        config.write_text(_CONFIG.format(name=name, **settings))
        return [*gsn, "train", "--config", str(config), "--workdir", str(folder / "run")]

    def judge(command: str, metrics: str) -> Callable[[Path], list[str]]:
        def arguments(folder: Path) -> list[str]:
            where = ["--data-dir", sets, "--out", folder / command]
            where += ["--checkpoint", first / "run" / "model"]
            return [*gsn, command, "--dataset", name, "--metric", metrics, *map(str, where)]

        return arguments

    prepared = f"{name}/[0-9]*/*.array_record*"  # not what a killed command had begun
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
        raise RuntimeError(f"{folder}: no {pattern}")
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
    """Disk space of a folder's files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def killed_and_repeated(
    command: Sequence[str], folder: Path, seconds: float, environment: dict[str, str]
) -> None:
    """Starts a command, kills it after some time, and runs it to its end.

    It may be faster than the first time, as its programs are compiled: then it starts anew, and is
    killed after a third of its own time.

    Raises:
        RuntimeError: it fails when it is repeated.
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
    """Prints the rows of a set; whether every repeated phase ended the same."""
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
    """Parses the arguments, rehearses, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(LAYOUTS))
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the sets and runs")
    parser.add_argument("--phases", default=",".join(PHASES), help="the others ran with --keep")
    parser.add_argument("--crop", type=int, default=192, help="side of a training crop")
    parser.add_argument("--width", type=int, default=8, help="channels of the small model")
    parser.add_argument("--references", type=int, help="so many of each set; by default all")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="of the images")
    options = parser.parse_args()
    options.folder = options.folder.absolute()
    options.phases = options.phases.split(",")
    if unknown := set(options.phases) - set(PHASES):
        parser.error(f"no phase {', '.join(sorted(unknown))}; there are {', '.join(PHASES)}")
    columns = "set", "phase", "s", "s of cores", "peak MiB", "new MB on disk", "pairs/s"
    print(f"| {' | '.join(columns)} | killed and repeated |")
    print("|---" * (len(columns) + 1) + "|")
    same = [rehearse(name, options) for name in options.sets.split(",")]
    sys.exit(0 if all(same) else 1)


if __name__ == "__main__":
    main()
