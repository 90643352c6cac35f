"""Downloads onto a disk that is really small: a file system in memory, which a process of its own mounts for itself.

That needs Linux and the right to mount; where it is missing, these are left out, which the table says.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil

from portrait_studio.runner.assets.download import Download

from .downloads import BODY, NAME, SHA, refused
from .file_server import FileServer

MIB = 1 << 20


def _available() -> bool:
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return (
        shutil.which("unshare") is not None and not subprocess.run(command, capture_output=True, check=False).returncode
    )


AVAILABLE = sys.platform == "linux" and _available()


class Endless:
    """Zeros without an end, as far as a server can tell."""

    def __len__(self) -> int:
        return 1 << 50

    def __getitem__(self, part: slice) -> bytes:
        return bytes(part.stop - part.start)


def made(name: str, folder: Path) -> float:
    """Make a case on a disk of its size; return its seconds. Raises AssertionError with what did not hold."""
    folder.mkdir(parents=True)
    mount = f"mount -t tmpfs -o size={SIZES[name]} none {str(folder)!r}"
    again = [sys.executable, "-m", __name__, name, str(folder)]
    root = Path(__file__).parents[2]
    line = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh", *again]
    told = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60, cwd=root)
    assert told.returncode == 0, told.stderr[-400:]
    return float(told.stdout)


def no_room_for_it(folder: Path) -> None:
    """The disk has less room than what a download leaves free."""
    with FileServer(BODY) as server:
        assert "There is no room" in refused(_wanted(server, folder))
        assert _left(folder) == set()


def no_length_and_no_end(folder: Path) -> None:
    """Nobody says how long the file is, and it never ends: the disk is not filled to its last byte."""
    with FileServer(Endless()) as server:
        server.length, server.tag, server.piece = False, "", MIB
        assert "There is no room" in refused(Download(server.url, folder / NAME, SHA))
        assert _left(folder) == set()


def somebody_else_fills_it(folder: Path) -> None:
    """Another program takes the last byte meanwhile; when it has gone, the download goes on where it was."""
    body = BODY * 20
    filler = folder / "filler"

    def fill(done: int, _total: int) -> None:
        if done > 5 * MIB and not filler.exists():
            with filler.open("wb") as file:
                file.write(bytes(psutil.disk_usage(str(folder)).free))

    with FileServer(body) as server:
        wanted = Download(server.url, folder / NAME, hashlib.sha256(body).hexdigest(), len(body))
        assert "There is no room" in refused(wanted, progress=fill)
        assert _left(folder) == {"filler", wanted.part.name, wanted.state.name}
        filler.unlink()
        server.asked = []
        assert refused(wanted) == ""
        assert (server.asked[0] or "").startswith("bytes="), "it began at the beginning"
        assert wanted.target.read_bytes() == body


def _wanted(server: FileServer, folder: Path) -> Download:
    return Download(server.url, folder / NAME, SHA, len(BODY))


def _left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


CASES = {call.__name__: call for call in (no_room_for_it, no_length_and_no_end, somebody_else_fills_it)}
SIZES = {"no_room_for_it": "100m", "no_length_and_no_end": "400m", "somebody_else_fills_it": "320m"}

if __name__ == "__main__":
    begin = time.monotonic()
    CASES[sys.argv[1]](Path(sys.argv[2]))
    sys.stdout.write(f"{time.monotonic() - begin}\n")
