"""Profiles a run: traces of chosen steps, time per phase, and FLOPs."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gsn_jax.errors import InputError

PHASES = ("features", "input", "step", "evaluation", "checkpoint")

# Dense bfloat16 operations per second per JAX device, by the start of `device_kind`. Sources: Cloud
# TPU's "System architecture" pages (per chip; a device of v2 and v3 is half a chip) and NVIDIA's
# data sheets, for SXM modules unless named otherwise (dense, half of "with sparsity").
PEAKS = {
    "TPU v2": 22.5e12,
    "TPU v3": 61.5e12,
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5e": 197e12,
    "TPU v5p": 459e12,
    "TPU v5": 459e12,
    "TPU v6 lite": 918e12,
    "TPU v6e": 918e12,
    "NVIDIA A100": 312e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H100": 989e12,
    "NVIDIA H200": 989e12,
    "NVIDIA L4": 121e12,
}


def peak_flops(device_kind: str) -> float | None:
    """Peak bfloat16 operations per second of a JAX device; None if unknown.

    Args:
        device_kind: `device.device_kind`, such as "TPU v5 lite" or "NVIDIA H100 80GB HBM3".
    """
    fits = [kind for kind in PEAKS if re.match(rf"{re.escape(kind)}\b", device_kind)]
    return PEAKS[max(fits, key=len)] if fits else None


def flops_per_pair(model: nn.Module, size: int) -> float | None:
    """Floating-point operations of one pair's forward and backward pass.

    Three times those of the forward pass, as model FLOPs are usually counted (Chowdhery et al.,
    "PaLM", JMLR 2023, appendix B): a layer has one product in the forward pass and two in the
    backward pass, for the gradients of its input and of its weights. A multiply-add counts as two.
    Excludes recomputation (`remat`, accumulation), loss and optimiser. None if XLA gives no count.

    Args:
        model: maps two `(N, H, W, 3)` to `(N,)`.
        size: height and width of the training crops.
    """
    images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    variables = jax.eval_shape(model.init, key, images, images)
    analysis = jax.jit(model.apply).lower(variables, images, images).cost_analysis()
    return 3 * float(analysis["flops"]) if analysis and "flops" in analysis else None


@dataclasses.dataclass(frozen=True)
class Work:
    """The floating-point operations of a run, and the peak rate of its devices.

    Attributes:
        flops_per_pair: see the function of this name; None if unknown.
        peak: operations per second of all devices together; None if unknown.
    """

    flops_per_pair: float | None
    peak: float | None

    def describe(self) -> str:
        """One line for the log."""
        text = f"model: {(self.flops_per_pair or 0) / 1e9:.2f} GFLOP per pair, forward and backward"
        return text + (f"; peak {self.peak / 1e12:.0f} TFLOP/s in bfloat16" if self.peak else "")

    def rates(self, pairs_per_second: float) -> dict[str, float]:
        """Operations per second and their share of the peak, if known."""
        if not self.flops_per_pair:
            return {}
        rate = self.flops_per_pair * pairs_per_second
        fraction = {"fraction_of_peak": rate / self.peak} if self.peak else {}
        return {"model_flops_per_second": rate, **fraction}


def measure_work(model: nn.Module, size: int, devices: Iterable[jax.Device]) -> Work:
    """The work of training on crops of this size, and the peak rate of these devices."""
    peaks = [peak_flops(device.device_kind) for device in devices]
    known = [peak for peak in peaks if peak]
    return Work(flops_per_pair(model, size), sum(known) if len(known) == len(peaks) else None)


def parse_steps(text: str) -> range:
    """Parses "FIRST:LAST", both included, counted from 1; "20" means "20:20".

    Raises:
        InputError: the text has another form, or the steps are not positive and ascending.
    """
    match = re.fullmatch(r"(\d+)(?::(\d+))?", text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last:
        raise InputError(f"--profile {text!r}: give FIRST:LAST, the steps to trace, e.g. 20:25")
    return range(first, last + 1)


class Tracer:
    """Writes one JAX trace of chosen steps, for TensorBoard's profile plug-in or Perfetto.

    A context manager: leaving it ends a running trace.

    Args:
        folder: folder of the trace.
        steps: the consecutive steps to trace; an empty range traces nothing.
    """

    def __init__(self, folder: Path, steps: range):
        self._folder, self._steps = folder, steps
        self._running = False
        self._traced: list[int] = []

    def __enter__(self) -> Tracer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop()

    def begin(self, number: int) -> None:
        """Call before the step with this number."""
        if number in self._steps and not self._running:
            jax.profiler.start_trace(str(self._folder))
            self._running = True

    def annotated(self, number: int) -> contextlib.AbstractContextManager[object]:
        """A context for the step, so that the trace shows its number."""
        return jax.profiler.StepTraceAnnotation("train", step_num=number)

    def end(self, number: int, result: Any) -> None:
        """Call after the step; waits for its result if the trace ends here."""
        if not self._running:
            return
        self._traced.append(number)
        if number >= self._steps.stop - 1:
            jax.block_until_ready(result)
            self._stop()

    def describe(self) -> str | None:
        """One line on the finished trace; None if none was requested."""
        if not self._steps:
            return None
        if not self._traced:
            steps = f"steps {self._steps.start} to {self._steps.stop - 1}"
            return f"profile: no trace, because this run did not include {steps}"
        steps = f"steps {self._traced[0]} to {self._traced[-1]}"
        return f"profile: a trace of {steps} is in {self._folder}"

    def _stop(self) -> None:
        if self._running:
            self._running = False
            jax.profiler.stop_trace()


class Breakdown:
    """Seconds per phase, since the last report and since the start.

    Attributes:
        total: seconds since the start, by phase.
    """

    def __init__(self) -> None:
        self.total = dict.fromkeys(PHASES, 0.0)
        self._taken = dict(self.total)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """A context that times work of one of `PHASES`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.total[name] += time.perf_counter() - start

    def take(self) -> dict[str, float]:
        """Seconds per phase since the last call."""
        seconds = {name: value - self._taken[name] for name, value in self.total.items()}
        self._taken = dict(self.total)
        return seconds


def shares(seconds: Mapping[str, float]) -> str:
    """Formats the phases that took time: "input 0.1 s (2%), step 5.2 s (98%)"."""
    total = sum(seconds.values()) or 1.0
    return ", ".join(
        f"{name} {value:.1f} s ({value / total:.0%})" for name, value in seconds.items() if value
    )
