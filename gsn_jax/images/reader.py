"""The interface of modules that read formats which neither Pillow nor tifffile reads."""

from __future__ import annotations

import contextlib
import importlib.util
import tempfile
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from gsn_jax.errors import InputError
from gsn_jax.images.raster import Raster


@runtime_checkable
class Reader(Protocol):
    """A module for one format."""

    def accepts(self, data: bytes) -> bool:
        """Whether these are the first bytes of such a file."""
        ...

    def read_header(self, data: bytes, where: str) -> Any:
        """The header of a file; `data` may be just its beginning.

        It has the `width` and `height` of the upright image; `where` names the file in errors.

        Raises:
            InputError: the content of the file is not supported.
            ValueError: the file is damaged.
        """
        ...

    def decode(self, data: bytes, header: Any, where: str) -> Raster:
        """The image of a whole file with a header from `read_header`; raises the same errors."""
        ...


def check_extra(module: str, what: str) -> None:
    """Checks that a module of the extra `formats` is installed; `what` names what needs it.

    Raises:
        InputError: it is missing.
    """
    if importlib.util.find_spec(module) is None:
        raise InputError(f"{what} needs the extra `formats`; run: pip install 'gsn_jax[formats]'")


@contextlib.contextmanager
def open_image_io(data: bytes, suffix: str) -> Iterator[Any]:
    """Opens a file's bytes with OpenImageIO, as an `ImageInput`.

    Raises:
        ValueError: the file cannot be opened, or the block raises one. The message does not name
            the temporary file.
    """
    import OpenImageIO

    with tempfile.NamedTemporaryFile(suffix=suffix) as file:  # OpenImageIO reads only from paths
        file.write(data)
        file.flush()
        try:
            image = OpenImageIO.ImageInput.open(file.name)
            if image is None:
                raise ValueError(OpenImageIO.geterror().strip())
            with contextlib.closing(image):
                yield image
        except ValueError as error:
            raise ValueError(str(error).replace(file.name, "file")) from None
