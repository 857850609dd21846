"""Predicts how a training step scales over devices, from the bytes that it sends.

    python benchmarks/scaling.py --pairs-per-second 1000 --pairs-per-device 32

Compiles the step for virtual devices, reads its collectives, and prints its assumptions and a
Markdown table. It assumes that every all-reduce runs on a ring, at the given speed and latency of
the links, and that none overlaps with computation. No step is run: the speed of one device is an
argument.
"""

from __future__ import annotations

import argparse
import os


def messages(name: str, virtual_devices: int) -> list[int]:
    """Bytes of each collective in the training step of a configuration."""
    import jax

    from gsn_jax.models import registry
    from gsn_jax.training.collectives import collectives
    from gsn_jax.training.config import load_config
    from gsn_jax.training.meshes import make_mesh
    from gsn_jax.training.optimizers import make_optimizer
    from gsn_jax.training.state import create_state
    from gsn_jax.training.step import make_loss, make_train_step

    # What is sent depends neither on the data nor on the crop.
    config, size = load_config(name, ["--config.data.train=none.csv"]), 32
    model = registry.build(config.model)
    optimizer, _ = make_optimizer(config.optimizer, 1000)
    state = jax.eval_shape(
        lambda key: create_state(model, optimizer, key, crop_size=size, ema=True),
        jax.random.key(0),
    )
    images = jax.ShapeDtypeStruct((2 * virtual_devices, size, size, 3), "uint8")
    quality = jax.ShapeDtypeStruct((2 * virtual_devices,), "float32")
    step = make_train_step(
        model,
        optimizer,
        make_loss(config.loss),
        make_mesh(),
        ema_decay=config.optimizer.ema,
    )
    batch = {"reference": images, "distorted": images, "quality": quality}
    found = collectives(step.lower(state, batch).compile().as_text())
    for one in found:
        print(f"{one.kind}: {len(one.shapes)} arrays, {one.bytes} bytes")
    return [one.bytes for one in found]


def main() -> None:
    """Prints the assumptions and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="default", help="configuration of model and loss")
    parser.add_argument(
        "--pairs-per-second", type=float, required=True, help="throughput of one device"
    )
    parser.add_argument("--pairs-per-device", type=int, default=32)
    parser.add_argument(
        "--link-gbytes", type=float, default=25.0, help="bandwidth of a link, GB/s in one direction"
    )
    parser.add_argument("--hop-us", type=float, default=1.0, help="latency of a hop, microseconds")
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 8, 64, 256])
    options = parser.parse_args()
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["XLA_FLAGS"] = (
        "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
    )
    sent = messages(options.config, 8)

    from gsn_jax.training.collectives import ring_seconds

    compute = options.pairs_per_device / options.pairs_per_second
    print(
        f"\nassumed: {options.pairs_per_second:g} pairs/s per device, {1e3 * compute:g} ms for "
        f"its {options.pairs_per_device} pairs; {options.link_gbytes:g} GB/s per link in one "
        f"direction, {options.hop_us:g} us per hop\n"
        f"sent: {sum(sent)} bytes in {len(sent)} all-reduces\n"
    )
    print("| devices | global batch | communication, ms | step, ms | pairs/s | efficiency |")
    print("|---|---|---|---|---|---|")
    for devices in options.devices:
        network = ring_seconds(
            devices,
            sent,
            link_bytes_per_second=1e9 * options.link_gbytes,
            hop_seconds=1e-6 * options.hop_us,
        )
        step = compute + network
        batch = devices * options.pairs_per_device
        print(
            f"| {devices} | {batch} | {1e3 * network:.3f} | {1e3 * step:.2f} "
            f"| {batch / step:.0f} | {compute / step:.1%} |"
        )


if __name__ == "__main__":
    main()
