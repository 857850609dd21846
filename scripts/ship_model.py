"""Puts the model of a finished training run into the package.

    python scripts/ship_model.py runs/gsn --name gsn --version X.Y.Z
    python scripts/ship_model.py runs/next --name gsn --version X.Y.Z --keep
    python scripts/ship_model.py runs/gsn_b --name gsn-b --version X.Y.Z --compress

Central difference convolutions are folded into plain ones. The description keeps the configuration
and the results, and the last two parts of the paths of training tables, because the rest means
nothing on other machines. When scores change, the version must change, here and in the changelog.
The card comes from `docs/` and must be copied again when it changes there. With --keep, the
replaced version stays in the package, as `gsn_jax.load("gsn@X.Y.Z")`. With --compress, large
kernels are stored as bytes; `scripts/compression_loss.py RUN NAME PAIRS.csv` measures how much this
changes scores.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from gsn_jax.backbones.folding import fold
from gsn_jax.errors import InputError
from gsn_jax.models import registry
from gsn_jax.models.folders import read_model, write_model

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "gsn_jax" / "shipped"


def portable(training: dict[str, Any]) -> dict[str, Any]:
    """A training record without the folders of the machine it was made on."""
    record = copy.deepcopy(training)
    data = record["config"]["data"]
    for part in ("train", "eval"):
        data[part] = _shorten(data[part])
    if "store" in data:
        data["store"] = ""
    return record


def _shorten(entry: Any) -> Any:
    if isinstance(entry, str):
        return "/".join(Path(entry).parts[-2:]) if os.path.isabs(entry) else entry
    return [_shorten(child) for child in entry] if isinstance(entry, (list, tuple)) else entry


def card(name: str) -> Path:
    """The path of a model's card in `docs/`."""
    suffix = "" if name == "gsn" else "_" + name.replace("-", "_")
    return ROOT / "docs" / f"model_card{suffix}.md"


def keep(name: str) -> None:
    """Keeps a copy of the shipped version that is about to be replaced, as NAME@VERSION."""
    if not (SHIPPED / name).is_dir():
        return
    kept = SHIPPED / f"{name}@{read_model(SHIPPED / name).version}"
    if not kept.exists():
        shutil.copytree(SHIPPED / name, kept)


def main() -> None:
    """Writes the model into the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="folder of a training run, or of one of its checkpoints")
    parser.add_argument("--name", default="gsn")
    parser.add_argument("--version", required=True)
    parser.add_argument("--keep", action="store_true", help="keep the version that is replaced")
    parser.add_argument("--compress", action="store_true", help="store large kernels as bytes")
    options = parser.parse_args()
    try:
        model = read_model(options.run)
    except InputError as error:
        sys.exit(f"ship_model: {error}")
    if model.calibration is None:
        sys.exit(f"ship_model: {options.run}: no calibration, so scores would not be in [0, 1]")
    if not card(options.name).is_file():
        sys.exit(f"ship_model: {card(options.name)}: no such file; write the model's card first")
    _, variables = fold(registry.build(model.config), model.variables)
    shipped = dataclasses.replace(
        model,
        config={**model.config, "theta": 0.0},
        variables=variables,
        version=options.version,
        training=portable(model.training),
        card=card(options.name).read_text(encoding="utf-8"),
    )
    if options.keep:
        keep(options.name)
    write_model(SHIPPED / options.name, shipped, compressed=options.compress)
    print(f"{options.name} {options.version}: step {model.training['step']}")


if __name__ == "__main__":
    main()
