"""Reads PyTorch weight files as NumPy arrays, without PyTorch and without running any code.

Both formats of `torch.save` are read: the ZIP archive (PyTorch 1.6 and later: `data.pkl` beside
`data/0`, `data/1`, ...) and the older sequence of pickles followed by the raw storages. The pickle
inside may name only what describes a tensor.
"""

from __future__ import annotations

import collections
import dataclasses
import io
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

import ml_dtypes
import numpy as np

from gsn_jax.errors import InputError
from gsn_jax.pretrained.pickled_arrays import Refused, finished, stand_in

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C

_STORAGE_DTYPES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}

# The names under which training scripts save the model in a checkpoint.
_WRAPPERS = ("state_dict", "model_state_dict", "params_ema", "params", "model", "net")


def read_torch_state_dict(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads the tensors of a PyTorch state dict.

    Args:
        path: a file written by `torch.save`: a state dict, or a checkpoint that contains one under
            a usual name ("state_dict", "model", "params", ...).

    Returns:
        Each tensor under its name, with its own dtype and PyTorch's axis order (convolutions are
        `(out, in, height, width)`, linear layers `(out, in)`). Entries that are not tensors, such
        as an epoch number, are left out.

    Raises:
        InputError: the file is missing, damaged, holds no tensors, or its pickle names anything
            that a tensor does not need.
    """
    try:
        with Path(path).open("rb") as file:
            zipped = zipfile.is_zipfile(file)
            file.seek(0)
            content = _read_zip(file) if zipped else _read_legacy(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except Refused as error:
        raise InputError(
            f"{path}: {error}; only tensors are read: save model.state_dict() with torch.save"
        ) from None
    except Exception as error:  # a damaged pickle raises almost anything
        raise InputError(f"{path}: not a PyTorch weight file, or damaged ({error})") from None
    tensors = _tensors(content)
    if not tensors:
        raise InputError(f"{path}: contains no tensors; save model.state_dict() with torch.save")
    return tensors


def _tensors(content: Any) -> dict[str, np.ndarray]:
    if not isinstance(content, Mapping):
        return {}
    own = {str(name): value for name, value in content.items() if isinstance(value, np.ndarray)}
    if own:
        return own
    return next((t for name in _WRAPPERS if (t := _tensors(content.get(name)))), {})


@dataclasses.dataclass(frozen=True)
class _Storage:
    """A flat block of memory that tensors are views of; `load` returns its bytes."""

    dtype: np.dtype
    size: int
    load: Callable[[], bytes]


@dataclasses.dataclass(frozen=True)
class _PendingTensor:
    """A pickle's description of a tensor, until its storage can be read."""

    storage: Any
    offset: Any
    shape: Any
    strides: Any

    def finish(self) -> np.ndarray:
        numbers = (self.offset, *self.shape, *self.strides)
        if (
            not isinstance(self.storage, _Storage)
            or len(self.shape) != len(self.strides)
            or not all(isinstance(number, int) and number >= 0 for number in numbers)
        ):
            raise Refused("a tensor is described in an unusual way")
        if 0 in self.shape:
            return np.zeros(self.shape, self.storage.dtype)
        spans = zip(self.shape, self.strides, strict=True)
        last = self.offset + sum((length - 1) * stride for length, stride in spans)
        if last >= self.storage.size:
            raise Refused("a tensor reaches beyond its storage")
        flat = np.frombuffer(self.storage.load(), self.storage.dtype, self.storage.size)
        steps = [stride * flat.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, steps)
        return view.astype(flat.dtype.newbyteorder("="), order="C")


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _PendingTensor:
    return _PendingTensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: Any, *_: Any) -> Any:
    return tensor


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch", "Size"): tuple,
    ("collections", "OrderedDict"): collections.OrderedDict,
}


class _TensorUnpickler(pickle.Unpickler):
    """Builds `_PendingTensor`s; `storage` turns a persistent id into a `_Storage`."""

    def __init__(self, file: BinaryIO, storage: Callable[..., _Storage]):
        super().__init__(file, encoding="latin1")  # for files written by Python 2
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if module in ("torch", "torch.storage") and name in _STORAGE_DTYPES:
            return name
        known = _STAND_INS.get((module, name))
        # A new wrapper each time: attributes that a pickle sets must not outlive the pickle.
        return stand_in(module, name) if known is None else (lambda *args: known(*args))

    def persistent_load(self, identifier: Any) -> _Storage:
        kind, storage_type, key, _, size, *view = identifier
        if kind != "storage" or storage_type not in _STORAGE_DTYPES or any(view):
            raise Refused("a storage is described in an unusual way")
        if not isinstance(size, int) or size < 0:
            raise Refused("a storage has an unusual size")
        return self._storage(np.dtype(_STORAGE_DTYPES[storage_type]), str(key), size)


def _finished(value: Any) -> Any:
    """Replaces the described tensors in the unpickled tree with arrays."""
    if isinstance(value, Mapping):
        return {key: _finished(item) for key, item in value.items()}
    return value.finish() if isinstance(value, _PendingTensor) else finished(value)


def _read_zip(file: BinaryIO) -> Any:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        root = next(name for name in names if name.split("/")[1:] == ["data.pkl"]).split("/")[0]
        order: Literal["<", ">"] = "<"
        if f"{root}/byteorder" in names and archive.read(f"{root}/byteorder") == b"big":
            order = ">"

        def storage(dtype: np.dtype, key: str, size: int) -> _Storage:
            entry = archive.getinfo(f"{root}/data/{key}")
            if entry.file_size != size * dtype.itemsize:
                raise Refused("a storage does not have its declared size")
            return _Storage(dtype.newbyteorder(order), size, lambda: archive.read(entry))

        pickled = io.BytesIO(archive.read(f"{root}/data.pkl"))
        return _finished(_TensorUnpickler(pickled, storage).load())


def _read_legacy(file: BinaryIO) -> Any:
    storages: dict[str, bytes] = {}
    announced: dict[str, int] = {}

    def storage(dtype: np.dtype, key: str, size: int) -> _Storage:
        announced[key] = size * dtype.itemsize
        return _Storage(dtype.newbyteorder("<"), size, lambda: storages[key])

    def load() -> Any:
        return _TensorUnpickler(file, storage).load()

    if load() != _LEGACY_MAGIC:
        raise Refused("it does not begin like a file from torch.save")
    load()  # protocol version
    load()  # about the machine; the storages are little-endian whatever it was
    content = load()
    for key in load():
        file.read(8)  # the number of elements, which the pickle has announced
        storages[str(key)] = file.read(announced[str(key)])
    return _finished(content)
