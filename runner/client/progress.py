"""What is known of one job from the host's messages: which node runs, how long each took, whether it moves at all."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from . import events
from .websocket import Message


@dataclass
class JobProgress:
    """Turns the host's messages about one prompt into events and times.

    `titles` maps a node id to (title, class type). Times are `time.monotonic()` seconds.
    """

    prompt_id: str
    titles: dict[str, tuple[str, str]]
    listener: events.Listener
    ended: bool = False
    started: float | None = None
    working: bool = False
    sign: float = field(default_factory=time.monotonic)
    node: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    position: int | None = None
    _since: float = 0.0
    _steps: dict[str, float] = field(default_factory=dict)

    def title(self, node: str) -> str:
        """Return what a person calls the node: its title, or its class when it has none."""
        title, kind = self.titles.get(node, ("", ""))
        return title or kind or f"node {node}"

    def handle(self, message: Message) -> None:
        """Take in one message that belongs to this prompt."""
        self.sign = now = time.monotonic()
        data = message.data
        if message.type == "execution_start":
            self.started = now
            self.position = 0
        elif message.type == "execution_cached":
            self.working = True
            self.started = self.started or now
            self.listener(
                events.Started(prompt_id=self.prompt_id, nodes=len(self.titles), cached=len(data.get("nodes", ())))
            )
        elif message.type == "executing":
            self.working = True
            self._enter(data.get("display_node") or data.get("node"), now)
            self.ended |= data.get("node") is None
        elif message.type == "progress":
            self._progress(str(data.get("node")), data.get("value"), data.get("max"))
        elif message.type == "preview":
            node = str(data.get("display_node_id") or data.get("node_id") or self.node or "")
            self.listener(
                events.Preview(
                    prompt_id=self.prompt_id,
                    node=node,
                    media_type=str(data.get("image_type", "")),
                    size=len(message.picture),
                )
            )
        elif message.type == "execution_error":
            # Not the end: a blocked node says this in mid-run, and the job goes on to succeed.
            self.errors.append(data)
        elif message.type in ("execution_success", "execution_interrupted"):
            self.ended = True

    def recall(self, message: Message) -> None:
        """Take in a message that came without a prompt id, after a reconnect; it is no sign of life by itself."""
        sign = self.sign
        self.handle(message)
        if message.data.get("node") == self.node:
            self.sign = sign

    def finish(self) -> None:
        """Close the node that was running when the job ended."""
        self._enter(None, time.monotonic())

    def _enter(self, node: str | None, now: float) -> None:
        if node == self.node:
            return
        if self.node is not None:
            spent = now - self._since
            self.seconds[self.node] = self.seconds.get(self.node, 0.0) + spent
            self.listener(
                events.NodeFinished(
                    prompt_id=self.prompt_id, node=self.node, title=self.title(self.node), seconds=round(spent, 4)
                )
            )
        self.node, self._since = node, now
        if node is not None:
            kind = self.titles.get(node, ("", ""))[1]
            self.listener(
                events.NodeStarted(prompt_id=self.prompt_id, node=node, title=self.title(node), class_type=kind)
            )

    def _progress(self, node: str, value: Any, most: Any) -> None:
        if isinstance(value, int | float) and isinstance(most, int | float) and self._steps.get(node) != value:
            self._steps[node] = value
            self.listener(events.NodeProgress(prompt_id=self.prompt_id, node=node, value=value, max=most))
