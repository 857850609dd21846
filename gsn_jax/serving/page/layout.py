"""The layout of the page, with a handler for each control."""

from __future__ import annotations

import dataclasses
import functools
import logging
import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gradio as gr

from gsn_jax.errors import InputError
from gsn_jax.images import SUFFIXES
from gsn_jax.scoring.pairs import ScoredPair
from gsn_jax.serving.page import handlers
from gsn_jax.serving.page.handlers import Limits, Ranking, Resolve

THEME = gr.themes.Soft(
    primary_hue="indigo",
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
)

CSS = """
.gradio-container { width: 100% !important; max-width: 1200px !important;
                    margin: 0 auto !important; }
#reference, #distorted { max-height: 15em; overflow-y: auto; }
#score { min-height: 3.2em; align-self: end; }
.problems { border-left: 4px solid #b45309; background: #fef3c7; color: #451a03;
            padding: 0.6em 1em; border-radius: 4px; overflow-wrap: anywhere; }
.problems ul { margin: 0; padding: 0; list-style: none; }
.colour-bar { display: flex; align-items: center; gap: 0.6em; margin-top: 0.4em;
              font-variant-numeric: tabular-nums; }
.colour-bar i { flex: 1; height: 0.9em; border-radius: 3px; min-width: 4em; }
"""

_INTRODUCTION = """
# Which image looks best?
Drop a reference image and up to {max_images} distorted versions of it, all of the same size and at
most {max_upload_mb} MB each. Files stay on the computer that runs this page.
"""

# Uploads and pictures are deleted after a day, even if the server keeps running.
_DAY = 24 * 60 * 60
# Scorings that run at once; others wait in the queue.
_AT_ONCE = 2

_log = logging.getLogger(__name__)


def build(
    metrics: Sequence[str],
    mapped: Sequence[str],
    resolve: Resolve,
    limits: Limits,
    folder: str,
) -> gr.Blocks:
    """Builds the page.

    Args:
        metrics: names of the metrics to offer, in this order.
        mapped: names of the metrics with a map.
        resolve: maps a name to its metric.
        limits: what is accepted.
        folder: folder for tables to download.
    """
    chosen = [name for name in metrics if name in ("gsn", "psnr", "ssim")] or metrics[:1]
    with gr.Blocks(
        title="gsn_jax", analytics_enabled=False, delete_cache=(_DAY, _DAY), fill_width=False
    ) as page:
        ranking = gr.State(None)
        gr.Markdown(_INTRODUCTION.format(**dataclasses.asdict(limits)))
        with gr.Row():
            reference = gr.File(
                label="Reference image",
                file_types=list(SUFFIXES),
                elem_id="reference",
                min_width=300,
            )
            distorted = gr.File(
                label="Distorted images",
                file_count="multiple",
                file_types=list(SUFFIXES),
                elem_id="distorted",
                min_width=300,
            )
        with gr.Row():
            names = gr.Dropdown(
                list(metrics),
                value=chosen,
                multiselect=True,
                label="Metrics (the first one ranks)",
                elem_id="metrics",
                scale=4,
                min_width=300,
            )
            score = gr.Button("Score", variant="primary", elem_id="score", scale=1)
        problems = gr.HTML(elem_id="problems")
        with gr.Column(visible=False, elem_id="results") as results:
            table = gr.Dataframe(
                label="Ranking, best first (select a row to see its image)",
                interactive=False,
                elem_id="ranking",
                buttons=[],
                wrap=True,
            )
            with gr.Row():
                image = gr.Dropdown([], label="Image", elem_id="image", min_width=220)
                view = gr.Radio(
                    list(handlers.VIEWS), value=handlers.DISTORTED, label="Show", elem_id="view"
                )
                map_metric = gr.Dropdown(
                    list(mapped), value=next(iter(mapped), None), label="Map of", elem_id="map"
                )
            # PNG, because lossy compression would change what is compared.
            slider = gr.ImageSlider(
                label="Drag the line to compare",
                format="png",
                interactive=False,
                buttons=["fullscreen"],
                elem_id="slider",
                max_height=600,
            )
            caption = gr.HTML(elem_id="caption")
            download = gr.DownloadButton("Download scores (CSV)", elem_id="download")

        show = _show(resolve, limits)
        shown = [ranking, image, view, map_metric], [slider, caption]
        private: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": _AT_ONCE}
        score.click(
            _score_files(metrics, resolve, limits, folder),
            [reference, distorted, names],
            [ranking, problems, results, table, image, download],
            api_name="score",
            concurrency_limit=_AT_ONCE,
            show_progress_on=problems,
        ).then(show, *shown, **private)
        gr.on([image.input, view.input, map_metric.input], show, *shown, **private)
        table.select(_select_row, None, image, **private).then(show, *shown, **private)
    return page


def _score_files(
    metrics: Sequence[str], resolve: Resolve, limits: Limits, folder: str
) -> Callable[..., tuple]:
    """The handler of the button."""

    def score_files(
        reference: str | None,
        distorted: list[str] | None,
        names: list[str],
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio's way to ask for one
    ) -> tuple:
        ordered = [name for name in dict.fromkeys(names or ()) if name in metrics]
        work = functools.partial(
            handlers.rank,
            reference,
            distorted,
            ordered,
            resolve=resolve,
            limits=limits,
            watch=functools.partial(_watch, progress),
        )
        found, problem = _attempt(work)
        lines = [problem] if problem else [item.error for item in found.failed]
        images = [item.pair.distorted for item in found.scored] if found else []
        return (
            found,
            handlers.message(lines),
            gr.Column(visible=bool(images)),
            _table(found, resolve) if images else None,
            gr.Dropdown(images, value=images[0] if images else None),
            _download(folder, found) if images else None,
        )

    return score_files


def _show(resolve: Resolve, limits: Limits) -> Callable[..., tuple]:
    """The handler that shows an image of a ranking with its caption."""

    def show(found: Ranking | None, name: str | None, view: str, map_name: str | None) -> tuple:
        if found is None:
            return None, ""

        def work() -> Any:
            mapped = resolve(map_name) if map_name and view == handlers.MAP else None
            return handlers.pictures(found, name, view, mapped, limits)

        result, problem = _attempt(work)
        return result or (None, handlers.message([problem]))

    return show


def _select_row(event: gr.SelectData) -> str:
    return event.row_value[1]


def _attempt(work: Callable[[], Any]) -> tuple[Any, str]:
    """The result and "", or None and a message for the visitor."""
    try:
        return work(), ""
    except InputError as error:
        return None, str(error)
    except Exception as error:  # a bug, or no memory left
        _log.exception("a request failed")
        return None, f"internal error ({type(error).__name__}); see the server's log"


def _watch(progress: gr.Progress, items: Iterable[ScoredPair], total: int) -> Iterable[ScoredPair]:
    for done, item in enumerate(items, 1):
        progress((done, total), desc="scoring", unit="images")
        yield item


def _table(ranking: Ranking, resolve: Resolve) -> dict[str, Any]:
    metrics = [resolve(name) for name in ranking.metrics]
    return {"headers": handlers.headers(metrics), "data": handlers.rows(ranking)}


def _download(folder: str, ranking: Ranking) -> str:
    return str(handlers.write_csv(tempfile.mkdtemp(dir=folder), ranking))
