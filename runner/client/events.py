"""What happens to a job, as it happens: one typed event after another, or one JSON object a line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from time import time


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to the job `prompt_id` at `time` (seconds since 1970)."""

    prompt_id: str = ""
    time: float = field(default_factory=time)

    @property
    def kind(self) -> str:
        """The event's name in the JSON stream: the class name in snake case."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()

    def to_json(self) -> str:
        """Return the event as one line of JSON, without the newline."""
        return json.dumps({"event": self.kind} | asdict(self), ensure_ascii=False)


Listener = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class PhotoUploaded(Event):
    """A photo is on the host; `uploaded` is what the host calls it."""

    photo: str
    uploaded: str


@dataclass(frozen=True, kw_only=True)
class Submitting(Event):
    """The prompt is about to be posted: keep the prompt_id, it finds the job again whatever happens next."""

    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class Accepted(Event):
    """The host has the job in its queue; `found` says it already had it before this call."""

    found: bool = False


@dataclass(frozen=True, kw_only=True)
class Queued(Event):
    """The job waits; `position` counts the jobs before it, the running one included."""

    position: int


@dataclass(frozen=True, kw_only=True)
class Started(Event):
    """The host has begun; `cached` of `nodes` nodes need no work."""

    nodes: int
    cached: int


@dataclass(frozen=True, kw_only=True)
class NodeStarted(Event):
    """A node has begun."""

    node: str
    title: str
    class_type: str


@dataclass(frozen=True, kw_only=True)
class NodeProgress(Event):
    """A node has done `value` of `max` steps."""

    node: str
    value: float
    max: float


@dataclass(frozen=True, kw_only=True)
class NodeFinished(Event):
    """A node is through after `seconds`."""

    node: str
    title: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Preview(Event):
    """A node has sent a preview picture of `size` bytes; the picture itself is not in the stream."""

    node: str
    media_type: str
    size: int


@dataclass(frozen=True, kw_only=True)
class HostAway(Event):
    """The host does not answer just now; the runner keeps asking."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class HostBack(Event):
    """The host answers again."""


@dataclass(frozen=True, kw_only=True)
class Warned(Event):
    """Something that did not stop the job and that a person should know."""

    message: str


@dataclass(frozen=True, kw_only=True)
class ImageSaved(Event):
    """An image and its record are on disk."""

    file: str
    record: str
    reused: bool


@dataclass(frozen=True, kw_only=True)
class Cancelled(Event):
    """The job was cancelled from here; `gone` says whether the host has let go of it."""

    gone: bool


@dataclass(frozen=True, kw_only=True)
class Finished(Event):
    """The job is done."""

    seconds: float
    images: list[str]
    reused: bool


@dataclass(frozen=True, kw_only=True)
class Failed(Event):
    """The job, or what was to become one, failed; `exit_code` is the number the command ends with."""

    error: str
    message: str
    exit_code: int
