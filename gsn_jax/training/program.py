"""The compiled functions of a run, and the state and the batches that they take."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from gsn_jax.errors import InputError
from gsn_jax.models import initial_weights, registry
from gsn_jax.models.frozen_feature_model import FrozenFeatureModel
from gsn_jax.training.meshes import divided, state_shardings
from gsn_jax.training.optimizers import Backbone, make_optimizer
from gsn_jax.training.state import TrainState, create_state
from gsn_jax.training.step import make_loss, make_train_step
from gsn_jax.training.stored_crops import feature_shapes


@dataclasses.dataclass(frozen=True)
class Program:
    """What a configuration compiles to on a mesh.

    Attributes:
        mesh: all devices of all processes.
        model: the network.
        create: makes the state before the first step.
        abstract: that state without values, with the sharding of each array.
        step: see `step.make_train_step`.
        schedule: learning rate as a function of the number of updates done.
    """

    mesh: Mesh
    model: nn.Module
    create: Callable[[], TrainState]
    abstract: TrainState
    step: Any
    schedule: Callable


def make_program(config: ConfigDict, mesh: Mesh) -> Program:
    """Builds the functions, which are compiled when they are called or lowered.

    Raises:
        InputError: the configuration is wrong, or initial weights are missing.
    """
    _check_division(config, mesh)
    model = registry.build(config.model)
    initial = initial_weights.read(config.model)
    backbone: Backbone = "published" if "backbone" in initial else "new"
    if registry.is_frozen(model):
        backbone = "frozen"
    optimizer, schedule = make_optimizer(config.optimizer, config.train.steps, backbone=backbone)
    create = functools.partial(_create, config, model, optimizer)
    shapes = jax.eval_shape(create, initial)
    shardings = state_shardings(mesh, shapes)
    return Program(
        mesh=mesh,
        model=model,
        # The weights are an argument: as constants they would slow down compilation.
        create=functools.partial(
            jax.jit(create, out_shardings=shardings, compiler_options=_run_once_options(mesh)),
            initial,
        ),
        abstract=jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            shapes,
            shardings,
        ),
        step=make_train_step(
            model,
            optimizer,
            make_loss(config.loss),
            mesh,
            ema_decay=config.optimizer.ema,
            accumulate=config.optimizer.accumulate,
            state_sharding=shardings,
        ),
        schedule=schedule,
    )


def abstract_batch(config: ConfigDict, program: Program) -> dict[str, jax.ShapeDtypeStruct]:
    """The abstract global batch that the step takes.

    Raises:
        InputError: `data.stored_crops` without a frozen backbone.
    """
    count, size = config.data.batch_size, config.data.crop_size
    arrays: dict[str, tuple[tuple[int, ...], str]] = {"quality": ((), "float32")}
    if config.data.stored_crops:
        cells, whole = feature_shapes(with_frozen_backbone(program.model), size)
        arrays |= {"cells": (cells, "float16"), "whole": (whole, "float16")}
    else:
        images = ((size, size, 3), "uint8")
        arrays |= {"reference": images, "distorted": images}
    return {
        name: jax.ShapeDtypeStruct((count, *shape), dtype, sharding=divided(program.mesh))
        for name, (shape, dtype) in arrays.items()
    }


def with_frozen_backbone(model: nn.Module) -> FrozenFeatureModel:
    """The model, if features of crops can be stored for it.

    Raises:
        InputError: its backbone is not frozen.
    """
    if not isinstance(model, FrozenFeatureModel):
        raise InputError(
            'data.stored_crops needs a frozen backbone; set model.name="frozen" or '
            "data.stored_crops=0"
        )
    return model


def _check_division(config: ConfigDict, mesh: Mesh) -> None:
    if config.data.batch_size % mesh.size:
        raise InputError(
            f"data.batch_size {config.data.batch_size} cannot be divided among {mesh.size} "
            f"devices; choose a multiple of {mesh.size}"
        )
    if config.data.batch_size // mesh.size % config.optimizer.accumulate:
        raise InputError(
            f"{config.data.batch_size // mesh.size} pairs on each of {mesh.size} devices cannot be "
            f"divided into optimizer.accumulate={config.optimizer.accumulate} micro-batches; make "
            f"data.batch_size a multiple of {mesh.size * config.optimizer.accumulate}"
        )


def _create(
    config: ConfigDict, model: nn.Module, optimizer: Any, initial: Mapping[str, Any]
) -> TrainState:
    return create_state(
        model,
        optimizer,
        jax.random.key(config.seed),
        crop_size=config.data.crop_size,
        ema=bool(config.optimizer.ema),
        initial=initial,
    )


def _run_once_options(mesh: Mesh) -> dict[str, int] | None:
    """Compiler options for a function that runs once: optimising it on a CPU would not pay."""
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    return {"xla_backend_optimization_level": 0} if on_cpu else None
