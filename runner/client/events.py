"""What happens to a job, as it happens: one typed event after another, or one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import time
from typing import Any, ClassVar

EVENTS: dict[str, dict[str, dict[str, Any]]] = json.loads(Path(__file__).with_name("events.json").read_text("utf-8"))
"""Every event in JSON, by its key: those of a job, and those that only one command writes."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to the job `prompt_id` at `time` (seconds since 1970); `key` is its name in JSON."""

    key: ClassVar[str]
    prompt_id: str = ""
    time: float = field(default_factory=time)

    def __init_subclass__(cls, key: str) -> None:
        if key not in EVENTS["job"]:
            raise KeyError(f"events.json does not list {key!r}")
        cls.key = key

    def to_json(self) -> str:
        """Return the event as one line of JSON, without the newline."""
        told = {key: value for key, value in asdict(self).items() if not isinstance(value, bytes)}
        return json.dumps({"event": self.key} | told, ensure_ascii=False)


Listener = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class PhotoUploaded(Event, key="photo_uploaded"):
    """A photo is on the host; `uploaded` is what the host calls it."""

    photo: str
    uploaded: str


@dataclass(frozen=True, kw_only=True)
class Submitting(Event, key="submitting"):
    """The prompt is about to be posted: keep the prompt_id, it finds the job again whatever happens next."""

    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class Accepted(Event, key="accepted"):
    """The host has the job in its queue; `found` says it already had it before this call."""

    found: bool = False


@dataclass(frozen=True, kw_only=True)
class Queued(Event, key="queued"):
    """The job waits; `position` counts the jobs before it, the running one included."""

    position: int


@dataclass(frozen=True, kw_only=True)
class Started(Event, key="started"):
    """The host has begun; `cached` of `nodes` nodes need no work."""

    nodes: int
    cached: int


@dataclass(frozen=True, kw_only=True)
class NodeStarted(Event, key="node_started"):
    """A node has begun."""

    node: str
    title: str
    class_type: str


@dataclass(frozen=True, kw_only=True)
class NodeProgress(Event, key="node_progress"):
    """A node has done `value` of `max` steps."""

    node: str
    value: float
    max: float


@dataclass(frozen=True, kw_only=True)
class NodeFinished(Event, key="node_finished"):
    """A node is through after `seconds`."""

    node: str
    title: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Preview(Event, key="preview"):
    """A node has sent a preview picture of `size` bytes; the picture itself is not in the stream of JSON."""

    node: str
    media_type: str
    size: int
    picture: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)
class NodeSaid(Event, key="node_said"):
    """A node of the pack says what it does; a training has a `curve` too, (step, likeness) of what was judged."""

    node: str
    text: str
    curve: list[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class HostAway(Event, key="host_away"):
    """The host does not answer just now; the runner keeps asking."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class HostBack(Event, key="host_back"):
    """The host answers again."""


@dataclass(frozen=True, kw_only=True)
class Warned(Event, key="warned"):
    """Something that did not stop the job and that a person should know."""

    message: str


@dataclass(frozen=True, kw_only=True)
class ImageSaved(Event, key="image_saved"):
    """An image and its record are on disk."""

    file: str
    record: str
    reused: bool


@dataclass(frozen=True, kw_only=True)
class Cancelled(Event, key="cancelled"):
    """The job was cancelled from here; `gone` says whether the host has let go of it."""

    gone: bool


@dataclass(frozen=True, kw_only=True)
class Finished(Event, key="finished"):
    """The job is done."""

    seconds: float
    images: list[str]
    reused: bool


@dataclass(frozen=True, kw_only=True)
class Failed(Event, key="failed"):
    """The job, or what was to become one, failed; `exit_code` is the number the command ends with."""

    error: str
    message: str
    exit_code: int
