"""Where the time of a run goes: traces of chosen steps, shares of the phases, arithmetic done."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp

from gsn_jax.errors import InputError

PHASES = ("input", "step", "evaluation", "checkpoint")

# Dense bfloat16 operations per second and JAX device, by the start of `device_kind`. From the
# makers' data sheets: Cloud TPU's "System architecture" pages (per chip; a device of v2 and v3 is
# half a chip) and NVIDIA's for the SXM modules unless named (dense, half of "with sparsity").
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
    """Peak bfloat16 operations per second of a JAX device; None where it is not known.

    Args:
        device_kind: `device.device_kind`, such as "TPU v5 lite" or "NVIDIA H100 80GB HBM3".
    """
    fits = [kind for kind in PEAKS if re.match(rf"{re.escape(kind)}\b", device_kind)]
    return PEAKS[max(fits, key=len)] if fits else None


def flops_per_pair(model: nn.Module, size: int) -> float | None:
    """Floating-point operations of one pair's forward and backward pass.

    From XLA's cost analysis of the lowered passes before optimisation, the multiplication and the
    addition counted apart. Recomputation (`remat`, accumulation), loss and optimiser are not in
    it. None where XLA has no analysis.

    Args:
        model: maps two `(N, H, W, 3)` to `(N,)`.
        size: height and width of the training crops.
    """
    plain = model.clone(remat=False) if hasattr(model, "remat") else model
    images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    variables = jax.eval_shape(plain.init, {"params": key, "dropout": key}, images, images)

    def passes(params: dict, rest: dict, key: jax.Array, *pair: jax.Array) -> dict:
        def score(params: dict) -> jax.Array:
            scores, _ = plain.apply(
                {**rest, "params": params},
                *pair,
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": key},
            )
            return scores.sum()

        return jax.grad(score)(params)

    params = variables["params"]
    rest = {name: child for name, child in variables.items() if name != "params"}
    analysis = jax.jit(passes).lower(params, rest, key, images, images).cost_analysis()
    return float(analysis["flops"]) if analysis and "flops" in analysis else None


def parse_steps(text: str) -> range:
    """The steps of "FIRST:LAST", both in it, counted from 1; "20" is "20:20".

    Raises:
        InputError: it is not two rising positive numbers.
    """
    match = re.fullmatch(r"(\d+)(?::(\d+))?", text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last:
        raise InputError(f"--profile {text!r}: give FIRST:LAST, the steps to trace, e.g. 20:25")
    return range(first, last + 1)


class Tracer:
    """Writes one JAX trace, for TensorBoard or Perfetto, of chosen steps.

    A context manager: leaving it ends a trace that has begun.

    Args:
        folder: where the trace is written.
        steps: the steps to trace; none for an empty range.
    """

    def __init__(self, folder: Path, steps: range):
        self._folder, self._steps, self._running = folder, steps, False

    def __enter__(self) -> Tracer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop()

    @contextlib.contextmanager
    def step(self, number: int) -> Iterator[None]:
        """Around all that belongs to the step of this number."""
        if number in self._steps and not self._running:
            jax.profiler.start_trace(str(self._folder))
            self._running = True
        with jax.profiler.StepTraceAnnotation("train", step_num=number):
            yield
        if number >= self._steps.stop - 1:
            self._stop()

    def _stop(self) -> None:
        if self._running:
            self._running = False
            jax.profiler.stop_trace()


class Breakdown:
    """Seconds per phase since the last report."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(PHASES, 0.0)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Around work of one of `PHASES`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] += time.perf_counter() - start

    def take(self) -> dict[str, float]:
        """Seconds of every phase since the last call."""
        seconds, self._seconds = self._seconds, dict.fromkeys(PHASES, 0.0)
        return seconds


def shares(seconds: dict[str, float]) -> str:
    """The phases that took time, as text: "input 0.1 s (2%), step 5.2 s (98%)"."""
    total = sum(seconds.values()) or 1.0
    return ", ".join(
        f"{name} {value:.1f} s ({value / total:.0%})" for name, value in seconds.items() if value
    )
