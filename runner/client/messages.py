"""What a host says over its websocket, each message read once into what it means; what cannot be read is ignored.

A pack may send what it likes, and so may whoever is at the address: a message is a hint, and a false one costs one look
at /history.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import Any

from .limits import most
from .wire import parse

_PREVIEW, _TEXT, _PREVIEW_WITH_METADATA = 1, 3, 4  # binary frames, comfyui-client protocol: big-endian u32 kind
_MEDIA_TYPES = {1: "image/jpeg", 2: "image/png"}


@dataclass(frozen=True)
class Message:
    """A message about the prompt `prompt_id`; None where it does not say whose."""

    prompt_id: str | None = None


@dataclass(frozen=True)
class Status(Message):
    """The queue has changed; `registered` in the first one after the socket opened."""

    registered: bool = False


@dataclass(frozen=True)
class Begun(Message):
    """The worker has taken the prompt."""


@dataclass(frozen=True)
class Cached(Message):
    """These nodes need no work."""

    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Executing(Message):
    """A node runs, shown as `shown` where it stands for another; no node: the prompt is through."""

    node: str | None = None
    shown: str | None = None


@dataclass(frozen=True)
class NodeStep(Message):
    """A node has done `value` of `most` steps."""

    node: str = ""
    value: float = 0.0
    most: float = 0.0


@dataclass(frozen=True)
class PreviewFrame(Message):
    """A preview of `size` bytes; `node` is empty where it does not say whose."""

    node: str = ""
    media_type: str = ""
    size: int = 0
    picture: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Said(Message):
    """A node of the pack says what it does; `curve` is (step, likeness) of what a training has judged."""

    node: str = ""
    text: str = ""
    curve: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class NodeError(Message):
    """A node complains, which need not be the end: a blocked node says this in mid-run."""

    node: str = ""
    words: str = ""


@dataclass(frozen=True)
class Ended(Message):
    """The prompt has succeeded or was interrupted."""


def read_text(data: bytes) -> Message | None:
    """Read a text frame."""
    try:
        message = parse(data)
    except ValueError:
        return None
    body = message.get("data") if isinstance(message, dict) else None
    if not isinstance(body, dict):
        return None
    given = body.get("prompt_id")
    return _of(message.get("type"), body, given if isinstance(given, str) else None)


def read_binary(data: bytes) -> Message | None:
    """Read a binary frame: a preview; what else there is, such as a node's text, says nothing of the job."""
    try:
        (kind,) = struct.unpack_from(">I", data)
        (number,) = struct.unpack_from(">I", data, 4)
        if kind == _PREVIEW:
            return PreviewFrame(None, "", _MEDIA_TYPES.get(number, ""), len(data) - 8, data[8:])
        if kind != _PREVIEW_WITH_METADATA:
            return Message() if kind == _TEXT else None
        facts = parse(data[8 : 8 + number])
    except (ValueError, struct.error):
        return None
    if not isinstance(facts, dict):
        return None
    given = facts.get("prompt_id")
    node = _name(facts.get("display_node_id")) or _name(facts.get("node_id"))
    picture, prompt_id = data[8 + number :], given if isinstance(given, str) else None
    return PreviewFrame(prompt_id, node, _text(facts.get("image_type")), len(picture), picture)


def _of(kind: Any, body: dict[str, Any], prompt_id: str | None) -> Message:
    if kind == "status":
        return Status(prompt_id, "sid" in body)
    if kind == "execution_start":
        return Begun(prompt_id)
    if kind == "execution_cached":
        nodes = body.get("nodes")
        return Cached(prompt_id, tuple(one for one in nodes if isinstance(one, str)) if isinstance(nodes, list) else ())
    if kind == "executing":
        node = None if body.get("node") is None else _name(body["node"])
        return Executing(prompt_id, node, _name(body.get("display_node")) or node)
    if kind == "progress":
        value, end = _number(body.get("value")), _number(body.get("max"))
        if value is not None and end is not None:
            return NodeStep(prompt_id, _name(body.get("node")), value, end)
    if kind == "execution_error":
        return NodeError(prompt_id, _name(body.get("node_id")), _text(body.get("exception_message")))
    if kind == "portrait_studio.said":
        return Said(prompt_id, _name(body.get("node")), _text(body.get("text"))[: most("words")], _curve(body))
    if kind in ("execution_success", "execution_interrupted"):
        return Ended(prompt_id)
    return Message(prompt_id)


def _curve(body: dict[str, Any]) -> tuple[tuple[float, float], ...]:
    told = body.get("curve")
    points = [one for one in told[: most("waiting")] if isinstance(one, list)] if isinstance(told, list) else []
    numbers = [tuple(map(_number, point)) for point in points if len(point) == 2]
    return tuple((step, score) for step, score in numbers if step is not None and score is not None)


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _name(value: Any) -> str:
    return str(value) if isinstance(value, str | int) else ""
