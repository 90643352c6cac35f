"""What is known of one job from the host's messages: which node runs, how long each took, whether it moves at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import events
from .limits import most
from .messages import Begun, Cached, Ended, Executing, Message, NodeError, NodeStep, PreviewFrame, Said


@dataclass
class JobProgress:
    """Turns the host's messages about one prompt into events and times.

    `titles` maps a node id to (title, class type). `tell` gets a kind of event and its facts. Times are seconds of the
    clock that `now` is read from.
    """

    titles: dict[str, tuple[str, str]]
    tell: Callable[[type[events.Event], dict[str, Any]], None]
    sign: float
    ended: bool = False
    started: float | None = None
    working: bool = False
    node: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    errors: list[NodeError] = field(default_factory=list)
    position: int | None = None
    _since: float = 0.0
    _entered: int = 0
    _steps: dict[str, float] = field(default_factory=dict)

    def title(self, node: str) -> str:
        """Return what a person calls the node: its title, or its class when it has none."""
        title, kind = self.titles.get(node, ("", ""))
        return title or kind or f"node {node}"

    def handle(self, message: Message, now: float) -> None:
        """Take in one message that belongs to this prompt."""
        self.sign = now
        if isinstance(message, Begun):
            self.started = now
            self.position = 0
        elif isinstance(message, Cached):
            self.working = True
            self.started = self.started or now
            self.tell(events.Started, {"nodes": len(self.titles), "cached": len(message.nodes)})
        elif isinstance(message, Executing):
            self.working = True
            self._enter(message.shown, now)
            self.ended |= message.node is None
        elif isinstance(message, NodeStep):
            self._step(message)
        elif isinstance(message, PreviewFrame):
            node = message.node or self.node or ""
            facts = {"media_type": message.media_type, "size": message.size, "picture": message.picture}
            self.tell(events.Preview, {"node": node, **facts})
        elif isinstance(message, Said):
            self.tell(events.NodeSaid, {"node": message.node, "text": message.text, "curve": list(message.curve)})
        elif isinstance(message, NodeError) and len(self.errors) < most("waiting"):
            self.errors.append(message)  # not the end: a blocked node says this in mid-run, and the job succeeds
        elif isinstance(message, Ended):
            self.ended = True

    def recall(self, message: Message, now: float) -> None:
        """Take in a message that came without a prompt id, after a reconnect; it is not a sign of life by itself."""
        sign = self.sign
        self.handle(message, now)
        if (message.node if isinstance(message, Executing) else None) == self.node:
            self.sign = sign

    def finish(self, now: float) -> None:
        """Close the node that was running when the job ended."""
        self._enter(None, now)

    def _enter(self, node: str | None, now: float) -> None:
        if node == self.node or (node is not None and self._entered >= most("nodes")):
            return
        self._entered += 1
        if self.node is not None:
            spent = now - self._since
            if self.node in self.seconds or len(self.seconds) < most("nodes"):
                self.seconds[self.node] = self.seconds.get(self.node, 0.0) + spent
            facts = {"node": self.node, "title": self.title(self.node), "seconds": round(spent, 4)}
            self.tell(events.NodeFinished, facts)
        self.node, self._since = node, now
        if node is not None:
            kind = self.titles.get(node, ("", ""))[1]
            self.tell(events.NodeStarted, {"node": node, "title": self.title(node), "class_type": kind})

    def _step(self, step: NodeStep) -> None:
        known = step.node in self._steps or len(self._steps) < most("nodes")
        if known and self._steps.get(step.node) != step.value:
            self._steps[step.node] = step.value
            self.tell(events.NodeProgress, {"node": step.node, "value": step.value, "max": step.most})
