"""Compares the memory that `gsn train --plan` predicts with what steps on virtual devices use.

    python benchmarks/plan_memory.py [--config default] [--devices 8]

The memory used is that of the arrays of state and batch, plus the growth of the resident memory
while steps run (Linux only). The exit code is 1 if prediction and use differ by more than 20 %.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import jax
import numpy as np

from gsn_jax.training import plan
from gsn_jax.training.config import load_config
from gsn_jax.training.meshes import make_mesh
from gsn_jax.training.program import Program, abstract_batch, make_program

TOLERANCE = 0.2


def resident(name: str) -> int:
    """Resident memory of this process in bytes: "VmRSS" now, "VmHWM" at its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise SystemExit("/proc/self/status is missing; run this benchmark on Linux")


def used_by_steps(program: Program, batch: dict, steps: int = 3) -> int:
    """Bytes that the steps use on all devices together."""
    compiled = program.step.lower(program.abstract, batch).compile()
    generator = np.random.default_rng(0)
    arrays = {
        name: jax.device_put(
            (255 * generator.uniform(size=leaf.shape)).astype(leaf.dtype), leaf.sharding
        )
        for name, leaf in batch.items()
    }
    state = jax.block_until_ready(program.create())
    there = sum(
        shard.data.nbytes
        for leaf in jax.tree.leaves((state, arrays))
        for shard in leaf.addressable_shards
    )
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    for _ in range(steps):
        state, metrics = compiled(state, arrays)
        jax.block_until_ready((state, metrics))
    return there + resident("VmHWM") - before


def main() -> None:
    """Plans, runs the steps and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="default")
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=64)
    options = parser.parse_args()
    target = plan.find_target(f"cpu:{options.devices}")
    overrides = ["--config.data.train=absent.csv", f"--config.data.batch_size={options.batch_size}"]
    config = load_config(options.config, overrides)
    predicted = plan.make_plan(config, target)
    program = make_program(config, make_mesh(target.devices, fsdp=config.train.fsdp))
    used = used_by_steps(program, abstract_batch(config, program)) / options.devices
    for line in plan.describe(predicted):
        print(line)
    ratio = predicted.step_memory / used
    print(f"used per device: {used / 1e6:.1f} MB; predicted / used: {ratio:.3f}")
    sys.exit(0 if abs(ratio - 1) <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
