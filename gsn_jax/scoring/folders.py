"""Pairing two folders of images by file name, never by order."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath

from gsn_jax.errors import InputError
from gsn_jax.images.files import SUFFIXES
from gsn_jax.scoring.many_pairs import Pair

RULES = ("auto", "stem", "prefix")
SEPARATORS = "_-. "


@dataclasses.dataclass(frozen=True)
class Pairing:
    """What belongs together in two folders; all paths are relative to them, sorted.

    Attributes:
        pairs: `(reference, distorted)`, in the order of the distorted images.
        lone_references: references without a distorted image.
        lone_distorted: distorted images without a reference.
        ambiguous: a distorted image and the references that fit it equally well.
    """

    pairs: list[tuple[PurePath, PurePath]]
    lone_references: list[PurePath]
    lone_distorted: list[PurePath]
    ambiguous: list[tuple[PurePath, list[PurePath]]]


def list_images(folder: str | os.PathLike[str], skip: Iterable[Path] = ()) -> list[PurePath]:
    """The image files in a folder and below it, by suffix, relative to it and sorted.

    Hidden files are left out. Links are followed, each folder once, so that loops end.

    Args:
        folder: where to look.
        skip: folders to leave out.

    Raises:
        InputError: the folder or one below it cannot be read.
    """
    root = Path(folder)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "no such folder; check the path"
        raise InputError(f"{shown(folder)}: {what}")

    def refuse(error: OSError) -> None:
        raise InputError(f"{shown(error.filename)}: cannot be read ({error.strerror})")

    visited = {path.resolve() for path in skip}
    found = []
    for parent, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        real = Path(parent).resolve()
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            PurePath(os.path.relpath(os.path.join(parent, name), root))
            for name in files
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    return sorted(found)


def pair_names(
    references: Sequence[PurePath], distorted: Sequence[PurePath], rule: str = "auto"
) -> Pairing:
    """Pairs distorted images with references by their names.

    A reference is looked for in the folder that corresponds to the distorted image's, then in those
    above it, then in those whose path ends like it; the nearest folder with a fitting name decides.

    Args:
        references: relative paths.
        distorted: relative paths.
        rule: "stem" wants equal names without suffix, whatever their case; "prefix" the longest
            reference name that begins the distorted name, up to its end or one of "_-. "; "auto"
            the first, and then the second; anything else is a regular expression: what it finds in
            both names (its first group, if it has one) must be equal.

    Raises:
        InputError: the rule is not a regular expression.
    """
    find = _finder(rule)
    folders: dict[tuple[str, ...], list[PurePath]] = {}
    for path in references:
        folders.setdefault(path.parent.parts, []).append(path)
    names = {folder: find.index(paths) for folder, paths in folders.items()}
    pairs, lone, ambiguous = [], [], []
    for path in distorted:
        fitting: list[PurePath] = []
        for folder in _nearest(path.parent.parts):
            fitting = find.fitting(path, names[folder]) if folder in names else []
            if fitting:
                break
        if len(fitting) == 1:
            pairs.append((fitting[0], path))
        elif fitting:
            ambiguous.append((path, fitting))
        else:
            lone.append(path)
    used = {reference for reference, _ in pairs} | {r for _, some in ambiguous for r in some}
    return Pairing(pairs, [path for path in references if path not in used], lone, ambiguous)


def pair_folders(
    reference_dir: str | os.PathLike[str],
    distorted_dir: str | os.PathLike[str],
    *,
    rule: str = "auto",
    allow_unpaired: bool = False,
) -> tuple[list[Pair], Pairing]:
    """The pairs of two folders, see `pair_names`.

    Args:
        reference_dir: folder of the references.
        distorted_dir: folder of the distorted images; one may lie within the other.
        rule: see `pair_names`.
        allow_unpaired: leave out what has no partner, instead of refusing.

    Raises:
        InputError: a folder cannot be read, nothing pairs, something is ambiguous, or has no
            partner; the message names the first ones.
    """
    folders = Path(reference_dir), Path(distorted_dir)
    if folders[0].is_dir() and folders[0].resolve() == folders[1].resolve():
        raise InputError(
            f"{shown(reference_dir)}: is both folders; separate references from distorted images, "
            "or name the pairs in a table with --pairs"
        )
    references = list_images(folders[0], skip=[folders[1]])
    distorted = list_images(folders[1], skip=[folders[0]])
    for folder, images in zip(folders, (references, distorted), strict=True):
        if not images:
            raise InputError(f"{shown(folder)}: holds no image ({', '.join(SUFFIXES)})")
    pairing = pair_names(references, distorted, rule)
    if pairing.ambiguous:
        path, fitting = pairing.ambiguous[0]
        raise InputError(
            f"{len(pairing.ambiguous)} distorted images fit several references, the first is "
            f"{shown(path)}: {_some(fitting)}; rename them, or name the pairs with --pairs"
        )
    if not pairing.pairs:
        raise InputError(
            f"no image of {shown(distorted_dir)} has a reference in {shown(reference_dir)} by the "
            f"rule {rule!r} (the first are {shown(distorted[0])} and {shown(references[0])}); "
            "choose another one with --pairing, or name the pairs in a table with --pairs"
        )
    if not allow_unpaired and (pairing.lone_distorted or pairing.lone_references):
        raise InputError(f"{unpaired(pairing)}; --allow-unpaired scores the others")
    return [_pair(folders, names) for names in pairing.pairs], pairing


def unpaired(pairing: Pairing, limit: int = 10) -> str:
    """What has no partner, in words; "" where everything has one."""
    parts = []
    for paths, what in (
        (pairing.lone_distorted, "distorted without a reference"),
        (pairing.lone_references, "references without a distorted image"),
    ):
        if paths:
            parts.append(f"{len(paths)} {what}: {_some(paths, limit)}")
    return "; ".join(parts)


def shown(name: str | os.PathLike[str]) -> str:
    """A file name that can be printed: bytes that are not UTF-8 are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _some(paths: Sequence[PurePath], limit: int = 10) -> str:
    more = f" and {len(paths) - limit} more" if len(paths) > limit else ""
    return ", ".join(shown(path) for path in paths[:limit]) + more


def _pair(folders: tuple[Path, Path], names: tuple[PurePath, PurePath]) -> Pair:
    files = [folder / name for folder, name in zip(folders, names, strict=True)]
    texts = [shown(file) for file in files]
    for file, text in zip(files, texts, strict=True):
        if text != os.fspath(file):
            return Pair(*texts, None, None, f"{text}: the name is not UTF-8; rename the file")
    return Pair(*texts, *files)


def _nearest(parts: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Folders in which a reference may be: the same, those above, and ends of the path."""
    above = [parts[:end] for end in range(len(parts), 0, -1)]
    ends = [parts[start:] for start in range(1, len(parts))]
    return list(dict.fromkeys([*above, *ends, ()]))


@dataclasses.dataclass(frozen=True)
class _Finder:
    """How a rule finds references: the key of a reference, and the keys to try, best first."""

    reference_key: Callable[[str], str]
    wanted_keys: Callable[[str], Sequence[str]]

    def index(self, paths: Iterable[PurePath]) -> dict[str, list[PurePath]]:
        names: dict[str, list[PurePath]] = {}
        for path in paths:
            names.setdefault(self.reference_key(path.stem), []).append(path)
        return names

    def fitting(self, path: PurePath, names: dict[str, list[PurePath]]) -> list[PurePath]:
        for key in self.wanted_keys(path.stem):
            if key in names:
                exact = [other for other in names[key] if other.stem == path.stem]
                return exact if len(exact) == 1 else names[key]
        return []


def _finder(rule: str) -> _Finder:
    if rule == "stem":
        return _Finder(str.casefold, lambda stem: [stem.casefold()])
    if rule in ("auto", "prefix"):  # an equal name is the longest prefix
        return _Finder(str.casefold, _prefixes)
    try:
        pattern = re.compile(rule, re.IGNORECASE)
    except re.error as error:
        raise InputError(
            f"--pairing {rule!r}: neither one of {', '.join(RULES)} nor a regular expression "
            f"({error})"
        ) from None

    def key(stem: str) -> str:
        match = pattern.search(stem)
        if match is None:
            return ""
        return (match.group(1 if pattern.groups else 0) or "").casefold()

    return _Finder(lambda stem: key(stem) or stem.casefold(), lambda stem: [key(stem)])


def _prefixes(stem: str) -> list[str]:
    """Beginnings of a name up to its end or a separator, the longest first."""
    stem = stem.casefold()
    ends = [i for i, letter in enumerate(stem) if letter in SEPARATORS and i]
    return [stem, *(stem[:end] for end in reversed(ends))]
