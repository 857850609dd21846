"""Photographs that data sets share, so that a cross-data-set evaluation can report overlaps.

The Kodak suite (24 photographs) is the source of TID2013's references 1-24, which are 512 x 384
crops of photographs 1-24 in this order (Ponomarenko et al., 2015; reference 25 is artificial), and
of 19 of LIVE's 29 references (Sheikh et al., 2006, took them from the Internet and CD-ROMs).

LIVE names its references by their content. Most names match only one Kodak photograph (`caps`,
`parrots`, `lighthouse2` with its landscape format). The entries marked as likely match two
photographs (four sailing boats, two in each format; two seascapes); for overlaps it does not matter
which of the two it is. LIVE's six portrait-format references are Kodak's six.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Scene:
    """A Kodak photograph and the data sets that use it.

    Attributes:
        kodak: its number in the Kodak suite, 1-24 (`kodim01.png`).
        live: LIVE's reference id, or None.
    """

    kodak: int
    live: str | None = None

    @property
    def tid2013(self) -> str:
        """TID2013's reference id."""
        return f"i{self.kodak:02d}"

    @property
    def name(self) -> str:
        """The common name of the scene."""
        return f"kodim{self.kodak:02d}"


SCENES = (
    Scene(1),
    Scene(2),
    Scene(3, "caps"),
    Scene(4, "womanhat"),
    Scene(5, "bikes"),
    Scene(6, "sailing1"),  # likely
    Scene(7),
    Scene(8, "buildings"),
    Scene(9, "sailing2"),  # likely
    Scene(10, "sailing3"),  # likely
    Scene(11, "sailing4"),  # likely
    Scene(12),
    Scene(13, "stream"),
    Scene(14, "rapids"),
    Scene(15),
    Scene(16, "ocean"),  # likely
    Scene(17, "statue"),
    Scene(18, "woman"),
    Scene(19, "lighthouse"),
    Scene(20, "plane"),
    Scene(21, "lighthouse2"),
    Scene(22, "house"),
    Scene(23, "parrots"),
    Scene(24, "paintedhouse"),
)

_NAMES = {
    "kodak": {scene.name: scene.name for scene in SCENES},
    "tid2013": {scene.tid2013: scene.name for scene in SCENES},
    "tid2013_regenerated": {scene.tid2013: scene.name for scene in SCENES},
    "live_iqa": {scene.live: scene.name for scene in SCENES if scene.live},
}


def scene(dataset: str, reference_id: str) -> str:
    """Common name of a reference's content: `kodim03` for TID2013's `i03` and LIVE's `caps`.

    A reference without one is named `DATASET/REFERENCE_ID`.
    """
    return _NAMES.get(dataset, {}).get(reference_id, f"{dataset}/{reference_id}")


def shared(
    first: str, first_ids: Iterable[str], second: str, second_ids: Iterable[str]
) -> list[tuple[str, str, str]]:
    """The scenes that two data sets share.

    Args:
        first: name of a data set, e.g. "tid2013".
        first_ids: its reference ids, e.g. `source.reference_ids`.
        second: name of the other data set.
        second_ids: its reference ids.

    Returns:
        (scene, id in the first set, id in the second set), sorted.
    """
    mine = {scene(first, name): name for name in set(first_ids)}
    theirs = {scene(second, name): name for name in set(second_ids)}
    return [(name, mine[name], theirs[name]) for name in sorted(mine.keys() & theirs.keys())]
