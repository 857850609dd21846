"""Writes the pages of `--report`, each one self-contained HTML file without scripts.

A page's template extends `base.html`. Needs Jinja2; the figures in pages need matplotlib.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gsn_jax._version import __version__
from gsn_jax.errors import InputError
from gsn_jax.scoring.outputs import naming
from gsn_jax.storage import write_text


def check_installed(extra: str) -> None:
    """Checks that the packages for pages are installed; for use before long work.

    Args:
        extra: the extra of gsn_jax that has what the page needs.

    Raises:
        InputError: a package is missing.
    """
    absent = [name for name in ("jinja2", "matplotlib") if importlib.util.find_spec(name) is None]
    if absent:
        raise InputError(
            f"a report needs {' and '.join(absent)}; run: pip install 'gsn_jax[{extra}]'"
        )


def make_folder(folder: Path) -> None:
    """Makes the folder of a page.

    Raises:
        InputError: it cannot be made.
    """
    with naming(folder / "index.html"):
        folder.mkdir(parents=True, exist_ok=True)


def write_page(
    folder: Path,
    template: str,
    values: Mapping[str, Any],
    *,
    styles: Sequence[str],
    package: str = "gsn_jax.benchmark.report",
    filters: Mapping[str, Callable[..., Any]] | None = None,
) -> Path:
    """Renders `folder/index.html`.

    Args:
        folder: made if it is missing; an older page in it is replaced.
        template: name of the page's template.
        values: variables of the template, including `title`.
        styles: names of the style sheets.
        package: package with the templates that this one does not have.
        filters: further filters of the template.

    Returns:
        The path of the page.

    Raises:
        InputError: the page cannot be written.
    """
    import jinja2
    from markupsafe import Markup

    packages = dict.fromkeys((package, "gsn_jax.benchmark.report"))
    view = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in packages]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    view.filters |= filters or {}
    style = "\n".join(view.get_template(name).render() for name in styles)
    page = view.get_template(template).render(
        values,
        version=__version__,
        style=Markup(style),
        # The content security policy allows only this style sheet.
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )
    make_folder(folder)
    target = folder / "index.html"
    with naming(target):
        write_text(target, page)
    return target
