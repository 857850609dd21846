"""The options that only `gsn score` has, and checks of their combinations."""

from __future__ import annotations

import dataclasses
import functools
import os
from typing import TYPE_CHECKING, Any

import click

from gsn_jax.cli.protocol_options import chosen_protocol, parse_tiles
from gsn_jax.cli.shared_options import together
from gsn_jax.errors import InputError

if TYPE_CHECKING:
    from gsn_jax.scoring.protocol import Protocol

sources = together(
    click.argument("reference", required=False, metavar="[REFERENCE"),
    click.argument("distorted", nargs=-1, metavar="DISTORTED...]"),
    click.option(
        "--pairs",
        "table",
        metavar="FILE.csv",
        help="Score the pairs of a CSV table with the columns reference and distorted. Paths are "
        "relative to the table. Other columns are ignored, except mask (see --mask).",
    ),
    click.option(
        "--reference-dir",
        metavar="DIR",
        help="Folder of references; needs --distorted-dir. Files are paired by name.",
    ),
    click.option("--distorted-dir", metavar="DIR", help="Folder of distorted images."),
    click.option(
        "--pairing",
        "rule",
        metavar="RULE",
        help="How to pair the files of two folders. 'stem': same name except for suffix and case. "
        "'prefix': the distorted name begins with the reference's, as in photo.png and "
        "photo_q10.jpg. 'auto': stem, then prefix. Or a regular expression whose match (or first "
        "group) must be the same in both names.  [default: auto]",
    ),
    click.option(
        "--allow-unpaired", is_flag=True, help="Skip files without a partner instead of stopping."
    ),
    click.option(
        "--every",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        metavar="N",
        help="Score only every Nth frame, beginning with the first; for videos and for two folders "
        "of frames.",
    ),
)

outputs = together(
    click.option(
        "--pool",
        is_flag=True,
        help="Print statistics of each folder's scores (mean, harmonic mean, percentiles) instead "
        "of the scores, and apply --fail-below to them. Videos are always pooled.",
    ),
    click.option(
        "--out",
        metavar="FILE",
        help="Write a table with one row per pair. If the run is interrupted, the same command "
        "continues it.",
    ),
    click.option(
        "--overwrite",
        is_flag=True,
        help="Replace the files --out and --junit even if this command did not write them.",
    ),
    click.option(
        "--format",
        "form",
        type=click.Choice(["csv", "jsonl", "parquet"]),
        help="Format of --out.  [default: given by its suffix: .csv, .jsonl or .parquet]",
    ),
    click.option(
        "--escape-formulas",
        is_flag=True,
        help="In CSV output, put an apostrophe before file names that begin with = + - or @, "
        "which a spreadsheet would run as formulas.",
    ),
)

limits = together(
    click.option(
        "--fail-below",
        "limits",
        multiple=True,
        metavar="[NAME=]X",
        help="Exit with code 1 if a score, rounded to six decimals, is worse than X: below X, or "
        "above X if lower is better for the metric. With several metrics, name one, as in psnr=30. "
        "For pooled scores, X limits the mean or a named statistic, as in psnr:p5=30. May be "
        "repeated.",
    ),
    click.option(
        "--junit",
        metavar="FILE.xml",
        help="Also write JUnit XML with one test per pair or, if pooled, per video or folder. A "
        "test fails if a score is worse than --fail-below.",
    ),
)

resize = click.option(
    "--resize",
    type=click.Choice(["to-reference", "to-distorted"]),
    help="If the images of a pair differ in size, resize one to the size of the other. By default, "
    "such pairs are errors.",
)


@dataclasses.dataclass(frozen=True)
class Request:
    """The values of all options, under the names of the command's parameters."""

    reference: str | None
    distorted: tuple[str, ...]
    table: str | None
    reference_dir: str | None
    distorted_dir: str | None
    rule: str | None
    allow_unpaired: bool
    every: int
    pool: bool
    out: str | None
    overwrite: bool
    form: str | None
    escape_formulas: bool
    names: tuple[str, ...]
    checkpoint: str | None
    limits: tuple[str, ...]
    junit: str | None
    resize: Any
    protocol: str | None
    luma: Any
    crop_border: int | None
    display: str | None
    hdr: Any
    peak_nits: float | None
    mask: str | None
    tiles: str | None
    align: Any
    alpha: Any
    max_pixels: int
    batch_size: int | None
    coordinator: str | None
    processes: int | None
    process_id: int | None
    start_timeout: int
    maps: str | None
    runner: str | None
    beam_options: tuple[str, ...]

    @property
    def by_beam(self) -> bool:
        """Whether options of an Apache Beam pipeline are given."""
        return self.runner is not None or bool(self.beam_options)

    @property
    def folders(self) -> tuple[str, str] | None:
        """The folders of references and of distorted images; None unless both are given."""
        if self.reference_dir is None or self.distorted_dir is None:
            return None
        return self.reference_dir, self.distorted_dir

    @property
    def tile_counts(self) -> tuple[int, int] | None:
        """The numbers of rows and columns of tiles; None for no tiles."""
        return parse_tiles(self.tiles)

    @functools.cached_property
    def videos(self) -> bool:
        """Whether an input is a video, so that frames are scored."""
        from gsn_jax.images.video import is_video

        return self.reference is not None and any(map(is_video, (self.reference, *self.distorted)))

    def rules(self) -> Protocol:
        """What metrics see of an image.

        Raises:
            InputError: see `gsn_jax.cli.protocol_options.chosen_protocol`.
        """
        return chosen_protocol(
            self.protocol, self.luma, self.crop_border, self.display, self.hdr, self.peak_nits
        )

    def check_sources(self) -> None:
        """Checks that there is exactly one kind of source.

        Raises:
            InputError: there is none, or several; a folder is given as an image; or an option for
                two folders is given without them.
        """
        folders = self.reference_dir, self.distorted_dir
        files = self.reference, *(self.distorted if len(self.distorted) == 1 else ())
        if sum((self.reference is not None, self.table is not None, any(folders))) > 1:
            raise InputError("give only one of these: images, --pairs, two folders")
        if any(folders) and not all(folders):
            raise InputError("--reference-dir and --distorted-dir belong together; give both")
        if self.table is None and not any(folders) and not (self.reference and self.distorted):
            raise InputError(
                "give REFERENCE and DISTORTED images, or --pairs FILE.csv, or --reference-dir and "
                "--distorted-dir; see --help"
            )
        # A folder among several images is no error: a shell may have expanded DIR/*.
        for name in files:
            if name is not None and os.path.isdir(name):
                raise InputError(
                    f"{name}: is a folder, not an image; to score two folders, give "
                    "--reference-dir and --distorted-dir; to score a folder's images against one "
                    "reference, name them (ORIGINAL.png FOLDER/*)"
                )
        if self.reference_dir is None and (self.rule is not None or self.allow_unpaired):
            name = "--pairing" if self.rule is not None else "--allow-unpaired"
            raise InputError(f"{name} is for two folders; leave it out")

    def check_combinations(self) -> None:
        """Checks the combination of options, as far as possible before a file is opened.

        Raises:
            InputError: two options exclude each other, one lacks another, or `--tiles` is invalid.
        """
        parse_tiles(self.tiles)
        if self.out is None and self.form:
            raise InputError("--format is the format of --out; give --out FILE too")
        if self.every > 1 and not (self.videos or self.folders):
            raise InputError("--every is for videos and two folders of frames; leave it out")
        if self.videos and self.batch_size is not None:
            raise InputError(
                "--batch-size: not for videos, whose frames are scored one by one; leave it out"
            )
        if self.hdr and self.maps is not None:
            raise InputError("--maps: not for HDR images; leave out --maps or --hdr")
        whole = {"--maps": self.maps, "--mask": self.mask, "--tiles": self.tiles}
        for name, value in whole.items():
            if self.videos and value is not None:
                raise InputError(
                    f"{name}: not for videos; extract the frames and score them as images"
                )
