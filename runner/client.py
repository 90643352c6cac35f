"""A client of one ComfyUI host: what it is, what it has, and prompts from submission to their end.

/history is the truth, the websocket only says when to look. One client serves one thread; any number of prompts may be
under way through it at a time.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import events
from .errors import (
    AddressError,
    ConnectionLostError,
    HostError,
    JobTimeoutError,
    LostError,
    NotComfyUIError,
    NothingThereError,
    RefusedError,
    StalledError,
)
from .host import LocalHost, tail
from .refusal import describe
from .stream import Message, Stream
from .transport import Address, Answer, Transport
from .watch import Watch

PACK_NODE = "PortraitFaceCrop"


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


@dataclass(frozen=True)
class Outcome:
    """How a prompt ended, as /history tells it.

    `state` is "success", "error" or "interrupted"; `outputs` maps a node id to what the node showed; `cached` are the
    nodes that did not run because an earlier prompt had done their work; `seconds` is the time in each node that was
    seen over the websocket (it may be empty); `failure` is the host's `execution_error` message; `notes` are messages
    of nodes that blocked what follows them, without failing.
    """

    prompt_id: str
    state: str
    outputs: dict[str, dict[str, Any]]
    cached: frozenset[str]
    seconds: dict[str, float]
    failure: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


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
        self._watches: dict[str, Watch] = {}
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
        listener: Callable[[events.Event], None] = lambda event: None,
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
        self._watches[prompt_id] = Watch(prompt_id, titles, listener)
        if find and self.knows(prompt_id):
            listener(events.Accepted(prompt_id=prompt_id, found=True))
            return prompt_id
        self.stream.open()
        listener(events.Submitting(prompt_id=prompt_id))
        try:
            self._post_prompt(prompt, prompt_id, workflow)
        except BaseException:
            self._watches.pop(prompt_id, None)
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
        for last in (False, False, True):
            try:
                answer = self.transport.post("/prompt", body)
                break
            except ConnectionLostError:
                # The host may have it all the same: a second posting would run it twice under one id.
                if self._arrived(prompt_id):
                    return
                if last:
                    raise
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
        watch = self._watches[prompt_id]
        try:
            return _Follow(self, watch, timeout).wait()
        finally:
            self._watches.pop(prompt_id, None)

    def listen(self, timeout: float) -> Message | None:
        """Take one message from the websocket, give it to the prompt it belongs to, and return it."""
        message = self.stream.receive(timeout)
        if message is None:
            return None
        prompt_id = message.data.get("prompt_id")
        if prompt_id in self._watches:  # prompts posted without a client id are told to every socket
            self._watches[prompt_id].handle(message)
        elif prompt_id is None and message.type in ("executing", "preview"):
            # After a reconnect the host sends `executing` again, without its id, to the client whose prompt runs.
            running = [watch for watch in self._watches.values() if watch.started is not None and not watch.ended]
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


class _Follow:
    """The waiting of one `Client.follow` call."""

    def __init__(self, client: Client, watch: Watch, timeout: float) -> None:
        self.client = client
        self.watch = watch
        self.begin = time.monotonic()
        self.deadline = self.begin + timeout if timeout else None
        self.timeout = timeout
        self.away: float | None = None
        self.missing: float | None = None
        self.next_history = self.begin + 0.25
        self.next_queue = self.begin
        self.pause = 0.05
        self.reads = 0
        self.probed = False

    def wait(self) -> Outcome:
        while True:
            if self.deadline is not None and time.monotonic() > self.deadline:
                self._give_up()
            message = None
            if not self.watch.ended:
                message = self.client.listen(max(0.0, min(self.next_history, self.next_queue) - time.monotonic()))
            now = time.monotonic()
            if message is not None and message.type == "status" and not self.watch.started:
                self.next_queue = min(self.next_queue, now + 0.05)
            if self.watch.ended or now >= self.next_history or now >= self.next_queue:
                outcome = self._ask(now)
                if outcome is not None:
                    return outcome

    def _ask(self, now: float) -> Outcome | None:
        """Look at the truth; returns None while the job goes on."""
        try:
            queue = self.client.queue() if now >= self.next_queue and not self.watch.ended else None
            entry = self.client.history(self.watch.prompt_id)
        except (NothingThereError, ConnectionLostError) as error:
            self._host_away(error, now)
            return None
        if self.away is not None:
            self.away = None
            self.watch.tell(events.HostBack(prompt_id=self.watch.prompt_id))
        if entry is not None:
            self.watch.finish()
            return _outcome(self.watch, entry)
        if self.watch.ended:
            # "success" is said before the history is written: look again, at once and then more slowly.
            time.sleep(min(0.001 * 2**self.reads, 0.25))
            self.reads += 1
            self.watch.ended = self.reads < 20
        if queue is not None:
            self._place(queue, now)
        self.pause = min(self.pause * 1.5, 1.0)
        heard = self.client.stream.connected and self.missing is None
        self.next_history = now + (2.0 if heard else self.pause)
        if now >= self.next_queue:
            self.next_queue = now + (2.0 if heard else self.pause)
        return None

    def _place(self, queue: tuple[list[str], list[str]], now: float) -> None:
        """Find the job in the queue, and judge whether it lives."""
        watch, client = self.watch, self.client
        running, pending = queue
        if watch.prompt_id in pending:
            self.missing = None
            watch.sign = now
            position = len(running) + pending.index(watch.prompt_id)
            if position != watch.position:
                watch.position = position
                watch.tell(events.Queued(prompt_id=watch.prompt_id, position=position))
        elif watch.prompt_id in running:
            self.missing = None
            if watch.started is None:
                watch.started = now
            self._judge(now)
        elif self.missing is None:
            self.missing = now
        elif now - self.missing > client.lost_grace:
            raise LostError(
                f"The host at {client.address.url} knows nothing of job {watch.prompt_id} any more: it was deleted "
                "from the queue or the host was restarted; run it again",
                watch.prompt_id,
            )

    def _judge(self, now: float) -> None:
        watch, client = self.watch, self.client
        assert watch.started is not None
        if not client.stream.connected:
            watch.sign = now  # without the websocket, silence means nothing
            return
        quiet = now - max(watch.started, watch.sign)
        if not watch.working and quiet > client.start_grace / 2 and not self.probed:
            # A live worker's node is told again to a socket that opens; so silence is not the socket's fault.
            self.probed = True
            client.stream.close()
        elif not watch.working and quiet > client.start_grace and self.probed:
            raise StalledError(
                f"The worker of the host at {client.address.url} is dead: it took job {watch.prompt_id} and has not "
                f"begun a node in {client.start_grace:g} s; restart that ComfyUI and run the job again"
            )
        elif client.stall and quiet > client.stall:
            where = f" in {watch.title(watch.node)}" if watch.node else ""
            raise StalledError(
                f"Job {watch.prompt_id} has made no progress{where} for {client.stall:g} s on the host at "
                f"{client.address.url}: look at its log, or allow more with --stall"
            )
        elif now - max(watch.sign, client.stream.heard) > client.silence:
            # A socket can be dead without anyone noticing, or forgotten by the host when an older one closed late.
            client.stream.close()

    def _host_away(self, error: Exception, now: float) -> None:
        watch, client = self.watch, self.client
        where = f" while {watch.title(watch.node)} ran" if watch.node else ""
        if client.local is not None and client.local.process.poll() is not None:
            raise HostError(
                f"ComfyUI ended in mid-job{where} (exit code {client.local.process.returncode}); its log ends: "
                f"{tail(client.local.log)}"
            ) from error
        if self.away is None:
            self.away = now
            client.stream.close()
            watch.tell(events.HostAway(prompt_id=watch.prompt_id, reason=str(error)))
        elif now - self.away > client.patience:
            raise HostError(
                f"The host at {client.address.url} went away{where} and did not come back in {client.patience:g} s; "
                f"the job was {watch.prompt_id}"
            ) from error
        self.next_history = self.next_queue = now + 0.5

    def _give_up(self) -> None:
        watch = self.watch
        where = f"in {watch.title(watch.node)}" if watch.node else "waiting" if watch.started is None else "running"
        try:
            self.client.cancel(watch.prompt_id)
            end = "it was cancelled on the host"
        except (AddressError, HostError):
            end = "it could not be cancelled, since the host does not answer"
        raise JobTimeoutError(
            f"Job {watch.prompt_id} was still {where} after {self.timeout:g} s; {end}", watch.prompt_id
        )


def _outcome(watch: Watch, entry: dict[str, Any]) -> Outcome:
    """Read a history entry. Its last message decides: `status_str` says "success" for some failures."""
    status = entry.get("status") or {}
    messages = [(kind, data) for kind, data in status.get("messages") or []]
    last = messages[-1][0] if messages else ""
    if last == "execution_interrupted":
        state = "interrupted"
    elif last == "execution_success" or (not messages and status.get("status_str") == "success"):
        state = "success"
    else:
        state = "error"
    cached = next((data.get("nodes", ()) for kind, data in messages if kind == "execution_cached"), ())
    failure = next((data for kind, data in reversed(messages) if kind == "execution_error"), {})
    notes = [f"{watch.title(str(note.get('node_id')))}: {note.get('exception_message', '')}" for note in watch.errors]
    return Outcome(
        prompt_id=watch.prompt_id,
        state=state,
        outputs=entry.get("outputs") or {},
        cached=frozenset(cached),
        seconds=dict(watch.seconds),
        failure=dict(failure),
        notes=tuple(notes) if state == "success" else (),
    )
