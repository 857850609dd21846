"""Reads pickles of NumPy arrays without running any code that a pickle names.

A pickle may name any callable and have it called. This reader knows only the few names by which
NumPy describes an array. It replaces each of them with a stand-in that collects plain data, and it
refuses every other name.
"""

from __future__ import annotations

import collections
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gsn_jax.errors import InputError

# Booleans, integers, floats and complex numbers; never objects.
_PLAIN_KINDS = "biufc"


class Refused(pickle.UnpicklingError):
    """A pickle names something that a file of arrays does not need."""


def read_pickled_arrays(path: str | os.PathLike[str]) -> Any:
    """Reads a pickle of NumPy arrays in dicts, lists and tuples.

    Args:
        path: the pickle file.

    Returns:
        The containers, with NumPy arrays as leaves; numbers and strings are unchanged.

    Raises:
        InputError: the file is missing, damaged, or names anything but NumPy arrays.
    """
    try:
        with Path(path).open("rb") as file:
            return finished(_ArrayUnpickler(file, encoding="latin1").load())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except Refused as error:
        raise InputError(f"{path}: {error}; only pickles of NumPy arrays are read") from None
    except Exception as error:  # a damaged pickle raises almost anything
        raise InputError(f"{path}: damaged pickle ({error}); download it again") from None


def finished(value: Any) -> Any:
    """Replaces the stand-ins in nested containers with the arrays that they describe."""
    if isinstance(value, dict):
        return {finished(key): finished(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(finished(item) for item in value)
    return value.finish() if isinstance(value, PendingArray) else value


class _PendingDtype:
    """A pickle's description of a dtype, until the array that uses it is built."""

    def __init__(self, code: str):
        self.code = code
        self.byte_order = "="

    def __setstate__(self, state: tuple) -> None:
        self.byte_order = state[1]

    def finish(self) -> np.dtype:
        dtype = np.dtype(self.code)
        if dtype.kind not in _PLAIN_KINDS:
            raise Refused(f"contains an array of type {dtype}")
        if self.byte_order == ">":
            return dtype.newbyteorder(">")
        return dtype.newbyteorder("<" if self.byte_order == "<" else "=")


class PendingArray:
    """A pickle's description of an array, until it is built."""

    def __setstate__(self, state: tuple) -> None:
        _, self.shape, self.dtype, self.fortran_order, self.data = state

    def finish(self) -> np.ndarray:
        """Builds the array; NumPy checks its bytes against its shape."""
        if not isinstance(self.dtype, _PendingDtype) or not isinstance(self.data, (bytes, str)):
            raise Refused("contains something other than arrays of numbers")
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data
        flat = np.frombuffer(data, self.dtype.finish())
        array = flat.reshape(self.shape, order="F" if self.fortran_order else "C")
        return array.astype(array.dtype.newbyteorder("="))


def _array(subtype: Any, shape: Any, code: Any) -> PendingArray:
    del subtype, shape, code  # the state that follows holds the shape and the dtype
    return PendingArray()


def _dtype(code: Any, align: Any = False, copy: Any = True) -> _PendingDtype:
    del align, copy
    if not isinstance(code, str):
        raise Refused("contains an array of an unusual type")
    return _PendingDtype(code)


def _encoded(text: Any, encoding: Any) -> bytes:
    """Decodes bytes as protocol 2 writes them."""
    if not isinstance(text, str) or encoding != "latin1":
        raise Refused("calls _codecs.encode in an unusual way")
    return text.encode("latin1")


def _empty_bytes() -> bytes:
    """Decodes empty bytes as protocol 2 writes them."""
    return b""


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("numpy", "ndarray"): lambda *_: None,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encoded,
    ("__builtin__", "bytes"): _empty_bytes,
    ("collections", "OrderedDict"): collections.OrderedDict,
}


def stand_in(module: str, name: str) -> Callable[..., Any]:
    """Returns the stand-in for `module.name` in a pickle of arrays.

    Every call returns a new wrapper, so that attributes which a pickle sets on a callable do not
    outlive the pickle.

    Raises:
        Refused: a pickle of arrays does not need that name.
    """
    known = _STAND_INS.get((module, name))
    if known is None:
        raise Refused(f"the pickle refers to {module}.{name}")
    return lambda *arguments: known(*arguments)


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        return stand_in(module, name)
