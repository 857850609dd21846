"""All distortions by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from data_pipelines.distortions import (
    blur,
    colour,
    compression,
    mixed,
    networks,
    noise,
    quantisation,
    restoration,
    scaling,
    spatial,
    tone,
    transmission,
)
from data_pipelines.distortions.entry import Distortion
from data_pipelines.distortions.pixels import RGB
from gsn_jax.errors import InputError

_MODULES = (
    noise,
    blur,
    compression,
    transmission,
    quantisation,
    tone,
    colour,
    spatial,
    restoration,
    scaling,
    networks,
    mixed,
)
_ENTRIES = {entry.name: entry for module in _MODULES for entry in module.DISTORTIONS}


def names(group: str | None = None) -> tuple[str, ...]:
    """The names of all distortions, or of those in one group, in a fixed order.

    Raises:
        InputError: there is no such group.
    """
    if group is not None and group not in groups():
        raise InputError(f"no distortion group {group!r}; choose from {', '.join(groups())}")
    return tuple(name for name, entry in _ENTRIES.items() if group in (None, entry.group))


def groups() -> tuple[str, ...]:
    """The names of all groups, e.g. "noise"."""
    return tuple(dict.fromkeys(entry.group for entry in _ENTRIES.values()))


def get(name: str) -> Distortion:
    """The distortion with this name.

    Raises:
        InputError: there is none; the message suggests similar names, or how to list all.
    """
    if name not in _ENTRIES:
        near = difflib.get_close_matches(name, _ENTRIES, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "gsn synthesize --list lists all"
        raise InputError(f"no distortion {name!r}; {hint}")
    return _ENTRIES[name]


def of_tid2013(index: int) -> Distortion:
    """The distortion that represents type 1 to 24 of TID2013.

    Raises:
        InputError: there is no such type.
    """
    return _numbered("tid2013", index)


def of_kadid10k(index: int) -> Distortion:
    """The distortion that represents type 1 to 25 of KADID-10k.

    Raises:
        InputError: there is no such type.
    """
    return _numbered("kadid10k", index)


def _numbered(data_set: str, index: int) -> Distortion:
    for entry in _ENTRIES.values():
        if getattr(entry, data_set) == index:
            return entry
    raise InputError(f"{data_set} has no distortion type {index}")


def apply(
    name: str,
    image: RGB,
    level: float | None = None,
    seed: int = 0,
    *,
    strength: float | None = None,
) -> RGB:
    """`get(name)(image, level, seed, strength=strength)`; see `Distortion`."""
    return get(name)(image, level, seed, strength=strength)


def select(patterns: Iterable[str]) -> tuple[str, ...]:
    """Expands names, groups and the words "all", "tid2013" and "kadid10k" to distinct names.

    Raises:
        InputError: a word is none of these.
    """
    chosen: dict[str, None] = {}
    for word in patterns:
        if word == "all":
            found = names()
        elif word in ("tid2013", "kadid10k"):
            found = tuple(n for n, e in _ENTRIES.items() if getattr(e, word) is not None)
        elif word in groups():
            found = names(word)
        else:
            found = (get(word).name,)
        chosen.update(dict.fromkeys(found))
    return tuple(chosen)
