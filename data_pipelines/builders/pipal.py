"""PIPAL, training part: 200 references, 116 distortions of each, Elo scores (higher is better)."""

from __future__ import annotations

import re
from pathlib import Path

from data_pipelines.builders.base import Pair, PairBuilder
from data_pipelines.builders.inputs import Inputs, Problems, read_lines
from data_pipelines.tables import number
from gsn_jax.errors import InputError

_NAME = re.compile(r"(A\d{4})_(\d\d)_(\d\d)\.bmp", re.IGNORECASE)


class Pipal(PairBuilder):
    """Reads `Train_Label/A0001.txt` (`name,elo`) of each `Train_Ref/A0001.bmp`.

    `distortion_type` is the first of the two numbers in a name, the group of algorithms ("00",
    the traditional ones, to "06"). `distortion_level` is the second, the algorithm, not a strength.
    """

    TITLE = "PIPAL (training part): 23200 distorted images with Elo scores"
    HOMEPAGE = "https://github.com/HaomingCai/PIPAL-dataset"
    CITATION = """@inproceedings{gu2020pipal,
  title={{PIPAL}: a Large-Scale Image Quality Assessment Dataset for Perceptual Image Restoration},
  author={Gu, Jinjin and Cai, Haoming and Chen, Haoyu and Ye, Xiaoxing and Ren, Jimmy S. and
    Dong, Chao},
  booktitle={European Conference on Computer Vision (ECCV)}, year={2020}}"""
    LICENSE = "The authors' terms (see the homepage): citation required"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "download the training archives (Train_Ref, Distortion_1 to Distortion_4, Train_Label) "
        "named at https://github.com/HaomingCai/PIPAL-dataset into the folder"
    )
    ARCHIVES = ("*train_ref*", "*train_label*", "*distortion*", "*pipal*")
    # The training scores lie between 916.7 and 1836.0.
    SCORE_RANGE = (900.0, 1850.0)
    NUM_REFERENCES = 200
    NUM_PAIRS = 23200

    def read_pairs(self, inputs: Inputs, problems: Problems, scratch: Path) -> list[Pair]:
        """See `PairBuilder`."""
        del scratch
        tables = inputs.glob("train_label/*.txt")
        if not tables:
            raise InputError(
                f"{inputs.folder}: no Train_Label/A0001.txt below this folder; "
                f"{self.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            )
        pairs = []
        for table in tables:
            for row, line in enumerate(read_lines(table), start=1):
                if not line.strip():
                    continue
                try:
                    pairs.append(_pair(line, inputs))
                except ValueError:
                    problems.add(f"{table.name}, line {row}: {line!r} is not 'name,elo'")
        return pairs


def _pair(line: str, inputs: Inputs) -> Pair:
    distorted, score = (cell.strip() for cell in line.split(","))
    found = _NAME.fullmatch(distorted)
    if found is None:
        raise ValueError(distorted)
    reference = found[1].upper()
    return Pair(
        reference=f"{reference}.bmp",
        reference_path=inputs.find(f"train_ref/{reference}.bmp"),
        distorted=distorted,
        distorted_path=inputs.find(distorted),
        score=number(score),
        reference_id=reference,
        distortion_type=found[2],
        distortion_level=int(found[3]),
    )
