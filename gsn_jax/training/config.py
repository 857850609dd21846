"""Training configurations: every default with its reason, and how a command line changes them."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from gsn_jax.errors import InputError
from gsn_jax.training.override_keys import check_keys

# Sections that must not change when a run is resumed; the others (logging, length) may.
FIXED_SECTIONS = ("seed", "model", "loss", "optimizer", "data")

# Keys of fixed sections that may change: a run may continue on devices with another memory.
FREE_KEYS = ("model.remat", "optimizer.accumulate", "data.store")

SCHEDULES = ("cosine", "linear", "constant", "step")
STEP_FORMS = ("jit", "shard_map")


def base_config() -> ConfigDict:
    """The default configuration; files in `configs/` start from it and change what they need.

    What public sources of GSN do not say (widths, crop, optimiser, batch, alpha, beta, q) is a
    value here, with its reason beside it.
    """
    return ConfigDict(
        {
            "seed": 0,
            "model": {
                "name": "gsn",
                "trunk": "cdcn",
                "trunk_options": {},
                "trunk_weights": "",  # "imagenet", "lpips", "lpips+dists" or a path
                "theta": 0.7,  # Yu et al., CVPR 2020
                "norm": "none",  # normalisation removes the contrast that quality depends on
                "attention": (7, 5, 3),  # CDCN++
                "fusion_width": 32,
                "head": "anchored",  # an identical pair is best by construction
                "comparison": "similarity",
                "on_grid": False,  # True where a frozen trunk's descriptions are stored
                "channelwise": True,  # False costs less beside a trunk of many channels
                "pooling": "weighted",
                "dtype": "float32",  # a CPU gains nothing by bfloat16; set it on TPUs and new GPUs
                "remat": False,  # a forward pass more; True where a batch does not fit
            },
            "loss": {
                "name": "gsn",  # gsn, norm_in_norm, mse or mae
                "alpha": 1.0,
                "beta": 1.0,
                "q": 2.0,
                "temperature": 0.2,  # balances the terms at batches of 16 to 64
                "mse_weight": 0.1,  # anchors the offset, which both GSN terms leave free
            },
            "optimizer": {
                "name": "adamw",
                "learning_rate": 1e-3,  # a network from scratch; 1e-4 for a pretrained trunk
                "weight_decay": 1e-4,
                "schedule": "cosine",  # or constant, linear, step; needs no choice but steps
                "warmup_steps": 200,  # Adam's moments are poor at first
                "decay_at": (
                    0.5,
                    0.75,
                ),  # of "step": shares of the run, as for residual networks
                "decay_factor": 0.1,  # of "step": what the rate is multiplied by there
                "clip_norm": 1.0,
                "accumulate": 1,  # micro-batches per step; more where a batch does not fit
                "frozen_trunk_steps": 0,  # without the trunk; for pretrained ones; -1: all steps
                "trunk_learning_rate_factor": 1.0,  # about 0.1 for a pretrained trunk
                "ema": 0.999,  # decay of the averaged parameters that are evaluated; 0: none
            },
            "data": {
                "train": (),  # tables (PATH.csv) or names of prepared data sets
                "eval": (),  # likewise; empty: hold references out of `train`
                "eval_fraction": 0.2,  # of the references, where `eval` is empty
                "split_seed": 0,
                "batch_size": 32,  # global; the losses rank within it
                "crop_size": 192,
                "flip": True,
                "stored_crops": 0,  # crops of each pair that a frozen trunk describes once; 0: new
                "stored_variants": 0,  # that a pair named several times has; 0: always new ones
                "store": "",  # folder of the descriptions; empty: in the run's folder
                "workers": 0,  # decoding processes; 0 decodes in threads of this process
            },
            "train": {
                "steps": 10_000,
                "step": "jit",  # XLA divides the work; "shard_map": every device runs the step
                "log_every": 50,
                "eval_every": 1000,
                "checkpoint_every": 1000,
                "keep": 2,  # newest checkpoints; the best by SRCC is kept beside them
                "eval_pairs": 0,  # evaluate on at most this many pairs; 0: all
                "fsdp": 1,  # devices that share one copy of the parameters and the optimiser
            },
        }
    )


def find_config(name_or_path: str) -> Path:
    """The file of a configuration given as a path or as the name of one that ships.

    Raises:
        InputError: there is none.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    stem = path.name.removesuffix(".py")
    package = Path(__file__).resolve().parents[1]
    # Installed from a wheel the folder is inside the package, in a checkout beside it.
    folders = [package / "configs", package.parent / "configs"]
    for folder in folders:
        if stem != "__init__" and (folder / f"{stem}.py").is_file():
            return folder / f"{stem}.py"
    known = sorted({file.stem for folder in folders for file in folder.glob("[!_]*.py")})
    raise InputError(
        f"no configuration {name_or_path!r}; give a file, or one of: {', '.join(known)}"
    )


def load_config(name_or_path: str, overrides: Sequence[str] = ()) -> ConfigDict:
    """Reads a configuration and applies `--config.key=value` overrides.

    Raises:
        InputError: no such configuration, it does not run, or an override does not fit it.
    """
    path = find_config(name_or_path)
    values = flags.FlagValues()
    arguments = ["gsn", *overrides]
    try:
        config_flags.DEFINE_config_dict(
            "config", _run_file(path), flag_values=values, sys_argv=arguments
        )
        rest = values(arguments)
        config = values.config
    except Exception as error:  # a configuration is code: anything may go wrong in it
        if isinstance(error, AttributeError | KeyError):
            check_keys(base_config().to_dict(), overrides, path)
        raise InputError(f"{path}: {type(error).__name__}: {error}") from error
    if rest[1:]:
        raise InputError(f"unexpected argument {rest[1]!r}; overrides look like --config.key=value")
    _validate(config, path)
    return config


def _run_file(path: Path) -> ConfigDict:
    spec = importlib.util.spec_from_file_location("gsn_jax_training_config", path)
    if spec is None or spec.loader is None:
        raise ValueError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    if not isinstance(config, ConfigDict):
        raise TypeError("get_config() must return a ConfigDict")
    return config


def _validate(config: ConfigDict, path: Path) -> None:
    for section, defaults in base_config().items():
        if section not in config:
            raise InputError(f"{path}: section {section!r} is missing; start from base_config()")
        if section == "model" or not isinstance(defaults, ConfigDict):
            continue
        missing = sorted(set(defaults) - set(config[section]))
        if missing:
            raise InputError(f"{path}: {section}.{missing[0]} is missing")
    checks = (*_train_checks(config), *_optimizer_checks(config.optimizer))
    for holds, message in checks:
        if not holds:
            raise InputError(f"{path}: {message}")


def _train_checks(config: ConfigDict) -> tuple[tuple[bool, str], ...]:
    return (
        (config.train.steps > 0, "train.steps must be positive"),
        (config.train.step in STEP_FORMS, f"train.step must be one of {', '.join(STEP_FORMS)}"),
        (config.train.keep > 0, "train.keep must be positive"),
        (min(config.train.log_every, config.train.eval_every) > 0, "intervals must be positive"),
        (config.train.checkpoint_every > 0, "train.checkpoint_every must be positive"),
        (config.data.batch_size > 0, "data.batch_size must be positive"),
        (config.data.stored_crops >= 0, "data.stored_crops must not be negative"),
        (config.data.stored_variants >= 0, "data.stored_variants must not be negative"),
        (config.data.crop_size > 0, "data.crop_size must be positive"),
        (
            len(config.data.train) > 0,
            "data.train is empty; name a table or a data set: --config.data.train=pairs.csv",
        ),
        (config.optimizer.accumulate > 0, "optimizer.accumulate must be positive"),
        (
            config.data.batch_size % max(config.optimizer.accumulate, 1) == 0,
            "data.batch_size must be a multiple of optimizer.accumulate",
        ),
        (
            config.optimizer.accumulate <= 1 or config.model.get("norm", "none") == "none",
            'optimizer.accumulate needs model.norm="none": batch normalisation would see the '
            "micro-batch",
        ),
    )


def _optimizer_checks(config: ConfigDict) -> tuple[tuple[bool, str], ...]:
    shares = (0.0, *config.decay_at, 1.0)
    return (
        (config.learning_rate > 0, "optimizer.learning_rate must be positive"),
        (
            config.schedule in SCHEDULES,
            f"optimizer.schedule must be one of {', '.join(SCHEDULES)}",
        ),
        (config.warmup_steps >= 0, "optimizer.warmup_steps must not be negative"),
        (
            all(before < after for before, after in itertools.pairwise(shares)),
            "optimizer.decay_at must be rising shares of the run between 0 and 1",
        ),
        (0 < config.decay_factor <= 1, "optimizer.decay_factor must be in (0, 1]"),
        (config.clip_norm > 0, "optimizer.clip_norm must be positive"),
        (0 <= config.ema < 1, "optimizer.ema must be in [0, 1)"),
        (
            config.frozen_trunk_steps >= -1,
            "optimizer.frozen_trunk_steps must be a number of steps, or -1 for all",
        ),
        (
            config.trunk_learning_rate_factor > 0,
            "optimizer.trunk_learning_rate_factor must be positive; "
            "optimizer.frozen_trunk_steps=-1 keeps the trunk as it is",
        ),
    )


def changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Dotted keys of the fixed sections that differ between two configurations as plain dicts.

    A key that a run of an older version does not know has its default, which is what that version
    did. `FREE_KEYS` may differ: they change the memory and the rounding, not the run.
    """
    changed, defaults = [], base_config().to_dict()
    for section in FIXED_SECTIONS:
        default = _flatten(section, defaults[section])
        first, second = _flatten(section, before[section]), _flatten(section, after[section])
        changed += [
            key
            for key in sorted(first | second)
            if key not in FREE_KEYS
            and first.get(key, default.get(key)) != second.get(key, default.get(key))
        ]
    return changed


def _flatten(prefix: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {
            key: leaf
            for name, child in value.items()
            for key, leaf in _flatten(f"{prefix}.{name}", child).items()
        }
    return {prefix: list(value) if isinstance(value, tuple) else value}
