"""Files of the studio through fsspec: a folder by default, an object store by URL. Their names say nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import fsspec

from ...portrait.errors import PortraitError
from .rows import new_id

_NAME = re.compile(r"[a-z]{1,16}/[0-9a-f]{32}")


class BlobError(PortraitError):
    """The place of the files does not answer, is full, or has lost one."""

    key = "blob"


class Blobs:
    """Files by name, `kind/32 hex digits`; whole or not at all."""

    def __init__(self, url: str) -> None:
        self.system, self.root = fsspec.core.url_to_fs(url)
        self.root = self.root.rstrip("/")

    def put(self, kind: str, data: bytes) -> str:
        """Keep some bytes; return the name that they are found by. Raises BlobError."""
        name = f"{kind}/{new_id()}"
        path = self._path(name)
        try:
            self.system.makedirs(path.rpartition("/")[0], exist_ok=True)
            # An object store writes whole or not; on a disk a name appears only when the bytes are there.
            if "file" in self.system.protocol:
                self.system.pipe_file(f"{path}.part", data)
                self.system.mv(f"{path}.part", path)
            else:
                self.system.pipe_file(path, data)
        except OSError as error:
            raise BlobError(f"A file could not be kept ({error.strerror or type(error).__name__}).") from error
        return name

    def get(self, name: str) -> bytes:
        """Return the bytes of a name. Raises BlobError when they are gone or the place is away."""
        try:
            return self.system.cat_file(self._path(name))
        except OSError as error:
            raise BlobError(f"A file cannot be read ({error.strerror or type(error).__name__}).") from error

    def delete(self, name: str) -> None:
        """Remove a file; one that is gone already is not an error. Raises BlobError."""
        try:
            self.system.rm_file(self._path(name))
        except FileNotFoundError:
            return
        except OSError as error:
            raise BlobError(f"A file could not be removed ({error.strerror or type(error).__name__}).") from error

    def names(self) -> Iterator[str]:
        """Yield the names of all files, unfinished ones too, which are nobody's."""
        self.system.invalidate_cache()
        for path in self.system.find(self.root):
            yield path[len(self.root) :].lstrip("/")

    def sweep(self, name: str) -> None:
        """Remove a file that `names` gave and no row names."""
        self.system.rm_file(f"{self.root}/{name}")

    def _path(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise BlobError("A file has a name that none of ours has.")
        return f"{self.root}/{name}"
