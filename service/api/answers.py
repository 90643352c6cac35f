"""Answers that are files."""

from __future__ import annotations

from functools import partial
from typing import IO

from fastapi.responses import StreamingResponse


class ZipFile(StreamingResponse):
    """A zip, open at its beginning, as it is read; browsers save it under `name`."""

    media_type = "application/zip"

    def __init__(self, packed: IO[bytes], name: str = "", status_code: int = 200) -> None:
        self.packed = packed
        named = {"content-disposition": f'attachment; filename="{name}"'}
        super().__init__(iter(partial(packed.read, 65_536), b""), status_code, named)
