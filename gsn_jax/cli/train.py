"""`gsn train`: train a model from a configuration, or continue a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from gsn_jax.cli import shared_options
from gsn_jax.errors import InputError

if TYPE_CHECKING:
    from gsn_jax.training.loop import Result

_EPILOG = """Change single values of the configuration with --config.KEY=VALUE, for example
--config.train.steps=2000 --config.optimizer.learning_rate=3e-4
--config.data.train="('pairs.csv',)". Ctrl-C and SIGTERM save a checkpoint and stop; the same
command continues the run.

Several processes, on one or more machines, can train one model. Slurm, Open MPI, Kubernetes and
Cloud TPU are detected. Otherwise, start the same command for each process, with --coordinator,
--processes and --process-id.

Exit codes: 0 finished, or saved after a signal; 1 the run failed; 2 wrong input; 75 another process
was lost, start all of them again."""


@click.command(
    epilog=_EPILOG, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
)
@click.option(
    "--config",
    "config_name",
    required=True,
    metavar="NAME|FILE",
    help="Name of a configuration in configs/, such as 'default', or a Python file.",
)
@click.option(
    "--workdir",
    type=click.Path(file_okay=False),
    help="Folder or gs:// URL of the run: checkpoints, TensorBoard logs and the trained model.",
)
@shared_options.processes
@click.option(
    "--profile",
    metavar="FIRST:LAST",
    help="Write a JAX profile of these steps, such as 20:25, to WORKDIR/profile.",
)
@click.option(
    "--writers",
    default="tensorboard",
    show_default=True,
    help="Comma-separated destinations of losses, rates and evaluations: tensorboard (in WORKDIR), "
    "wandb, mlflow.",
)
@click.option(
    "--plan",
    is_flag=True,
    help="Do not train; print the parameters, memory per device, collectives and arithmetic of a "
    "compiled training step.",
)
@click.option(
    "--topology",
    metavar="KIND:SHAPE",
    help="With --plan, compile for these devices, such as v5e:4x4 or cpu:8, present or not.",
)
@click.pass_context
def command(
    ctx: click.Context,
    config_name: str,
    workdir: str | None,
    coordinator: str | None,
    processes: int | None,
    process_id: int | None,
    start_timeout: int,
    profile: str | None,
    writers: str,
    plan: bool,
    topology: str | None,
) -> None:
    """Train a model, or continue the training run in WORKDIR."""
    if plan:
        _print_plan(config_name, config_overrides(ctx.args), topology)
        return
    if topology:
        raise InputError("--topology needs --plan; give both")
    if workdir is None:
        raise InputError("give --workdir DIR, the folder of the run")
    from gsn_jax.cli import supervision
    from gsn_jax.devices import distributed

    group = distributed.find_group(coordinator, processes, process_id)
    watched = supervision.lifeline()
    if group is not None and watched is None:
        ctx.exit(supervision.supervise(group, start_timeout))
    # Imported here, because orbax, grain and tensorboardX take seconds to import.
    from gsn_jax.training.config import load_config
    from gsn_jax.training.loop import DivergenceError, train
    from gsn_jax.training.profiling import parse_steps
    from gsn_jax.training.run_folder import check_not_running

    if group is not None:
        check_not_running(workdir)
    traced = parse_steps(profile) if profile else range(0)
    config = load_config(config_name, config_overrides(ctx.args))
    with distributed.joined(
        group, start_seconds=start_timeout, on_joined=watched.joined if watched else lambda: None
    ):
        try:
            result = train(config, workdir, profile=traced, writers=writers.split(","))
        except DivergenceError as error:  # in all processes at the same step
            result = None
            if distributed.is_first():
                click.echo(f"gsn: {error}", err=True)
        if result and result.stopped_by is None and distributed.is_first():
            _say_finished(result, workdir)
    if result is None:
        ctx.exit(distributed.FAILED)


def _print_plan(config_name: str, overrides: list[str], topology: str | None) -> None:
    if topology:  # keeps libtpu from looking for a TPU here, and from complaining
        os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    from gsn_jax.training import plan
    from gsn_jax.training.config import load_config

    config = load_config(config_name, overrides)
    for line in plan.describe(plan.make_plan(config, plan.find_target(topology))):
        click.echo(line)


def _say_finished(result: Result, workdir: str) -> None:
    values = ", ".join(f"{name} {value:.4f}" for name, value in result.evaluation.items())
    click.echo(f"finished at step {result.step}{': ' + values if values else ''}")
    click.echo(f"model: {workdir}/model (score with: gsn score --checkpoint {workdir}/model)")


def config_overrides(arguments: list[str]) -> list[str]:
    """The arguments, all of the form `--config.KEY=VALUE`.

    Raises:
        InputError: an argument has another form.
    """
    for argument in arguments:
        if not argument.startswith("--config."):
            raise InputError(
                f"unexpected argument {argument!r}; overrides look like --config.train.steps=100"
            )
    return arguments
