"""Where TID2013's reference images lie inside the Kodak photographs.

TID2013's references 1 to 24 are 512 x 384 crops of the photographs kodim01 to kodim24. JPEG
confirms the offsets: compressing a crop at qualities 80, 60, 23, 8 and 4 reproduces all five
published PSNRs of the scene to the table's five decimals; see `docs/datasets.md`. Reference 25 is
synthetic, not a Kodak photograph; reference 23 matches no window of kodim23.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.images.files import load_image

HEIGHT, WIDTH = 384, 512

# scene -> (row, column) of the crop's upper left pixel
OFFSETS = {
    1: (126, 104),
    2: (30, 83),
    3: (44, 73),
    4: (206, 0),
    5: (21, 104),
    6: (43, 66),
    7: (93, 153),
    8: (4, 71),
    9: (292, 0),
    10: (337, 0),
    11: (55, 252),
    12: (40, 131),
    13: (41, 119),
    14: (93, 147),
    15: (56, 236),
    16: (8, 121),
    17: (74, 0),
    18: (150, 0),
    19: (255, 0),
    20: (61, 57),
    21: (60, 28),
    22: (33, 59),
    24: (116, 65),
}

# Scenes that are kept out of every training split.
RESERVED = frozenset({1, 3, 4, 6, 8, 19, 21, 23})


def reference(photos: Path, scene: int) -> np.ndarray:
    """Crops TID2013's reference image of a scene: uint8 `(384, 512, 3)`.

    Args:
        photos: folder with `kodim01.png` to `kodim24.png`.
        scene: a key of `OFFSETS`.

    Raises:
        InputError: the photograph is missing, or has another size or depth.
    """
    path = photos / f"kodim{scene:02d}.png"
    if not path.is_file():
        raise InputError(
            f"{photos}: no kodim{scene:02d}.png; give the folder with the 24 Kodak photographs"
        )
    photo = load_image(path)
    if sorted(photo.shape[:2]) != [512, 768] or photo.dtype != np.uint8:
        raise InputError(
            f"{path}: {photo.shape[1]} x {photo.shape[0]} of {photo.dtype}, but a Kodak photograph "
            "has 768 x 512 or 512 x 768 pixels of 8 bits"
        )
    row, column = OFFSETS[scene]
    return np.ascontiguousarray(photo[row : row + HEIGHT, column : column + WIDTH])
