"""The models inside the package: the newest version of each, and possibly older ones.

shipped/NAME            the newest version, given in its `model.json`
shipped/NAME@VERSION    an older version, if one is kept to reproduce published scores
"""

from __future__ import annotations

import json
from pathlib import Path

from gsn_jax.errors import InputError
from gsn_jax.models.folders import DESCRIPTION

FOLDER = Path(__file__).parents[1] / "shipped"


def names() -> tuple[str, ...]:
    """Names of the models, without versions."""
    return tuple(sorted(name for name in _folders() if "@" not in name))


def versions(name: str) -> tuple[str, ...]:
    """The shipped versions of a model, the newest last."""
    kept = [folder.partition("@")[2] for folder in _folders() if folder.startswith(f"{name}@")]
    newest = _version(name)
    return (*sorted((version for version in kept if version != newest), key=_order), newest)


def is_shipped(name: object) -> bool:
    """Whether this is the name of a model, with or without a version (which need not exist)."""
    return isinstance(name, str) and name.partition("@")[0] in names()


def folder(name: str) -> Path:
    """The folder of NAME, the newest version, or of NAME@VERSION.

    Raises:
        InputError: there is no such version; the message names the available ones.
    """
    model, _, version = name.partition("@")
    if name == model:
        return FOLDER / name
    if version not in versions(model):
        known = ", ".join(versions(model))
        raise InputError(f"{name}: no such version of {model} is shipped; available: {known}")
    return FOLDER / (model if version == _version(model) else name)


def _folders() -> list[str]:
    return [path.parent.name for path in FOLDER.glob(f"*/{DESCRIPTION}")]


def _version(name: str) -> str:
    return json.loads((FOLDER / name / DESCRIPTION).read_text(encoding="utf-8"))["version"]


def _order(version: str) -> list[int]:
    """Sort key that puts 0.10.0 after 0.9.0."""
    return [int(part) if part.isdigit() else -1 for part in version.split(".")]
