"""LIVE release 2: 29 references, 5 types of distortion, DMOS (lower is better)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.io

from data_pipelines.builders.base import Pair, PairBuilder
from data_pipelines.builders.inputs import Inputs, Problems
from gsn_jax.errors import InputError

# Folder, our name for the type and its number of images, in the order of the 982 rows.
FOLDERS = (
    ("jp2k", "jpeg2000", 227),
    ("jpeg", "jpeg", 233),
    ("wn", "white_noise", 174),
    ("gblur", "gaussian_blur", 174),
    ("fastfading", "fast_fading", 174),
)


class LiveIqa(PairBuilder):
    """Reads `dmos_realigned.mat` and `refnames_all.mat`; 203 of the 982 rows are references."""

    TITLE = "LIVE image quality, release 2: 779 distorted images with realigned DMOS"
    HOMEPAGE = "https://live.ece.utexas.edu/research/quality/subjective.htm"
    CITATION = """@article{sheikh2006statistical,
  title={A statistical evaluation of recent full reference image quality assessment algorithms},
  author={Sheikh, Hamid R. and Sabir, Muhammad F. and Bovik, Alan C.},
  journal={IEEE Transactions on Image Processing}, volume={15}, number={11}, pages={3440--3451},
  year={2006}}"""
    LICENSE = "The University of Texas at Austin's notice in the release; citation required"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "request access at https://live.ece.utexas.edu/research/quality/subjective.htm, and put "
        "databaserelease2.zip and dmos_realigned.mat into the folder"
    )
    ARCHIVES = ("*databaserelease2*", "*live*")
    # Realigned DMOS lies between -2.64 and 111.77; rounded outwards.
    SCORE_RANGE = (-3.0, 112.0)
    HIGHER_IS_BETTER = False
    NUM_REFERENCES = 29
    NUM_PAIRS = 779

    def read_pairs(self, inputs: Inputs, problems: Problems, scratch: Path) -> list[Pair]:
        """See `PairBuilder`."""
        del scratch
        scores = _variables(
            inputs.require("dmos_realigned.mat", self.MANUAL_DOWNLOAD_INSTRUCTIONS),
            ("dmos_new", "dmos_std", "orgs"),
        )
        names = _variables(
            inputs.require("refnames_all.mat", self.MANUAL_DOWNLOAD_INSTRUCTIONS),
            ("refnames_all",),
        )["refnames_all"]
        rows = [(*folder, i) for folder in FOLDERS for i in range(1, folder[2] + 1)]
        if any(len(column) != len(rows) for column in (*scores.values(), names)):
            raise InputError(
                f"{inputs.folder}: dmos_realigned.mat and refnames_all.mat must have {len(rows)} "
                "rows; use the files of release 2"
            )
        pairs = []
        for row, (folder, kind, _, number) in enumerate(rows):
            if scores["orgs"][row]:
                continue  # a reference shown among the distorted images
            distorted = f"{folder}/img{number}.bmp"
            try:
                reference = str(names[row][0])
                score, deviation = (float(scores[name][row]) for name in ("dmos_new", "dmos_std"))
            except (IndexError, TypeError, ValueError):
                problems.add(f"{distorted}: no valid reference and score")
                continue
            pairs.append(
                Pair(
                    reference=reference,
                    reference_path=inputs.find(f"refimgs/{reference}"),
                    distorted=distorted,
                    distorted_path=inputs.find(distorted),
                    score=score,
                    score_std=deviation,
                    reference_id=reference.lower().removesuffix(".bmp"),
                    distortion_type=kind,
                )
            )
        return pairs


def _variables(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Variables of a MATLAB file, flattened.

    Raises:
        InputError: the file cannot be read or lacks a variable.
    """
    try:
        data = scipy.io.loadmat(path, variable_names=names)
        return {name: data[name].ravel() for name in names}
    except Exception:  # SciPy raises all kinds of errors on damaged files
        raise InputError(
            f"{path}: not a MATLAB file with {', '.join(names)}; download it again"
        ) from None
