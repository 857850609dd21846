"""The files of a data set as its authors publish them: in a folder, unpacked or as archives."""

from __future__ import annotations

import collections
import fnmatch
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType

from gsn_jax.errors import DISK_ERRORS, InputError, counted, listed

# (stage, number done, total)
Progress = Callable[[str, int, int], None]

_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_UNPACKABLE = (".zip", *_TAR)
_OTHER = (".rar", ".7z")


class Problems:
    """Collects everything that is missing or wrong, to report it in one error."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, problem: str) -> None:
        """Adds a problem, described by a few words that name the file or line."""
        self._found.append(problem)

    def __len__(self) -> int:
        return len(self._found)

    def raise_if_any(self, where: str) -> None:
        """Raises an error with the number of problems and the first ten of them.

        Raises:
            InputError: there are problems.
        """
        if self._found:
            problems = counted(len(self._found), "problem")
            raise InputError(f"{where}: {problems}: {listed(self._found)}")


class Inputs:
    """Finds files below a folder, ignoring case; unpacks archives first.

    An archive is unpacked into a temporary folder if its name matches one of the patterns and there
    is no folder of the same name beside it. The temporary folder is removed on exit.

    Args:
        folder: the folder with the data, or one archive.
        archives: lower-case patterns of archive names without their extension, e.g. `tid2013*`.
        scratch: where to create the temporary folder.
        progress: called while unpacking.

    Raises:
        InputError: there is no such folder, or an archive cannot be unpacked safely.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        archives: Sequence[str],
        scratch: str | os.PathLike[str],
        progress: Progress,
    ):
        self.folder = Path(folder)
        self._patterns = tuple(archives)
        if not self.folder.exists():
            raise InputError(f"{folder}: no such folder; give the folder with the downloaded data")
        self._temporary = tempfile.TemporaryDirectory(prefix="unpacked.", dir=scratch)
        try:
            for archive in self._archives(_UNPACKABLE):
                unpack(archive, self._temporary.name, progress)
            self._index = _index([self.folder, Path(self._temporary.name)])
        except BaseException:
            self._temporary.cleanup()
            raise

    def __enter__(self) -> Inputs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._temporary.cleanup()

    def find(self, name: str) -> Path | None:
        """The file whose path ends with `name` (`refimgs/bikes.bmp`), or None."""
        parts = PurePosixPath(name.lower()).parts
        for path, lower in self._index.get(parts[-1], ()):
            if lower[-len(parts) :] == parts:
                return path
        return None

    def glob(self, pattern: str) -> list[Path]:
        """The files matching `FOLDER/PATTERN` (lower case) at any depth, sorted by name."""
        folder, name = pattern.split("/")
        found: dict[str, Path] = {}
        for entries in self._index.values():
            for path, lower in entries:
                if lower[-2:-1] == (folder,) and fnmatch.fnmatch(lower[-1], name):
                    found.setdefault(lower[-1], path)
        return [found[key] for key in sorted(found)]

    def require(self, name: str, instructions: str) -> Path:
        """Like `find`, but the file must exist.

        Raises:
            InputError: there is no such file; the message ends with `instructions`.
        """
        path = self.find(name)
        if path is None:
            packed = [archive.name for archive in self._archives(_OTHER)]
            hint = f"unpack {', '.join(packed)} first (e.g. with 7z x)" if packed else instructions
            raise InputError(f"{self.folder}: no {name} below this folder; {hint}")
        return path

    def _archives(self, endings: Sequence[str]) -> list[Path]:
        """Archives to unpack, sorted by name."""
        if self.folder.is_file():
            files = [self.folder]
        else:
            files = sorted(path for path in self.folder.iterdir() if path.is_file())
        return [
            path
            for path in files
            if (stem := _stem(path, endings)) is not None
            and (
                path == self.folder
                or any(fnmatch.fnmatch(stem.lower(), pattern) for pattern in self._patterns)
            )
            and not (path.parent / stem).is_dir()
        ]


def _stem(path: Path, endings: Sequence[str]) -> str | None:
    """The name of an archive without its extension; None for other files."""
    for ending in sorted(endings, key=len, reverse=True):
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)]
    return None


def _index(folders: Sequence[Path]) -> dict[str, list[tuple[Path, tuple[str, ...]]]]:
    """Maps lower-case file names to paths, each with its lower-case parts from the folder on."""
    index = collections.defaultdict(list)
    for folder in folders:
        if not folder.is_dir():
            continue
        for parent, names, files in os.walk(folder):
            names[:] = sorted(name for name in names if name != "__MACOSX")
            for file in sorted(files):
                if file.startswith("._"):
                    continue  # added to archives by macOS
                path = Path(parent, file)
                lower = tuple(
                    part.lower() for part in (folder.name, *path.relative_to(folder).parts)
                )
                index[file.lower()].append((path, lower))
    return index


def read_lines(table: Path) -> list[str]:
    """The lines of a text file with labels.

    Raises:
        InputError: it cannot be read, or is not UTF-8 text.
    """
    try:
        return table.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{table}: not UTF-8 text; download it again") from None
    except OSError as error:
        raise InputError(f"{table}: cannot be read ({error.strerror})") from None


def unpack(archive: Path, folder: str | os.PathLike[str], progress: Progress) -> None:
    """Unpacks a zip or tar archive; never writes outside `folder`.

    Raises:
        InputError: the archive is damaged or encrypted, or a member leads out of the folder.
    """
    try:
        if archive.name.lower().endswith(".zip"):
            _unpack_zip(archive, Path(folder), progress)
        else:
            _unpack_tar(archive, Path(folder), progress)
    except InputError:
        raise
    except tarfile.FilterError as error:
        raise InputError(f"{archive}: unsafe to unpack ({error}); get a clean copy") from None
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise
        raise _damaged(archive, error) from None
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or an unknown compression
        raise InputError(f"{archive}: cannot be unpacked ({error}); unpack it yourself") from None
    except Exception as error:  # the decoders raise all kinds of errors on damage
        raise _damaged(archive, error) from None


def _damaged(archive: Path, error: Exception) -> InputError:
    reason = str(error) or type(error).__name__
    return InputError(f"{archive}: damaged archive ({reason}); download it again")


def _unpack_zip(archive: Path, folder: Path, progress: Progress) -> None:
    with zipfile.ZipFile(archive) as file:
        members = file.infolist()
        for done, member in enumerate(members):
            progress(f"unpacking {archive.name}", done, len(members))
            name = PurePosixPath(member.filename.replace("\\", "/"))
            if name.is_absolute() or ".." in name.parts or ":" in "".join(name.parts[:1]):
                raise InputError(
                    f"{archive}: unsafe to unpack (member {member.filename} would be written "
                    "outside the folder); get a clean copy"
                )
            file.extract(member, folder)


def _unpack_tar(archive: Path, folder: Path, progress: Progress) -> None:
    size = max(1, archive.stat().st_size)
    with open(archive, "rb") as raw, tarfile.open(fileobj=raw, mode="r:*") as file:
        for member in file:
            progress(f"unpacking {archive.name}", min(raw.tell(), size), size)
            file.extract(member, folder, filter="data")
