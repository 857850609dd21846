"""Exports metrics to other runtimes with existing exporters: StableHLO, ONNX, SavedModel.

An exported function maps `reference` and `distorted`, float32 `(N, H, W, 3)` sRGB in [0, 1], to the
metric's `scores (N,)`, with weights folded and calibration included. It does not check its input.
Before a file is put in place, it is run on a random pair and compared with the metric.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gsn_jax.backbones.convolution import plain_convolutions
from gsn_jax.errors import InputError
from gsn_jax.metric import Metric
from gsn_jax.scoring.model_metric import MIN_SIZE
from gsn_jax.scoring.outputs import naming, refuse_foreign

FORMATS = ("stablehlo", "onnx", "savedmodel")
# Height and width for formats with a fixed size.
DEFAULT_SIZE = (384, 512)
TOLERANCE = 1e-4
# The platforms that a StableHLO file runs on.
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")

Function = Callable[[Any, Any], Any]
Size = tuple[int, int]


def export(
    metric: Metric,
    form: str,
    out: str | os.PathLike[str],
    size: Size | None = None,
    *,
    overwrite: bool = False,
) -> float:
    """Exports a metric's function to another runtime.

    Args:
        metric: the metric to export.
        form: one of `FORMATS`.
        out: file to write; a folder for "savedmodel".
        size: fixed height and width. None allows any size in "stablehlo" and "savedmodel", and
            means `DEFAULT_SIZE` in "onnx". The number of pairs is always free.
        overwrite: replace `out` even if it is not an exported metric. A SavedModel is replaced only
            with this, and other folders never.

    Returns:
        The largest difference between the exported function's scores and the metric's, on a random
        pair.

    Raises:
        InputError: an exporter is not installed or cannot take the metric, the scores differ by
            more than `TOLERANCE`, or `out` cannot be written or must not be replaced.
    """
    write, run, extra = {
        "stablehlo": (_write_stablehlo, _run_stablehlo, ""),
        "onnx": (_write_onnx, _run_onnx, "onnx onnxruntime jax2onnx"),
        "savedmodel": (_write_savedmodel, _run_savedmodel, "tensorflow"),
    }[form]
    _require(extra.split(), form)
    if form == "onnx":
        size = size or DEFAULT_SIZE
    target = Path(out)
    _check_target(target, form, overwrite)
    function = getattr(metric, "function_by_image", metric.function)
    with _aside(target) as partial:
        try:
            with plain_convolutions(), _quiet():
                write(function, partial, size)
        except (OSError, InputError):
            raise
        except Exception as error:  # exporters raise errors of many types
            raise InputError(
                f"{metric.name} cannot be exported to {form} {_reason(error, size)}"
            ) from error
        with _quiet():
            difference = _difference(metric, run(partial), size or (7 * MIN_SIZE, 10 * MIN_SIZE))
        if not difference <= TOLERANCE:
            raise InputError(
                f"the exported {metric.name} differs from the metric by {difference:.2g}, more "
                f"than {TOLERANCE:g}; nothing was written"
            )
    return difference


def _check_target(target: Path, form: str, overwrite: bool) -> None:
    """Refuses to replace anything that is not an exported metric.

    Raises:
        InputError: the target exists and is something else, or is a SavedModel without `overwrite`.
    """
    if form != "savedmodel":
        if target.is_dir():
            raise InputError(f"{target}: is a folder; name a file")
        ours = _is_stablehlo if form == "stablehlo" else _is_onnx
        refuse_foreign(target, ours, overwrite=overwrite)
    elif target.exists() and not (target / "saved_model.pb").is_file():
        raise InputError(f"{target}: exists, and is not a SavedModel; name another --out")
    elif target.exists() and not overwrite:
        raise InputError(f"{target}: already exists; name another --out, or add --overwrite")


def _is_stablehlo(path: Path) -> bool:
    from jax import export as jax_export

    return len(jax_export.deserialize(bytearray(path.read_bytes())).in_avals) == 2


def _is_onnx(path: Path) -> bool:
    import onnx

    return onnx.load(path).graph.name == "gsn_jax"


def _difference(metric: Metric, function: Function, size: Size) -> float:
    generator = np.random.default_rng(0)
    reference = generator.random((1, *size, 3), np.float32)
    noise = generator.normal(scale=0.1, size=reference.shape)
    distorted = np.clip(reference + noise, 0, 1).astype(np.float32)
    expected = np.asarray(metric(reference, distorted))
    return float(np.abs(np.asarray(function(reference, distorted)) - expected).max())


def _write_stablehlo(function: Function, path: Path, size: Size | None) -> None:
    from jax import export as jax_export

    image = _abstract(size)
    exported = jax_export.export(jax.jit(function), platforms=PLATFORMS)(image, image)
    path.write_bytes(exported.serialize())


def _run_stablehlo(path: Path) -> Function:
    from jax import export as jax_export

    return jax_export.deserialize(bytearray(path.read_bytes())).call


def _write_onnx(function: Function, path: Path, size: Size | None) -> None:
    import jax2onnx

    model = jax2onnx.to_onnx(
        function,
        inputs=[("N", *(size or DEFAULT_SIZE), 3)] * 2,
        input_names=["reference", "distorted"],
        output_names=["scores"],
        model_name="gsn_jax",
    )
    path.write_bytes(model.SerializeToString())


def _run_onnx(path: Path) -> Function:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda first, second: session.run(None, {"reference": first, "distorted": second})[0]


def _write_savedmodel(function: Function, path: Path, size: Size | None) -> None:
    import tensorflow as tf
    from jax.experimental import jax2tf

    height, width = size or ("h", "w")
    converted = jax2tf.convert(
        function,
        polymorphic_shapes=[f"n, {height}, {width}, 3"] * 2,
        polymorphic_constraints=() if size else (f"h >= {MIN_SIZE}", f"w >= {MIN_SIZE}"),
        with_gradient=False,
    )
    shape = [None, *(size or (None, None)), 3]
    module = tf.Module()
    module.score = tf.function(
        lambda reference, distorted: {"scores": converted(reference, distorted)},
        autograph=False,
        input_signature=[
            tf.TensorSpec(shape, tf.float32, name=name) for name in ("reference", "distorted")
        ],
    )
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.score})


def _run_savedmodel(path: Path) -> Function:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))

    def run(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        serve = loaded.signatures["serving_default"]  # valid while `loaded` is alive
        return serve(reference=tf.constant(first), distorted=tf.constant(second))["scores"].numpy()

    return run


def _abstract(size: Size | None) -> jax.ShapeDtypeStruct:
    """The shape of a batch of any number of images, of any size if `size` is None."""
    from jax import export as jax_export

    height, width = size or ("h", "w")
    limits = () if size else (f"h >= {MIN_SIZE}", f"w >= {MIN_SIZE}")
    scope = jax_export.SymbolicScope(limits)
    shape = jax_export.symbolic_shape(f"n, {height}, {width}, 3", scope=scope)
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _require(modules: list[str], form: str) -> None:
    missing = [name for name in modules if not _importable(name)]
    if not missing:
        return
    how = {
        "onnx": "pip install 'gsn_jax[export]' && pip install --no-deps jax2onnx",
        "savedmodel": "pip install tensorflow",
    }[form]
    raise InputError(f"export to {form} needs {' and '.join(missing)}; {how}")


def _importable(name: str) -> bool:
    if name in sys.modules:
        return sys.modules[name] is not None
    return importlib.util.find_spec(name) is not None


@contextlib.contextmanager
def _aside(target: Path) -> Iterator[Path]:
    """Yields a temporary path, which is moved to `target` if no error occurs."""
    folder = target.absolute().parent
    with naming(target), tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as aside:
        partial = Path(aside) / target.name
        yield partial
        if target.is_dir():  # a SavedModel, see `_check_target`
            shutil.rmtree(target)
        partial.replace(target)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences jax2onnx, which logs every missing plugin, and TensorFlow, which logs its build."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _reason(error: Exception, size: Size | None) -> str:
    """Why a metric cannot be exported, and what to do."""
    if size:
        return f"({_first_line(error)})"
    if type(error).__name__ == "InconclusiveDimensionOperation":  # JAX has no public name for it
        return "for images of any size; give a fixed size with --size HxW"
    return f"({_first_line(error)}); give a fixed size with --size HxW"


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:200]
