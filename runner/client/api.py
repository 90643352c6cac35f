"""What a ComfyUI host answers at once over HTTP: what it is, what it has, and what it does with files and its queue."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, TypeVar
from urllib.parse import quote

from . import answers
from .errors import (
    AddressError,
    ConnectionLostError,
    HostError,
    JobTimeoutError,
    NotComfyUIError,
    NothingThereError,
    TooLargeError,
)
from .http import Address, Answer, Transport
from .wire import WeightError

PACK_NODE = "PortraitFaceCrop"
# What Python's threading.excepthook writes of the thread that ComfyUI's main.py starts. The host keeps the last 300
# writes, and a traceback's underlines are a write a sign: of the known death (trap 6) often only the end is left.
_WORKER_DEATH = re.compile(
    r"Exception in thread \S+ \(prompt_worker\)|in get_ordered_ancestry_internal\n(?: [^\n]*\n)+KeyError: 'inputs'"
)

T = TypeVar("T")


@dataclass(frozen=True)
class HostInfo:
    """What is at an address. Memory in bytes.

    `pack` says whether this pack's nodes are loaded there, `pack_version` which they are; empty when that is not told.
    """

    url: str
    version: str
    python: str
    torch: str
    device: str
    vram_total: int
    vram_free: int
    running: int
    pending: int
    pack: bool
    pack_version: str = ""


class HostApi:
    """The HTTP API of the host at `url`, a method a question; `timeout` in seconds bounds one request."""

    def __init__(self, url: str, timeout: float) -> None:
        self.address = Address.parse(url)
        self.transport = Transport(self.address, timeout)
        self._object_info: dict[str, Any] | None = None
        self._frontend: str | None = None

    def about(self) -> HostInfo:
        """Ask what is there; raises NothingThereError or NotComfyUIError."""
        try:
            stats = self.stats()
            running, pending = self.queue()
            pack = self._read(self.transport.get(f"/object_info/{PACK_NODE}"), answers.nodes)
        except ConnectionLostError as error:
            raise NothingThereError(f"{error}: it may be busy starting, or it is not ComfyUI") from error
        return HostInfo(
            url=self.address.url,
            version=stats.version,
            python=stats.python,
            torch=stats.torch,
            device=stats.device,
            vram_total=stats.vram_total,
            vram_free=stats.vram_free,
            running=len(running),
            pending=len(pending),
            pack=PACK_NODE in pack,
            pack_version=self._pack_version(pack.get(PACK_NODE, {})),
        )

    def _pack_version(self, node: dict[str, Any]) -> str:
        """Return what the pack's own web files say, under the name of the folder that the pack lies in."""
        folder = str(node.get("python_module", "")).rpartition(".")[2]
        answer = self.transport.get(f"/extensions/{quote(folder, safe='')}/version.json") if folder else None
        if answer is None or answer.status != 200:
            return ""
        try:
            return answers.pack_version(answer.json())
        except ValueError:
            return ""

    def stats(self) -> answers.Stats:
        """Return what the host says of itself and its machine."""
        return self._read(self.transport.get("/system_stats"), answers.stats)

    def object_info(self) -> dict[str, Any]:
        """Return every node the host knows, as /object_info gives it; asked once per client."""
        if self._object_info is None:
            self._object_info = self._read(self.transport.get("/object_info"), answers.nodes)
        return self._object_info

    def frontend(self) -> str:
        """Return the version of the frontend that the host asks for, empty when it does not say; asked once."""
        if self._frontend is None:
            self._frontend = self.stats().frontend
        return self._frontend

    def models(self, folder: str) -> list[str]:
        """Return the file names in one of the host's model folders; empty when it has no such folder."""
        answer = self.transport.get(f"/models/{quote(folder, safe='')}")
        return [] if answer.status == 404 else self._read(answer, answers.names)

    def folders(self) -> dict[str, list[str]]:
        """Return the host's model folders by name, as paths of its machine; empty when it does not tell."""
        answer = self.transport.get("/internal/folder_paths")
        return self._read(answer, answers.folders) if answer.status == 200 else {}

    def log(self) -> str:
        """Return the end of the host's log; empty when it does not show one."""
        answer = self.transport.get("/internal/logs/raw")
        return self._read(answer, answers.log) if answer.status == 200 else ""

    def page(self, path: str) -> bytes:
        """Return what the host has at a path of its web pages, whatever the status."""
        return self.transport.get(path).body

    def queue(self) -> tuple[list[str], list[str]]:
        """Return the prompt ids that run and those that wait, the next one first.

        The host sends every waiting prompt whole: with very many, TooLargeError is raised.
        """
        return self._read(self.transport.get("/queue"), answers.queue)

    def history(self, prompt_id: str) -> answers.HistoryEntry | None:
        """Return the host's history entry of a prompt, or None while there is none."""
        answer = self.transport.get(f"/history/{quote(prompt_id, safe='')}")
        return self._read(answer, lambda data: answers.history(data, prompt_id))

    def knows(self, prompt_id: str) -> bool:
        """Whether the prompt waits, runs or has run; asked in an order in which it cannot slip through."""
        try:
            running, pending = self.queue()
        except TooLargeError:
            running, pending = [], []
        return prompt_id in running or prompt_id in pending or self.history(prompt_id) is not None

    def worker_died(self) -> bool:
        """Whether the host's log says that the thread which runs prompts has ended; a host without a log says no."""
        try:
            return _WORKER_DEATH.search(self.log()) is not None
        except NotComfyUIError:
            return False

    def view(self, filename: str, sink: IO[bytes], subfolder: str = "", kind: str = "output") -> Answer:
        """Fetch a file of the host into `sink`, as it is on the host's disk.

        The status says what happened (404: gone, 400: a name it never gives); only with 200 has anything been written.
        """
        return self.transport.fetch("/view", sink, filename=filename, subfolder=subfolder, type=kind)

    def upload(self, name: str, data: bytes, subfolder: str = "") -> str:
        """Put a picture into the host's input folder and return what the host calls it.

        Nothing is ever overwritten, since a job in the queue may be about to read it: the host keeps an equal file, and
        gives another name to one that differs.
        """
        sent = {"type": "input", "subfolder": subfolder}
        answer = self.transport.post_file("/upload/image", name, data, sent)
        if answer.status == 413:
            raise HostError(
                f"The host at {self.address.url} takes no picture of {len(data) / 1e6:.0f} MB: make it smaller, or "
                "start ComfyUI with a larger --max-upload-size"
            )
        return self._read(answer, answers.uploaded)

    def put(self, name: str, data: bytes, subfolder: str) -> None:
        """Put a file into a sub-folder of the host's temporary folder, in the place of what has that name there.

        ComfyUI's upload takes any file, whatever its ending, up to its --max-upload-size (100 MB).
        """
        sent = {"type": "temp", "subfolder": subfolder, "overwrite": "true"}
        answer = self.transport.post_file("/upload/image", name, data, sent)
        if answer.status == 413:
            raise HostError(
                f"The host at {self.address.url} takes no upload of {len(data) / 1e6:.0f} MB: start ComfyUI with a "
                "larger --max-upload-size"
            )
        self._read(answer, answers.uploaded)

    def withdraw(self, prompt_id: str) -> bool:
        """Take a prompt out of the queue unless it has begun; return whether it neither waits nor runs nor has run."""
        self.transport.post("/queue", {"delete": [prompt_id]})
        return not self.knows(prompt_id)

    def free(self) -> None:
        """Make the host unload its models and forget what it has cached, once its prompt is through."""
        answer = self.transport.post("/free", {"unload_models": True, "free_memory": True})
        if answer.status != 200:
            raise ConnectionLostError(f"The host at {self.address.url} answers /free with error {answer.status}")

    def erase(self, prompts: Sequence[str]) -> None:
        """Make the host forget that prompts have run: their graphs, and the names of what they made."""
        answer = self.transport.post("/history", {"delete": list(prompts)})
        if answer.status != 200:
            raise ConnectionLostError(f"The host at {self.address.url} answers /history with error {answer.status}")

    def ask_anew(self) -> None:
        """Ask again for what was asked once: the host may be another one by now."""
        self._object_info = None

    @property
    def end(self) -> float:
        """The `time.monotonic()` that no request outlasts; see `within`."""
        return self.transport.end

    @contextlib.contextmanager
    def within(self, seconds: float, what: str = "The job") -> Iterator[None]:
        """Let no request inside outlast `seconds` from now (0: no limit). Raises JobTimeoutError when time is up."""
        former = self.transport.end
        if seconds:
            self._end(min(former, time.monotonic() + seconds))
        try:
            yield
        except (AddressError, HostError) as error:
            if time.monotonic() < self.transport.end:
                raise
            raise JobTimeoutError(f"{what} was not done after {seconds:g} s: {error}") from error
        finally:
            self._end(former)

    @contextlib.contextmanager
    def granted(self, seconds: float) -> Iterator[None]:
        """Let requests be made for `seconds` from now and no longer, though their time may be up: to cancel a job."""
        former = self.transport.end
        self._end(time.monotonic() + seconds)
        try:
            yield
        finally:
            self._end(former)

    def _end(self, end: float) -> None:
        self.transport.end = end

    def _read(self, answer: Answer, reader: Callable[[Any], T], expected: int = 200) -> T:
        """Return what an answer means. Raises ConnectionLostError, NotComfyUIError, TooLargeError."""
        url = self.address.url
        if answer.status >= 500:
            raise ConnectionLostError(f"The host at {url} answers with error {answer.status}")
        try:
            if answer.status == expected:
                return reader(answer.json())
        except WeightError as error:
            raise TooLargeError(f"The host at {url} answers with more than ComfyUI ever sends") from error
        except ValueError:
            pass
        raise NotComfyUIError(f"What answers at {url} is not ComfyUI: check the address and the port")
