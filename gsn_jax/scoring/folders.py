"""Pairing two folders of images by file name, never by order."""

from __future__ import annotations

import dataclasses
import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath

import regex

from gsn_jax.errors import InputError
from gsn_jax.images.files import SUFFIXES
from gsn_jax.scoring.pairs import Pair, shown

RULES = ("auto", "stem", "prefix")
SEPARATORS = "_-. "

# Seconds allowed to match one name: some expressions would backtrack practically for ever.
_SEARCH_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Pairing:
    """Which files of two folders belong together. Paths are relative to the folders, and sorted.

    Attributes:
        pairs: `(reference, distorted)`, in the order of the distorted images.
        lone_references: references without a distorted image.
        lone_distorted: distorted images without a reference.
        ambiguous: distorted images, each with the references that fit it equally well.
    """

    pairs: list[tuple[PurePath, PurePath]]
    lone_references: list[PurePath]
    lone_distorted: list[PurePath]
    ambiguous: list[tuple[PurePath, list[PurePath]]]


def list_images(folder: str | os.PathLike[str], skip: Iterable[Path] = ()) -> list[PurePath]:
    """The image files in and below a folder, by suffix: paths relative to it, sorted.

    Hidden files and folders are skipped. Links are followed; each folder is listed once, so that
    loops end.

    Args:
        folder: where to look.
        skip: folders to skip.

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

    For a distorted image in `a/b/`, references are searched in `a/b/`, then in the folders above
    it (`a/`), then in those that its path ends with (`b/`), then at the top. The first folder with
    a matching name decides. Case and Unicode form (NFC or NFD) of names make no difference.

    Args:
        references: relative paths.
        distorted: relative paths.
        rule: "stem": names without suffixes are equal. "prefix": the longest reference name that
            is the whole distorted name, or its beginning before one of "_-. ". "auto": "stem", or
            else "prefix". Anything else is a regular expression, whose match (its first group, if
            it has one) must be equal in both names; a reference without a match counts by its
            whole name.

    Raises:
        InputError: the rule is not a regular expression, or takes too long.
    """
    find = _finder(rule)
    folders: dict[tuple[str, ...], list[PurePath]] = {}
    for path in references:
        folders.setdefault(_parts(path.parent), []).append(path)
    names = {folder: find.index(paths) for folder, paths in folders.items()}
    pairs, lone, ambiguous = [], [], []
    for path in distorted:
        fitting: list[PurePath] = []
        for folder in _nearest(_parts(path.parent)):
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
        allow_unpaired: ignore images without a partner instead of raising an error.

    Raises:
        InputError: a folder cannot be read, no images pair, or some are ambiguous or have no
            partner. The message names the first ones.
    """
    folders = Path(reference_dir), Path(distorted_dir)
    if folders[0].is_dir() and folders[0].resolve() == folders[1].resolve():
        raise InputError(
            f"{shown(reference_dir)}: is both the reference and the distorted folder; move the "
            "references to a folder of their own, or list the pairs in a table with --pairs"
        )
    references = list_images(folders[0], skip=[folders[1]])
    distorted = list_images(folders[1], skip=[folders[0]])
    for folder, images in zip(folders, (references, distorted), strict=True):
        if not images:
            raise InputError(
                f"{shown(folder)}: contains no images ({', '.join(SUFFIXES)}); check the path"
            )
    pairing = pair_names(references, distorted, rule)
    if pairing.ambiguous:
        path, fitting = pairing.ambiguous[0]
        raise InputError(
            f"{len(pairing.ambiguous)} of {len(distorted)} distorted images match several "
            f"references; the first is {shown(path)}, which matches {_some(fitting)}; rename them, "
            "or list the pairs in a table with --pairs"
        )
    if not pairing.pairs:
        raise InputError(
            f"no image in {shown(distorted_dir)} matches a reference in {shown(reference_dir)} by "
            f"the rule {rule!r} (the first are {shown(distorted[0])} and {shown(references[0])}); "
            "choose another rule with --pairing, or list the pairs in a table with --pairs"
        )
    if not allow_unpaired and (pairing.lone_distorted or pairing.lone_references):
        raise InputError(f"{unpaired(pairing)}; --allow-unpaired scores the others")
    return [_pair(folders, names) for names in pairing.pairs], pairing


def unpaired(pairing: Pairing) -> str:
    """A line that names the images without a partner; "" if there are none."""
    parts = []
    for paths, kind, missing in (
        (pairing.lone_distorted, "distorted image", "reference"),
        (pairing.lone_references, "reference", "distorted image"),
    ):
        if paths:
            some = kind if len(paths) == 1 else f"{kind}s"
            parts.append(f"{len(paths)} {some} without a {missing}: {_some(paths)}")
    return "; ".join(parts)


def _some(paths: Sequence[PurePath], limit: int = 10) -> str:
    more = f" and {len(paths) - limit} more" if len(paths) > limit else ""
    return ", ".join(shown(path) for path in paths[:limit]) + more


def _pair(folders: tuple[Path, Path], names: tuple[PurePath, PurePath]) -> Pair:
    reference, distorted = folders[0] / names[0], folders[1] / names[1]
    texts = shown(reference), shown(distorted)
    for file, text in zip((reference, distorted), texts, strict=True):
        if text != os.fspath(file):
            return Pair(*texts, None, None, f"{text}: the name is not UTF-8; rename the file")
    return Pair(*texts, reference, distorted)


def _nearest(parts: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The folders in which a reference is searched, in order; see `pair_names`."""
    above = [parts[:end] for end in range(len(parts), 0, -1)]
    ends = [parts[start:] for start in range(1, len(parts))]
    return list(dict.fromkeys([*above, *ends, ()]))


@dataclasses.dataclass(frozen=True)
class _Finder:
    """A rule: the key of a reference's name, and keys to try for a distorted name, best first."""

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
        return _Finder(_folded, lambda stem: [_folded(stem)])
    if rule in ("auto", "prefix"):  # the same, as an equal name is the longest prefix
        return _Finder(_folded, _prefixes)
    try:
        pattern = regex.compile(rule, regex.IGNORECASE)
    except regex.error as error:
        raise InputError(
            f"--pairing {rule!r}: not one of {', '.join(RULES)}, and not a valid regular "
            f"expression ({error})"
        ) from None

    def key(stem: str) -> str:
        try:
            match = pattern.search(unicodedata.normalize("NFC", stem), timeout=_SEARCH_SECONDS)
        except TimeoutError:
            raise InputError(
                f"--pairing {rule!r}: takes too long on {shown(stem)}; avoid nested repetitions "
                "like (a+)+"
            ) from None
        return _folded(match.group(1 if pattern.groups else 0) or "") if match else ""

    return _Finder(lambda stem: key(stem) or _folded(stem), lambda stem: [key(stem)])


def _parts(folder: PurePath) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", part) for part in folder.parts)


def _folded(stem: str) -> str:
    """A name in one case and one Unicode form."""
    return unicodedata.normalize("NFC", stem).casefold()


def _prefixes(stem: str) -> list[str]:
    """The name and its prefixes that end before a separator, longest first."""
    stem = _folded(stem)
    ends = [i for i, letter in enumerate(stem) if letter in SEPARATORS and i]
    return [stem, *(stem[:end] for end in reversed(ends))]
