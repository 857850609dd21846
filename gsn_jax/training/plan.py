"""What a training step needs, read from its compiled program: memory, communication, FLOPs.

Nothing runs, no data is read, and the devices need not be present.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import math
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from gsn_jax.errors import InputError, counted
from gsn_jax.training.collectives import Collective, collectives
from gsn_jax.training.meshes import make_mesh
from gsn_jax.training.profiling import flops_per_pair, peak_flops
from gsn_jax.training.program import abstract_batch, make_program

# Batches that `data_pipelines.device` prefetches to the devices.
_AHEAD = 2


@dataclasses.dataclass(frozen=True)
class Target:
    """Devices to compile for.

    Attributes:
        devices: present, absent or virtual ones.
        what: their description, in one line.
    """

    devices: Sequence[jax.Device]
    what: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a step needs; bytes and `flops` are those of one device.

    Attributes:
        target: the devices.
        parameters: number of parameters of the model.
        state: bytes of the state: parameters, their average, the optimiser's moments.
        batch: bytes of the device's part of a batch.
        temporaries: further bytes that the step needs; None if the compiler does not report them.
        sent: the collectives; one in a loop is listed once.
        flops: operations of a step as compiled; None if the compiler does not report them.
        model_flops: operations for all pairs of the global batch by the model's definition, see
            `profiling`; None if unknown.
        micro_batches: number of micro-batches per step.
    """

    target: Target
    parameters: int
    state: int
    batch: int
    temporaries: int | None
    sent: list[Collective]
    flops: float | None
    model_flops: float | None
    micro_batches: int

    @property
    def step_memory(self) -> int | None:
        """Bytes while a step runs: state, batch and temporaries."""
        return None if self.temporaries is None else self.state + self.batch + self.temporaries

    @property
    def memory(self) -> int | None:
        """Peak bytes: also the prefetched batches, and a copy of the state while it is saved."""
        step = self.step_memory
        return None if step is None else step + _AHEAD * self.batch + self.state


def find_target(topology: str | None) -> Target:
    """The devices of a topology; without one, those that are present.

    Args:
        topology: `KIND:SHAPE`, such as "v5e:4x4". Absent TPUs need libtpu (`gsn_jax[tpu]`); without
            it, as many virtual CPU devices take their place. "cpu:8" means 8 virtual devices.

    Raises:
        InputError: `topology` has another form, or JAX has started with fewer virtual devices.
    """
    if topology is None:
        here = jax.devices()
        return Target(here, f"{len(here)} x {here[0].device_kind}, present here")
    match = re.fullmatch(r"([a-z]\w*):(\d+(?:x\d+)*)", topology)
    count = math.prod(map(int, match[2].split("x"))) if match else 0
    if match is None or not count:
        raise InputError(f"--topology {topology!r}: give KIND:SHAPE, such as v5e:4x4 or cpu:8")
    if match[1] == "cpu":
        return Target(_virtual(count), counted(count, "virtual CPU device"))
    try:
        absent = _absent_tpus(topology)
    except Exception as error:  # the type depends on the versions of JAX and libtpu
        reason = re.split(r"[.;\n]", str(error))[0] or type(error).__name__
        return Target(
            _virtual(count),
            f"{counted(count, 'virtual CPU device')} in place of {topology}, which this JAX cannot "
            f"compile for ({reason}); memory and FLOPs are those of the CPU program",
        )
    kind = absent[0].device_kind
    return Target(absent, f"{len(absent)} x {kind} ({topology}), which need not be present")


def _absent_tpus(topology: str) -> Sequence[jax.Device]:
    from jax.experimental import topologies

    return topologies.get_topology_desc(topology_name=topology, platform="tpu").devices


def _virtual(count: int) -> Sequence[jax.Device]:
    if "host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        with contextlib.suppress(RuntimeError):  # JAX has started; checked below
            jax.config.update("jax_num_cpu_devices", count)
    devices = jax.devices("cpu")
    if len(devices) < count:
        raise InputError(
            f"{len(devices)} virtual devices, but {count} are needed; set "
            f"XLA_FLAGS=--xla_force_host_platform_device_count={count}"
        )
    return devices[:count]


def make_plan(config: ConfigDict, target: Target) -> Plan:
    """Compiles the training step of a configuration for the target devices.

    Raises:
        InputError: the configuration is wrong, or does not fit the devices.
    """
    program = make_program(config, make_mesh(target.devices, fsdp=config.train.fsdp))
    batch = abstract_batch(config, program)
    compiled = program.step.lower(program.abstract, batch).compile()
    memory, cost = compiled.memory_analysis(), compiled.cost_analysis()
    stored = bool(config.data.stored_crops)  # then the steps do not run the backbone
    pair = None if stored else flops_per_pair(program.model, config.data.crop_size)
    return Plan(
        target=target,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(program.abstract.params)),
        state=_bytes_per_device(program.abstract),
        batch=_bytes_per_device(batch),
        # Outputs that alias arguments (donated state) need no further memory.
        temporaries=(
            memory.temp_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
            if memory
            else None
        ),
        sent=collectives(compiled.as_text()),
        flops=cost.get("flops") if cost else None,
        model_flops=pair * config.data.batch_size if pair else None,
        micro_batches=config.optimizer.accumulate,
    )


def _bytes_per_device(tree: Any) -> int:
    return sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(tree)
    )


def describe(plan: Plan) -> Iterator[str]:
    """The plan as lines of text."""
    devices = len(plan.target.devices)
    yield f"compiled for {plan.target.what}"
    yield f"parameters: {plan.parameters:,}"
    if plan.step_memory is None or plan.memory is None:
        yield f"memory per device: state {_size(plan.state)}; the compiler reports no more"
    else:
        yield (
            f"memory per device: {_size(plan.step_memory)} in a step (state {_size(plan.state)}, "
            f"batch {_size(plan.batch)}, temporaries {_size(plan.temporaries or 0)}); "
            f"{_size(plan.memory)} with {_AHEAD} prefetched batches and the copy of the state that "
            "is made for saving"
        )
    kinds = collections.Counter(one.kind for one in plan.sent)
    sums = collections.Counter[str]()
    for one in plan.sent:
        sums[one.kind] += one.bytes
    listed = ", ".join(f"{kinds[kind]} {kind} ({_size(sums[kind])} in total)" for kind in kinds)
    often = f"; those repeated in each of {plan.micro_batches} micro-batches are counted once"
    yield f"collectives per step: {listed or 'none'}" + often * (plan.micro_batches > 1)
    work = []
    if plan.flops:
        work.append(f"{plan.flops * devices / 1e9:.1f} GFLOP on all devices, as compiled")
    if plan.model_flops:
        work.append(f"{plan.model_flops / 1e9:.1f} GFLOP by the model's definition")
    yield f"arithmetic per step: {'; '.join(work) or 'not reported by the compiler'}"
    peak = peak_flops(plan.target.devices[0].device_kind)
    if peak and plan.model_flops:
        least = plan.model_flops / peak / devices
        yield f"a step takes at least {1e3 * least:.2f} ms, at the devices' peak rate in bfloat16"


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
