"""Training configurations: defaults with their reasons, and overrides from the command line."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from gsn_jax.errors import InputError
from gsn_jax.training.override_keys import check_keys

# Sections that must not change when a run is resumed; the others (logging, length) may.
FIXED_SECTIONS = ("seed", "model", "loss", "optimizer", "data")

# Options of fixed sections that may change, so that a run can continue on devices with more or less
# memory.
FREE_KEYS = ("model.remat", "optimizer.accumulate", "data.store")


def base_config() -> ConfigDict:
    """The default configuration; files in `configs/` start from it and change what they need.

    Public sources on GSN leave widths, crop, optimiser, batch, alpha, beta and q open. The reason
    for a value is beside it.
    """
    return ConfigDict(
        {
            "seed": 0,  # for initialisation, batch order and held-out references
            "model": {
                "name": "gsn",  # gsn, frozen (features of a frozen backbone) or wadiqam
                "backbone": "cdcn",
                "backbone_options": {},
                "backbone_weights": "",  # "imagenet", "lpips", a path; frozen: "lpips+dists"
                "theta": 0.7,  # Yu et al., CVPR 2020
                "attention": (7, 5, 3),  # CDCN++
                "fusion_width": 32,
                "dtype": "float32",  # bfloat16 is faster on TPUs and recent GPUs, not on CPUs
                "remat": False,  # True: less memory for one more forward pass
            },
            "loss": {
                "name": "gsn",  # gsn, norm_in_norm, mse or mae
                "alpha": 1.0,
                "beta": 1.0,
                "q": 2.0,
                "temperature": 0.2,  # balances the terms at batches of 16 to 64
                "mse_weight": 0.1,  # anchors the offset, which both GSN terms leave free
            },
            "optimizer": {  # AdamW with cosine decay
                "learning_rate": 1e-3,  # for a network from scratch; less for a pretrained one
                "weight_decay": 1e-4,
                "warmup_steps": 200,  # Adam's moments are poor at first
                "accumulate": 1,  # micro-batches per step; increase if a batch does not fit
                "ema": 0.999,  # decay of the averaged parameters, which are evaluated; 0: none
            },
            "data": {
                "train": (),  # tables (PATH.csv) or names of prepared data sets
                "eval": (),  # likewise; empty: hold references out of `train`
                "eval_fraction": 0.2,  # fraction of references to hold out if `eval` is empty
                "batch_size": 32,  # global; the losses rank within it
                "crop_size": 192,
                "stored_crops": 0,  # frozen backbone: distinct stored crops per pair; 0: new crops
                "store": "",  # folder of the stored features; empty: in the run's folder
                "workers": 0,  # decoding processes; 0 decodes in threads of this process
            },
            "train": {
                "steps": 10_000,
                "log_every": 50,
                "eval_every": 1000,
                "checkpoint_every": 1000,
                "eval_pairs": 0,  # evaluate on at most this many pairs; 0: all
                "fsdp": 1,  # devices that share one copy of the parameters and the optimiser
            },
        }
    )


def find_config(name_or_path: str) -> tuple[Path, str | None]:
    """The file of a configuration, and the argument for its `get_config` or None.

    Args:
        name_or_path: a path or the name of a shipped configuration, with `:ARGUMENT` if the file
            takes one, e.g. `dataset.py:pipal`, `dataset:pipal` or `pipal`.

    Raises:
        InputError: there is no such configuration.
    """
    if Path(name_or_path).is_file():
        return Path(name_or_path), None
    name, _, argument = name_or_path.partition(":")
    path = Path(name)
    if path.is_file():
        return path, argument or None
    stem = path.name.removesuffix(".py")
    package = Path(__file__).resolve().parents[1]
    # The folder is inside the package in a wheel, beside it in a checkout.
    inside, beside = package / "configs", package.parent / "configs"
    files = {file.stem: file for file in (inside if inside.is_dir() else beside).glob("[!_]*.py")}
    if stem in files:
        return files[stem], argument or None
    aliases = {stem: _aliases(file) for stem, file in files.items()}
    for named, arguments in aliases.items():
        if stem in arguments:
            return files[named], arguments[stem]
    direct = {stem for stem, arguments in aliases.items() if not arguments}
    known = sorted(direct.union(*aliases.values()))
    raise InputError(
        f"no configuration {name_or_path!r}; give a file, or one of: {', '.join(known)}"
    )


def load_config(name_or_path: str, overrides: Sequence[str] = ()) -> ConfigDict:
    """Reads a configuration, see `find_config`, and applies `--config.key=value` overrides.

    Raises:
        InputError: there is no such configuration, its code fails, or an override does not fit.
    """
    path, argument = find_config(name_or_path)
    values = flags.FlagValues()
    arguments = ["gsn", *overrides]
    try:
        config_flags.DEFINE_config_dict(
            "config", _run_file(path, argument), flag_values=values, sys_argv=arguments
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


def _aliases(path: Path) -> dict[str, str]:
    """Short names that a configuration file defines, each with the argument it stands for."""
    return getattr(_imported(path), "ALIASES", {})


def _run_file(path: Path, argument: str | None) -> ConfigDict:
    module = _imported(path)
    config = module.get_config() if argument is None else module.get_config(argument)
    if not isinstance(config, ConfigDict):
        raise TypeError("get_config() must return a ConfigDict")
    return config


def _imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("gsn_jax_training_config", path)
    if spec is None or spec.loader is None:
        raise ValueError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _validate(config: ConfigDict, path: Path) -> None:
    for section, defaults in base_config().items():
        if section not in config:
            raise InputError(f"{path}: section {section!r} is missing; start from base_config()")
        if not isinstance(defaults, ConfigDict):
            continue
        # A model's other options have defaults of their own.
        needed = {"name"} if section == "model" else set(defaults)
        missing = sorted(needed - set(config[section]))
        if missing:
            raise InputError(f"{path}: {section}.{missing[0]} is missing; start from base_config()")
    for holds, message in _checks(config):
        if not holds:
            raise InputError(f"{path}: {message}")


def _checks(config: ConfigDict) -> tuple[tuple[bool, str], ...]:
    train, data, optimizer = config.train, config.data, config.optimizer
    return (
        (train.steps > 0, "train.steps must be positive"),
        (train.log_every > 0, "train.log_every must be positive"),
        (train.eval_every > 0, "train.eval_every must be positive"),
        (train.checkpoint_every > 0, "train.checkpoint_every must be positive"),
        (train.eval_pairs >= 0, "train.eval_pairs must not be negative"),
        (data.batch_size > 0, "data.batch_size must be positive"),
        (data.stored_crops >= 0, "data.stored_crops must not be negative"),
        (data.crop_size > 0, "data.crop_size must be positive"),
        (0 <= data.eval_fraction < 1, "data.eval_fraction must be in [0, 1)"),
        (
            len(data.train) > 0,
            "data.train is empty; name a table or a data set: --config.data.train=pairs.csv",
        ),
        (optimizer.accumulate > 0, "optimizer.accumulate must be positive"),
        (
            data.batch_size % max(optimizer.accumulate, 1) == 0,
            "data.batch_size must be a multiple of optimizer.accumulate",
        ),
        (optimizer.learning_rate > 0, "optimizer.learning_rate must be positive"),
        (optimizer.warmup_steps >= 0, "optimizer.warmup_steps must not be negative"),
        (0 <= optimizer.ema < 1, "optimizer.ema must be in [0, 1)"),
    )


def changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Dotted keys of the fixed sections that differ between two configurations as plain dicts.

    Ignores `FREE_KEYS`, which change memory use and rounding, not the run.
    """
    changed = []
    for section in FIXED_SECTIONS:
        first, second = _flatten(section, before[section]), _flatten(section, after[section])
        changed += [
            key
            for key in sorted(first | second)
            if key not in FREE_KEYS and first.get(key) != second.get(key)
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
