"""Silences the warnings of decoders; real problems are raised as `InputError`."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_LOGGERS = ("PIL", "tifffile", "imagecodecs")

_lock = threading.Lock()
_readers = 0
_settings = ExitStack()


@contextmanager
def silenced() -> Iterator[None]:
    """Silences the warnings and the log records of decoders.

    Warning filters are global to the process. If several threads read images, the first to begin
    therefore sets the filter, and the last to end restores the previous state.
    """
    global _readers
    with _lock:
        _readers += 1
        if _readers == 1:
            _silence()
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                _settings.close()


def _silence() -> None:
    _settings.enter_context(warnings.catch_warnings())
    warnings.filterwarnings("ignore")
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.addFilter(_drop)
        _settings.callback(logger.removeFilter, _drop)


def _drop(record: logging.LogRecord) -> bool:
    return False
