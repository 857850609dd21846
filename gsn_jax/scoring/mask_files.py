"""Masks for pairs of files: one for all pairs, or one for each from a folder, by name."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from gsn_jax.errors import InputError
from gsn_jax.images.masks import as_mask
from gsn_jax.scoring.folders import list_images, pair_names
from gsn_jax.scoring.pairs import Pair, shown


def give_masks(pairs: Sequence[Pair], mask: str | os.PathLike[str], max_pixels: int) -> list[Pair]:
    """The pairs with their masks.

    Args:
        pairs: the pairs.
        mask: a mask file for all pairs, or a folder of masks. In a folder, a pair's mask is found
            by the name of its distorted image, or else of its reference, as
            `gsn_jax.scoring.folders.pair_names` finds references.
        max_pixels: see `gsn_jax.images.load_image`.

    Raises:
        InputError: the file cannot be used as a mask, or the folder holds no mask for some pairs,
            or several that fit equally well.
    """
    if not Path(mask).is_dir():
        as_mask(Path(mask), max_pixels=max_pixels)  # refuse a bad mask now, not for every pair
        return [dataclasses.replace(p, mask=shown(mask), mask_file=Path(mask)) for p in pairs]
    masks = list_images(mask)
    found: dict[int, PurePath] = {}
    for side in ("distorted", "reference"):
        missing = [index for index in range(len(pairs)) if index not in found]
        names = {index: PurePath(getattr(pairs[index], side)) for index in missing}
        pairing = pair_names(masks, list(dict.fromkeys(names.values())))
        if pairing.ambiguous:
            path, fitting = pairing.ambiguous[0]
            raise InputError(
                f"{shown(mask)}: {len(fitting)} masks match {shown(path)} "
                f"({', '.join(map(shown, fitting[:3]))}); rename them, or name the masks in a "
                "pairs table"
            )
        partners = {image: partner for partner, image in pairing.pairs}
        found |= {index: partners[name] for index, name in names.items() if name in partners}
    if len(found) < len(pairs):
        lone = [pair.distorted for index, pair in enumerate(pairs) if index not in found]
        raise InputError(
            f"{shown(mask)}: no mask for {len(lone)} of {len(pairs)} pairs, the first is "
            f"{lone[0]}; name each mask like its distorted image or its reference"
        )
    files = {index: Path(mask) / name for index, name in found.items()}
    return [
        dataclasses.replace(pair, mask=shown(files[index]), mask_file=files[index])
        for index, pair in enumerate(pairs)
    ]
