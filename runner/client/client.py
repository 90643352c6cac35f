"""A client of one ComfyUI host: what it is, what it has, and prompts from submission to their end.

/history is the truth, the websocket only says when to look. One client serves one thread; any number of prompts may be
under way through it at a time.
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass
from typing import Any

from . import events
from .errors import AddressError, ConnectionLostError, HostError, NotComfyUIError, NothingThereError, RefusedError
from .host import LocalHost
from .http import Address, Answer, Transport
from .progress import JobProgress
from .refusal import describe
from .wait import Follow, Outcome
from .websocket import Message, Stream

PACK_NODE = "PortraitFaceCrop"
# What Python's threading.excepthook writes of the thread that ComfyUI's main.py starts. The host keeps the last 300
# writes, and a traceback's underlines are a write a sign: of the known death (trap 6) often only the end is left.
_WORKER_DEATH = re.compile(
    r"Exception in thread \S+ \(prompt_worker\)|in get_ordered_ancestry_internal\n(?: [^\n]*\n)+KeyError: 'inputs'"
)


@dataclass(frozen=True)
class HostInfo:
    """What is at an address. Memory in bytes; `pack` says whether this pack's nodes are loaded there."""

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


class Client:
    """Talks to the host at `url`; a context manager that closes its connections.

    All times in seconds: `timeout` bounds one request; `patience` is how long a host may be away in mid-job before the
    job is given up; `start_grace` is how long a worker may take from "start" to "these nodes are cached", between which
    it does next to nothing; `stall` is how long a running job may be silent (0: for ever); `lost_grace` is how long a
    job may be in neither queue nor history. `local` is the
    host process when it is ours: its death needs no patience.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8188",
        *,
        timeout: float = 30.0,
        patience: float = 60.0,
        start_grace: float = 60.0,
        stall: float = 1800.0,
        lost_grace: float = 3.0,
        silence: float = 30.0,
        local: LocalHost | None = None,
    ) -> None:
        self.address = Address.parse(url)
        self.client_id = uuid.uuid4().hex  # never shared: the host gives messages to the newest socket of an id alone
        self.patience = patience
        self.start_grace = start_grace
        self.stall = stall
        self.lost_grace = lost_grace
        self.silence = silence
        self.local = local
        self.transport = Transport(self.address, timeout)
        self.stream = Stream(self.address, self.client_id)
        self._progress: dict[str, JobProgress] = {}
        self._object_info: dict[str, Any] | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; prompts under way go on at the host."""
        self.stream.close()
        self.transport.close()

    def about(self) -> HostInfo:
        """Ask what is there; raises NothingThereError or NotComfyUIError."""
        try:
            stats = self._json(self.transport.get("/system_stats"))
            system, device = stats["system"], stats["devices"][0]
            waiting = self.queue()
            return HostInfo(
                url=self.address.url,
                version=str(system["comfyui_version"]),
                python=str(system.get("python_version", "")).split(" ")[0],
                torch=str(system.get("pytorch_version", "")),
                device=str(device["name"]),
                vram_total=int(device.get("vram_total") or 0),
                vram_free=int(device.get("vram_free") or 0),
                running=len(waiting[0]),
                pending=len(waiting[1]),
                pack=bool(self._json(self.transport.get(f"/object_info/{PACK_NODE}"))),
            )
        except ConnectionLostError as error:
            raise NothingThereError(f"{error}: it may be busy starting, or it is not ComfyUI") from error
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise self._stranger() from error

    def object_info(self) -> dict[str, Any]:
        """Return every node the host knows, as /object_info gives it; asked once per client."""
        if self._object_info is None:
            answer = self._json(self.transport.get("/object_info"))
            if not isinstance(answer, dict):
                raise self._stranger()
            self._object_info = answer
        return self._object_info

    def models(self, folder: str) -> list[str]:
        """Return the file names in one of the host's model folders; empty when it has no such folder."""
        answer = self.transport.get(f"/models/{folder}")
        return [] if answer.status == 404 else self._json(answer)

    def queue(self) -> tuple[list[str], list[str]]:
        """Return the prompt ids that run and those that wait, the next one first."""
        answer = self._json(self.transport.get("/queue"))
        try:
            running = [item[1] for item in answer["queue_running"]]
            return running, [item[1] for item in sorted(answer["queue_pending"], key=lambda item: item[0])]
        except (KeyError, IndexError, TypeError) as error:
            raise self._stranger() from error

    def history(self, prompt_id: str) -> dict[str, Any] | None:
        """Return the host's history entry of a prompt, or None while there is none."""
        answer = self._json(self.transport.get(f"/history/{prompt_id}"))
        if not isinstance(answer, dict):
            raise self._stranger()
        return answer.get(prompt_id)

    def knows(self, prompt_id: str) -> bool:
        """Whether the prompt waits, runs or has run; asked in an order in which it cannot slip through."""
        running, pending = self.queue()
        return prompt_id in running or prompt_id in pending or self.history(prompt_id) is not None

    def worker_died(self) -> bool:
        """Whether the host's log tells that the thread which runs prompts has ended; a host without a log says no."""
        try:
            entries = self.transport.get("/internal/logs/raw").json()["entries"]
            return _WORKER_DEATH.search("".join(str(entry["m"]) for entry in entries)) is not None
        except (ValueError, KeyError, TypeError):
            return False

    def view(self, filename: str, subfolder: str = "", kind: str = "output") -> Answer:
        """Fetch a file of the host as it is on its disk; the status tells (404: gone, 400: a name it never gives)."""
        return self.transport.get("/view", filename=filename, subfolder=subfolder, type=kind)

    def upload(self, name: str, data: bytes, subfolder: str = "") -> str:
        """Put a picture into the host's input folder and return what the host calls it.

        Nothing is ever overwritten, since a job in the queue may be about to read it: the host keeps an equal file, and
        gives another name to one that differs.
        """
        answer = self._json(
            self.transport.post_file("/upload/image", name, data, {"type": "input", "subfolder": subfolder})
        )
        return f"{answer['subfolder']}/{answer['name']}" if answer["subfolder"] else answer["name"]

    def submit(
        self,
        prompt: dict[str, Any],
        prompt_id: str = "",
        *,
        workflow: dict[str, Any] | None = None,
        find: bool = False,
        listener: events.Listener = lambda event: None,
    ) -> str:
        """Queue a prompt in API format and return its id.

        `workflow` is the UI graph for the host to embed in the images. With `find`, a prompt of this id that the host
        already has is taken over instead of queued again. The listener gets `Submitting`, with the id, BEFORE anything
        is sent. Raises RefusedError when the host takes none or only a part of it; then nothing of it stays queued.
        """
        prompt_id = prompt_id or str(uuid.uuid4())
        titles = {
            node: (str(body.get("_meta", {}).get("title", "")), str(body.get("class_type", "")))
            for node, body in prompt.items()
        }
        self._progress[prompt_id] = JobProgress(prompt_id, titles, listener)
        if find and self.knows(prompt_id):
            listener(events.Accepted(prompt_id=prompt_id, found=True))
            return prompt_id
        self.stream.open()
        listener(events.Submitting(prompt_id=prompt_id))
        try:
            self._post_prompt(prompt, prompt_id, workflow)
        except BaseException:
            self._progress.pop(prompt_id, None)
            raise
        listener(events.Accepted(prompt_id=prompt_id))
        return prompt_id

    def _post_prompt(self, prompt: dict[str, Any], prompt_id: str, workflow: dict[str, Any] | None) -> None:
        body = {
            "prompt": prompt,
            "prompt_id": prompt_id,
            "client_id": self.client_id,  # without it, cached outputs are missing from /history
            "extra_data": {"extra_pnginfo": {"workflow": workflow}} if workflow else {},
        }
        answer = self._post_once(body)
        if answer is None:
            return
        if answer.status == 400:
            refused = self._json(answer, (400,))
            raise RefusedError(describe(refused, prompt), refused.get("node_errors"))
        accepted = self._json(answer)
        if accepted.get("prompt_id") != prompt_id:
            raise HostError(
                f"The host at {self.address.url} does not keep prompt ids: update ComfyUI to 0.3.75 or later"
            )
        if accepted.get("node_errors"):
            self.cancel(prompt_id)
            raise RefusedError(describe(accepted, prompt), accepted["node_errors"])

    def _post_once(self, body: dict[str, Any], attempts: int = 3) -> Answer | None:
        """Post a prompt so that the host has it once; None when it arrived and the answer did not."""
        while True:
            attempts -= 1
            try:
                return self.transport.post("/prompt", body)
            except ConnectionLostError:
                # The host may have it all the same: a second posting would run it twice under one id.
                if self._arrived(body["prompt_id"]):
                    return None
                if not attempts:
                    raise

    def _arrived(self, prompt_id: str, patience: float = 2.0) -> bool:
        end = time.monotonic() + patience
        while True:
            try:
                if self.knows(prompt_id):
                    return True
            except (AddressError, HostError):
                pass
            if time.monotonic() > end:
                return False
            time.sleep(0.2)

    def cancel(self, prompt_id: str, patience: float = 10.0) -> bool:
        """Take a prompt out of the queue or interrupt it, and no other; return whether it is gone from the queue."""
        end = time.monotonic() + patience
        while True:
            self.transport.post("/queue", {"delete": [prompt_id]})
            running, pending = self.queue()
            if prompt_id in running:
                self.transport.post("/interrupt", {"prompt_id": prompt_id})
            elif prompt_id not in pending:
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.1)

    def follow(self, prompt_id: str, timeout: float = 0.0) -> Outcome:
        """Wait until a submitted prompt has ended, telling its listener what happens, and return how it ended.

        `timeout` in seconds (0: none). Raises JobTimeoutError (the prompt is then cancelled), LostError, StalledError,
        or HostError when the host stays away.
        """
        progress = self._progress[prompt_id]
        try:
            return Follow(self, progress, timeout).wait()
        finally:
            self._progress.pop(prompt_id, None)

    def listen(self, timeout: float) -> Message | None:
        """Take one message from the websocket, give it to the prompt it belongs to, and return it."""
        message = self.stream.receive(timeout)
        if message is None:
            return None
        prompt_id = message.data.get("prompt_id")
        if prompt_id in self._progress:  # prompts posted without a client id are told to every socket
            self._progress[prompt_id].handle(message)
        elif prompt_id is None and message.type in ("executing", "preview"):
            # After a reconnect the host sends `executing` again, without its id, to the client whose prompt runs.
            running = [
                progress for progress in self._progress.values() if progress.started is not None and not progress.ended
            ]
            if len(running) == 1 and message.data.get("node", "") is not None:
                running[0].recall(message)
        return message

    def _json(self, answer: Answer, expected: tuple[int, ...] = (200,)) -> Any:
        if answer.status >= 500:
            raise ConnectionLostError(f"The host at {self.address.url} answers with error {answer.status}")
        try:
            if answer.status in expected:
                return answer.json()
        except ValueError:
            pass
        raise self._stranger()

    def _stranger(self) -> NotComfyUIError:
        return NotComfyUIError(f"What answers at {self.address.url} is not ComfyUI: check the address and the port")
