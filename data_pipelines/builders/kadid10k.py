"""KADID-10k: 81 references, 25 types of distortion at 5 levels, scores (higher is better)."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from data_pipelines.builders.base import Pair, PairBuilder
from data_pipelines.builders.inputs import Inputs, Problems, read_lines
from data_pipelines.tables import number
from gsn_jax.errors import InputError

# Types 1 to 25 in the set's order, by the names of `data_pipelines.distortions`.
TYPES = (
    "gaussian_blur",
    "lens_blur",
    "motion_blur",
    "colour_diffusion",
    "colour_shift",
    "colour_quantisation",
    "saturation_hsv",
    "saturation_lab",
    "jpeg2000",
    "jpeg",
    "white_noise",
    "colour_noise",
    "impulse_noise",
    "multiplicative_noise",
    "denoising",
    "brighten",
    "darken",
    "mean_shift",
    "jitter",
    "pattern_noise",
    "pixelate",
    "quantisation",
    "colour_blocks",
    "sharpening",
    "contrast",
)

_TABLE = "dmos.csv"
_NAME = re.compile(r"i\d\d_(0[1-9]|1\d|2[0-5])_0([1-5])\.png", re.IGNORECASE)


class Kadid10k(PairBuilder):
    """Reads `dmos.csv` (`dist_img,ref_img,dmos,var`); what it calls dmos rises with quality."""

    TITLE = "KADID-10k: 10125 distorted images with crowdsourced scores"
    HOMEPAGE = "https://database.mmsp-kn.de/kadid-10k-database.html"
    CITATION = """@inproceedings{lin2019kadid,
  title={{KADID-10k}: A Large-scale Artificially Distorted {IQA} Database},
  author={Lin, Hanhe and Hosu, Vlad and Saupe, Dietmar},
  booktitle={International Conference on Quality of Multimedia Experience (QoMEX)},
  year={2019}}"""
    LICENSE = "The authors' terms (see the homepage): citation required; references from Pixabay"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "download kadid10k.zip from https://database.mmsp-kn.de/kadid-10k-database.html into the "
        "folder; it holds dmos.csv and images/"
    )
    ARCHIVES = ("*kadid*10k*",)
    SCORE_RANGE = (1.0, 5.0)
    NUM_REFERENCES = 81
    NUM_PAIRS = 10125

    def read_pairs(self, inputs: Inputs, problems: Problems, scratch: Path) -> list[Pair]:
        """See `PairBuilder`."""
        del scratch
        table = inputs.require(_TABLE, self.MANUAL_DOWNLOAD_INSTRUCTIONS)
        pairs = []
        try:
            reader = csv.DictReader(read_lines(table))
            rows = [(reader.line_num, row) for row in reader]
        except csv.Error as error:
            raise InputError(f"{table}: not valid CSV ({error}); download it again") from None
        for line, row in rows:
            try:
                pairs.append(_pair(row, inputs))
            except InputError as error:
                problems.add(f"{_TABLE}, line {line}: {error}")
            except (AttributeError, KeyError, TypeError, ValueError, IndexError):
                problems.add(f"{_TABLE}, line {line}: not a row of dist_img,ref_img,dmos,var")
        return pairs


def _pair(row: dict[str, str], inputs: Inputs) -> Pair:
    distorted, reference = row["dist_img"], row["ref_img"]
    found = _NAME.fullmatch(distorted)
    if found is None:
        raise InputError(f"{distorted!r} is not IRR_TT_LL.png, type 01 to 25, level 01 to 05")
    return Pair(
        reference=reference,
        reference_path=inputs.find(f"images/{reference}"),
        distorted=distorted,
        distorted_path=inputs.find(f"images/{distorted}"),
        score=number(row["dmos"]),
        score_std=number(row["var"]) ** 0.5,
        reference_id=reference.lower().removesuffix(".png"),
        distortion_type=TYPES[int(found[1]) - 1],
        distortion_level=int(found[2]),
    )
