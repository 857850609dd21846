"""Options that define what is scored: a protocol, a display, HDR, masks, tiles, alignment."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from gsn_jax.cli.shared_options import together
from gsn_jax.errors import InputError

if TYPE_CHECKING:
    from gsn_jax.metric import Metric
    from gsn_jax.scoring.pairs import Pair
    from gsn_jax.scoring.protocol import Protocol


protocol = together(
    click.option(
        "--protocol",
        metavar="NAME",
        help="A protocol used in papers: sr-x2, sr-x3 or sr-x4 for super-resolution (--luma studio "
        "with --crop-border 2, 3 or 4).",
    ),
    click.option(
        "--luma",
        type=click.Choice(["full", "studio"]),
        help="Score the BT.601 luma instead of the colours: 'full' is that of MATLAB's rgb2gray, "
        "'studio' the Y of its rgb2ycbcr (16 to 235).",
    ),
    click.option(
        "--crop-border",
        type=click.IntRange(min=0),
        metavar="N",
        help="Remove N pixels at each border before scoring.",
    ),
    click.option(
        "--display",
        metavar="NAME|FILE.json",
        help="Display on which the images are viewed, for cvvdp: standard_4k, standard_fhd, "
        "standard_phone, or a JSON file that describes a display.  [default: standard_4k]",
    ),
)


hdr = together(
    click.option(
        "--hdr",
        type=click.Choice(["pu21"]),
        help="Score HDR images (PQ, HLG, or OpenEXR and Radiance HDR in cd/m2) on PU21 values of "
        "their luminance. Supported by psnr, ssim and some other metrics.",
    ),
    click.option(
        "--peak-nits",
        type=float,
        metavar="N",
        help="Peak luminance of the display, in cd/m2. HLG needs it; other HDR images are clipped "
        "to it.",
    ),
)


def chosen_protocol(
    name: str | None,
    luma: Any,
    crop_border: int | None,
    display: str | None,
    hdr: Any = None,
    peak_nits: float | None = None,
) -> Protocol:
    """The protocol that the options choose.

    Raises:
        InputError: no protocol has that name, or it is combined with --hdr, --peak-nits, or the
            options that it sets; or see `Protocol` and `gsn_jax.metrics.displays.read`.
    """
    from gsn_jax.metrics import displays
    from gsn_jax.scoring.protocol import Protocol, named_protocol

    is_file = display is not None and display.lower().endswith(".json")
    seen_on = displays.read(display) if display is not None and is_file else display
    if name is None:
        return Protocol(luma, crop_border or 0, hdr, peak_nits, seen_on)
    if hdr is not None or peak_nits is not None:
        raise InputError(f"--protocol {name} is for SDR images; leave out --hdr and --peak-nits")
    if luma is not None or crop_border is not None:
        raise InputError(f"--protocol {name} sets --luma and --crop-border; leave those out")
    return dataclasses.replace(named_protocol(name), display=seen_on)


def under(rules: Protocol, metrics: Iterable[Metric]) -> list[Metric]:
    """The metrics under a protocol.

    Raises:
        InputError: a display is given, but no metric depends on it.
    """
    seen = [rules.of(metric) for metric in metrics]
    if rules.display is not None and not any(
        getattr(getattr(metric, "protocol", None), "display", None) for metric in seen
    ):
        raise InputError("--display: no metric uses it; leave it out, or add the metric cvvdp")
    return seen


parts = together(
    click.option(
        "--mask",
        metavar="FILE|DIR",
        help="Score only what is white in this mask; gray pixels count partially. A folder must "
        "contain one mask per image, with the same name. Instead, the table of --pairs may name "
        "masks in a column mask.",
    ),
    click.option(
        "--tiles",
        metavar="ROWSxCOLUMNS",
        help="Also score each pair in tiles, such as 4x4. The table gets a row for each tile.",
    ),
    click.option(
        "--align",
        type=click.Choice(["none", "integer", "subpixel"]),
        default="none",
        show_default=True,
        help="Undo a shift between the images, found by phase correlation: 'integer' by whole "
        "pixels, 'subpixel' by fractions of a pixel.",
    ),
)


def parse_tiles(text: str | None) -> tuple[int, int] | None:
    """The numbers of rows and columns of tiles in a text such as 4x4; None for None.

    Raises:
        InputError: the text has another form.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", text)
    if found is None:
        raise InputError(f"--tiles {text}: give ROWSxCOLUMNS, as in 4x4")
    return int(found[1]), int(found[2])


def with_masks(pairs: Sequence[Pair], mask: str | None, tiles: Any, max_pixels: int) -> list[Pair]:
    """The pairs with the masks that `--mask` gives them.

    Raises:
        InputError: the table names masks too, or there are both masks and tiles; see also
            `gsn_jax.scoring.mask_files.give_masks`.
    """
    from gsn_jax.scoring.mask_files import give_masks

    if mask is not None and any(pair.mask for pair in pairs):
        raise InputError(f"--mask {mask}: the table has a column mask too; remove one of them")
    pairs = list(pairs) if mask is None else give_masks(pairs, mask, max_pixels)
    if tiles and any(pair.mask for pair in pairs):
        raise InputError("--tiles: not with masks; leave one of them out")
    return pairs
