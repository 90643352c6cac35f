"""A client of one ComfyUI host: its API, and prompts from submission to their end.

/history is the truth, the websocket only says when to look. One client serves one thread; any number of prompts may be
under way through it at a time.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

from . import answers, events, following
from .api import HostApi
from .errors import AddressError, ConnectionLostError, HostError, RefusedError, TooLargeError
from .follower import Follower
from .host import LocalHost
from .http import Answer
from .messages import Executing, Message, PreviewFrame, Said
from .naming import title_of
from .outcome import Outcome
from .refusal import describe
from .wait import Waiting
from .websocket import Stream


class Client(HostApi):
    """Talks to the host at `url`; a context manager that closes its connections.

    All times in seconds: `timeout` bounds one request; `patience` is how long a host may be away in mid-job before the
    job is given up; `start_grace` is how long a worker may take from "start" to "these nodes are cached", between which
    it does next to nothing; `stall` is how long a running job may be silent (0: for ever); `lost_grace` is how long a
    prompt may be neither in the queue nor in the history before it is lost; `silence` is how long the
    websocket of a running job may bring nothing before it is opened again; `local` is the host's process, where we have
    started it.
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
        super().__init__(url, timeout)
        self.client_id = uuid.uuid4().hex  # never shared: the host gives messages to the newest socket of an id alone
        self.patience = patience
        self.start_grace = start_grace
        self.stall = stall
        self.lost_grace = lost_grace
        self.silence = silence
        self.local = local
        self.stream = Stream(self.address, self.client_id)
        self._waiting: dict[str, Waiting] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; prompts under way go on at the host."""
        self.stream.close()
        self.transport.close()

    def submit(
        self,
        prompt: dict[str, Any],
        prompt_id: str = "",
        *,
        workflow: dict[str, Any] | None = None,
        find: bool = False,
        front: bool = False,
        listener: events.Listener = lambda event: None,
    ) -> str:
        """Queue a prompt in API format and return its id.

        `workflow` is the UI graph for the host to embed in the images. With `find`, a prompt of this id that the host
        already has is taken over instead of queued again; with `front`, it goes before all that wait. The listener gets
        `Submitting`, with the id, BEFORE anything is sent. Raises RefusedError when the host takes none or only a part
        of it; then nothing of it stays queued.
        """
        prompt_id = prompt_id or str(uuid.uuid4())
        titles = {node: (title_of(body), str(body.get("class_type", ""))) for node, body in prompt.items()}
        patience = following.FollowerPatience(
            self.patience, self.start_grace, self.stall, self.lost_grace, self.silence
        )
        follower = Follower(prompt_id, titles, self.address.url, patience, time.monotonic())
        self._waiting[prompt_id] = Waiting(self, follower, listener)
        if find and self.knows(prompt_id):
            listener(events.Accepted(prompt_id=prompt_id, found=True))
            return prompt_id
        self.stream.open()
        listener(events.Submitting(prompt_id=prompt_id))
        try:
            self.post(prompt, prompt_id, workflow, front)
        except BaseException:
            self._waiting.pop(prompt_id, None)
            raise
        listener(events.Accepted(prompt_id=prompt_id))
        return prompt_id

    def post(
        self, prompt: dict[str, Any], prompt_id: str, workflow: dict[str, Any] | None = None, front: bool = False
    ) -> None:
        """Queue a prompt once, without following it. Raises RefusedError as `submit` does."""
        body = {
            "prompt": prompt,
            "prompt_id": prompt_id,
            "client_id": self.client_id,  # without it, cached outputs are missing from /history
            "extra_data": {"extra_pnginfo": {"workflow": workflow}} if workflow else {},
        } | ({"front": True} if front else {})
        answer = self._post_once(body)
        if answer is None:
            return
        if answer.status == 400:
            refused = self._read(answer, answers.posted, 400)
            raise RefusedError(describe(refused, prompt), refused.node_errors)
        accepted = self._read(answer, answers.posted)
        if accepted.prompt_id != prompt_id:
            raise HostError(
                f"The host at {self.address.url} does not keep prompt ids: update ComfyUI to 0.3.75 or later"
            )
        if accepted.node_errors:
            self.cancel(prompt_id)
            raise RefusedError(describe(accepted, prompt), accepted.node_errors)

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
                if not attempts or time.monotonic() >= self.end:
                    raise

    def _arrived(self, prompt_id: str, patience: float = 2.0) -> bool:
        end = min(self.end, time.monotonic() + patience)
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
            try:
                running, pending = self.queue()
            except TooLargeError:  # an interrupt that names a prompt is harmless when that one does not run
                running, pending = [prompt_id], []
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
        try:
            return self._waiting[prompt_id].wait(timeout)
        finally:
            self._waiting.pop(prompt_id, None)

    def listen(self, timeout: float) -> Message | None:
        """Take one message from the websocket, give it to the prompt it belongs to, and return it."""
        message = self.stream.receive(timeout)
        if message is None:
            return None
        prompt_id = message.prompt_id
        if prompt_id in self._waiting:  # news of prompts without a client id goes to every socket
            self._waiting[prompt_id].take(following.MessageHeard(message))
        elif prompt_id is None and isinstance(message, Executing | PreviewFrame | Said):
            # After a reconnect the host sends `executing` again, without its id, to the client whose prompt runs.
            running = [one for one in self._waiting.values() if one.follower.running]
            if len(running) == 1 and not (isinstance(message, Executing) and message.node is None):
                running[0].take(following.MessageRecalled(message))
        return message

    def _end(self, end: float) -> None:
        super()._end(end)
        self.stream.end = end
