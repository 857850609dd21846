"""TID2013: 25 references, 24 types of distortion at 5 levels, MOS (higher is better)."""

from __future__ import annotations

import re
from pathlib import Path

from data_pipelines.builders.base import Pair, PairBuilder
from data_pipelines.builders.inputs import Inputs, Problems, read_lines
from data_pipelines.tables import as_number

# Types 1 to 24 in the set's order, by the names of `data_pipelines.distortions`.
TYPES = (
    "white_noise",
    "colour_noise",
    "correlated_noise",
    "masked_noise",
    "high_frequency_noise",
    "impulse_noise",
    "quantisation",
    "gaussian_blur",
    "denoising",
    "jpeg",
    "jpeg2000",
    "jpeg_errors",
    "jpeg2000_errors",
    "pattern_noise",
    "blocks",
    "mean_shift",
    "contrast",
    "saturation",
    "multiplicative_noise",
    "comfort_noise",
    "noisy_compression",
    "colour_quantisation_dither",
    "chromatic_aberration",
    "sparse_sampling",
)

_TABLE = "mos_with_names.txt"
_LINE = re.compile(r"(\S+)\s+i(\d\d)_(\d\d)_([1-5])\.bmp", re.IGNORECASE)


class Tid2013(PairBuilder):
    """Reads `mos_with_names.txt` (`MOS iRR_TT_L.bmp`), `mos_std.txt` and the BMP files."""

    TITLE = "TID2013: 3000 distorted images with mean opinion scores"
    HOMEPAGE = "https://www.ponomarenko.info/tid2013.htm"
    CITATION = """@article{ponomarenko2015tid2013,
  title={Image database {TID2013}: Peculiarities, results and perspectives},
  author={Ponomarenko, Nikolay and Jin, Lina and Ieremeiev, Oleg and Lukin, Vladimir and
    Egiazarian, Karen and Astola, Jaakko and Vozel, Benoit and Chehdi, Kacem and Carli, Marco and
    Battisti, Federica and Kuo, C.-C. Jay},
  journal={Signal Processing: Image Communication}, volume={30}, pages={57--77}, year={2015}}"""
    LICENSE = "The authors' terms (see the homepage): free of charge, citation required"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "download tid2013.rar from https://www.ponomarenko.info/tid2013.htm and unpack it (7z x "
        "tid2013.rar), so that mos_with_names.txt, reference_images/ and distorted_images/ are "
        "in the folder"
    )
    ARCHIVES = ("*tid2013*",)
    SCORE_RANGE = (0.0, 9.0)
    NUM_REFERENCES = 25
    NUM_PAIRS = 3000

    def read_pairs(self, inputs: Inputs, problems: Problems, scratch: Path) -> list[Pair]:
        """See `PairBuilder`."""
        del scratch
        table = inputs.require(_TABLE, self.MANUAL_DOWNLOAD_INSTRUCTIONS)
        lines = [line.strip() for line in read_lines(table)]
        rows = [(number, line) for number, line in enumerate(lines, start=1) if line]
        deviations = self._deviations(inputs, problems, len(rows))
        pairs = []
        for (number, line), deviation in zip(rows, deviations, strict=True):
            found = _LINE.fullmatch(line)
            score = as_number(found[1]) if found else None
            if not found or score is None or not 1 <= int(found[3]) <= len(TYPES):
                problems.add(f"{_TABLE}, line {number}: {line!r} is not 'MOS iRR_TT_L.bmp'")
                continue
            reference, kind, level = found[2], int(found[3]), int(found[4])
            distorted = f"i{reference}_{kind:02d}_{level}.bmp"
            pairs.append(
                Pair(
                    reference=f"i{reference}.bmp",
                    reference_path=inputs.find(f"reference_images/i{reference}.bmp"),
                    distorted=distorted,
                    distorted_path=inputs.find(f"distorted_images/{distorted}"),
                    score=score,
                    score_std=deviation,
                    reference_id=f"i{reference}",
                    distortion_type=TYPES[kind - 1],
                    distortion_level=level,
                )
            )
        return pairs

    def _deviations(self, inputs: Inputs, problems: Problems, count: int) -> list[float]:
        """The `count` numbers in `mos_std.txt`; NaN if there is no such file."""
        nothing = [float("nan")] * count
        table = inputs.find("mos_std.txt")
        if table is None:
            return nothing
        values = [value for line in read_lines(table) if (value := as_number(line)) is not None]
        if len(values) != count:
            problems.add(f"mos_std.txt: {len(values)} numbers instead of {count}")
            return nothing
        return values
