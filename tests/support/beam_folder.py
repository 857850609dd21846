"""A file system for Beam that behaves like a remote one and is a local folder."""

import glob
import os

from apache_beam.io.filesystem import FileMetadata, MatchResult
from apache_beam.io.localfilesystem import LocalFileSystem


class FolderFileSystem(LocalFileSystem):
    """Stores `gsntest://name` as the file `name` in `folder`."""

    folder = None

    @classmethod
    def scheme(cls):
        return "gsntest"

    def _local(self, path):
        return str(self.folder / path.removeprefix("gsntest://"))

    def _path_open(self, path, *arguments, **options):
        return super()._path_open(self._local(path), *arguments, **options)

    def create(self, path, *arguments, **options):
        return super().create(self._local(path), *arguments, **options)

    def exists(self, path):
        return super().exists(self._local(path))

    def match(self, patterns, limits=None):
        found = [glob.glob(self._local(pattern), recursive=True) for pattern in patterns]
        names = [
            [name.replace(f"{self.folder}/", "gsntest://") for name in some if os.path.isfile(name)]
            for some in found
        ]
        return [
            MatchResult(pattern, [FileMetadata(name, 1) for name in some])
            for pattern, some in zip(patterns, names, strict=True)
        ]

    def delete(self, paths):
        for path in paths:
            os.remove(self._local(path))
