"""Quality maps as pictures, in colours that are safe for the colour-blind; brighter is worse.

Needs matplotlib (extras `report` and `web`), which is imported on first use.
"""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from gsn_jax.errors import InputError
from gsn_jax.metric import Metric
from gsn_jax.scoring.outputs import writing

# Perceptually uniform; readable in gray and by the colour-blind.
COLOURS = "inferno"
# Smallest share of a bounded metric's range that the colours span, so that tiny errors stay dark.
_LEAST_SPAN = 0.05


@dataclasses.dataclass(frozen=True)
class Scale:
    """The values at the ends of a map's colour scale.

    Attributes:
        best: value of the darkest colour.
        worst: value of the brightest colour; larger than `best` for a distance.
    """

    best: float
    worst: float

    def badness(self, values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Positions of values on the scale: 0 at `best` or better, 1 at `worst` or worse."""
        return np.clip((values - self.best) / (self.worst - self.best), 0, 1)


def scale_of(values: Float[np.ndarray, "*shape"], metric: Metric) -> Scale:
    """A scale from the metric's best value to the worst one of a map.

    If the metric has no finite best value, the best one of the map takes its place.

    Args:
        values: a map of the metric.
        metric: the metric.
    """
    low, high = metric.value_range
    best, worst = (high, float(values.min())) if metric.higher_is_better else (low, values.max())
    if not np.isfinite(best):
        best = float(values.max() if metric.higher_is_better else values.min())
    bounded = np.isfinite(high - low)
    span = max(abs(best - worst), _LEAST_SPAN * (high - low) if bounded else 1e-6)
    return Scale(float(best), float(best - span if metric.higher_is_better else best + span))


def colours_of(badness: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape 3"]:
    """Colours of values in [0, 1]; 1 is worst and brightest.

    Raises:
        InputError: matplotlib is not installed.
    """
    return _matplotlib().colormaps[COLOURS](badness, bytes=True)[..., :3]


def overlay(
    image: Float[np.ndarray, "h w 3"], values: Float[np.ndarray, "h w"], scale: Scale
) -> UInt8[np.ndarray, "h w 3"]:
    """The map's colours over the image in gray, more opaque where it is worse.

    Args:
        image: in [0, 1].
        values: the map at every pixel.
        scale: see `scale_of`.

    Raises:
        InputError: matplotlib is not installed.
    """
    badness = scale.badness(values)
    opacity = (0.15 + 0.75 * badness)[..., None]
    gray = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    mixed = (1 - opacity) * gray + opacity * colours_of(badness) / 255
    return np.round(255 * mixed).astype(np.uint8)


def draw(
    distorted: Float[np.ndarray, "h w 3"],
    values: Float[np.ndarray, "h w"],
    metric: Metric,
    title: str = "",
) -> bytes:
    """A PNG of the distorted image and its map, side by side, with a colour bar.

    Args:
        distorted: in [0, 1].
        values: the map at every pixel.
        metric: the metric of the map.
        title: a line above the images.

    Raises:
        InputError: matplotlib is not installed.
    """
    matplotlib = _matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scale = scale_of(values, metric)
    height, width = values.shape
    panel = 4.5 * min(1.0, width / height)  # an image's width in inches; it fits into 4.5 x 4.5
    figure = Figure(figsize=(2 * panel + 1.6, panel * height / width + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    left.imshow(distorted, interpolation="antialiased")
    # matplotlib's scales run upwards, so a quality is drawn with reversed colours.
    name = COLOURS + ("_r" if metric.higher_is_better else "")
    low, high = sorted((scale.best, scale.worst))
    drawn = right.imshow(values, cmap=matplotlib.colormaps[name], vmin=low, vmax=high)
    for axes, label in ((left, "distorted image"), (right, f"map of {metric.name}")):
        axes.set_title(label, fontsize=10, parse_math=False)
        axes.set_axis_off()
    quantity = "quality" if metric.higher_is_better else "error"
    bar = figure.colorbar(drawn, ax=(left, right), fraction=0.05, pad=0.02)
    bar.set_label(f"local {quantity} (bright = worse)", fontsize=9)
    if title:
        figure.suptitle(title, fontsize=10, parse_math=False)  # `$` would begin a formula
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=150, metadata={"Software": None})
    return target.getvalue()


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise InputError(
            "pictures of maps need matplotlib; pip install 'gsn_jax[report]'"
        ) from None
    return matplotlib


class MapWriter:
    """Writes `<stem>.<metric>.map.png` for each pair into a folder.

    Distorted images with the same stem (`a/x.png` and `b/x.png`, `x.png` and `x.jpg`) get different
    names. Files that are scored are never overwritten.
    """

    def __init__(self, folder: str | Path, metrics: list[Metric], inputs: list[Path]):
        """Makes the folder.

        Args:
            folder: the folder for the pictures.
            metrics: the metrics, of which those with a map are drawn.
            inputs: all image files that are scored.

        Raises:
            InputError: no metric has a map, matplotlib is missing, or the folder cannot be made.
        """
        self.metrics = [metric for metric in metrics if metric.has_map]
        if not self.metrics:
            from gsn_jax.scoring.maps import known_maps

            names = ", ".join(metric.name for metric in metrics)
            raise InputError(f"--maps: no quality map for {names}; {known_maps()}")
        _matplotlib()
        self.without = [metric.name for metric in metrics if not metric.has_map]
        self._folder = Path(folder)
        self._inputs = {path.resolve() for path in inputs}
        self._names: dict[str, tuple[str, str]] = {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise InputError(f"{folder}: is a file, not a folder; name a folder for maps") from None
        except OSError as error:
            raise InputError(f"{folder}: cannot be created ({error.strerror})") from None

    def write(
        self,
        names: tuple[str, str],
        reference: Float[np.ndarray, "h w 3"],
        distorted: Float[np.ndarray, "h w 3"],
    ) -> list[Path]:
        """Draws the maps of one pair.

        Args:
            names: paths of the reference and of the distorted image, as they were given.
            reference: in [0, 1].
            distorted: likewise.

        Returns:
            The files written.

        Raises:
            InputError: a picture would overwrite an image that is scored, or cannot be written.
        """
        from gsn_jax.scoring.maps import quality_map

        stem, title = self._stem(names), Path(names[1]).name
        return [
            self._save(
                self._folder / f"{stem}.{metric.name}.map.png",
                draw(distorted, quality_map(reference, distorted, metric), metric, title),
            )
            for metric in self.metrics
        ]

    def _stem(self, names: tuple[str, str]) -> str:
        """The distorted file's stem; if taken, its joined path; if that is taken, with a number."""
        path = Path(names[1])
        parts = [part for part in path.parts if part not in (path.anchor, "..", ".")]
        joined = "_".join([*parts[:-1], path.stem])
        candidates = [path.stem, joined, "_".join(parts)]
        number = 2
        while self._names.setdefault(candidates[0], names) != names:
            candidates.pop(0)
            if not candidates:
                candidates.append(f"{joined}-{number}")
                number += 1
        return candidates[0]

    def _save(self, target: Path, png: bytes) -> Path:
        if target.resolve() in self._inputs:
            raise InputError(f"{target}: is one of the scored images; give --maps another folder")
        with writing(target) as partial:
            partial.write_bytes(png)
        return target
