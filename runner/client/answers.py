"""What a host's answers mean: each is read here once, and everything behind this line has the types that it says.

What ComfyUI always sends must be there and be right, or the answer is not ComfyUI's (ShapeError). What packs add may be
odd; it is left out where it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_LONGEST_NAME = 250  # letters


class ShapeError(ValueError):
    """An answer is not made as ComfyUI makes it."""


@dataclass(frozen=True)
class Stats:
    """GET /system_stats. Memory in bytes, 0 where the host does not say; `kind` is the device's, as torch calls it.

    `frontend` is the version that the host asks for, empty where it does not say.
    """

    version: str
    frontend: str
    python: str
    torch: str
    device: str
    kind: str
    vram_total: int
    vram_free: int
    ram_total: int
    ram_free: int
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class HistoryEntry:
    """GET /history/ID: what nodes showed, by node; and the host's messages about the prompt, the last one last."""

    outputs: dict[str, dict[str, Any]]
    status: str
    messages: tuple[tuple[str, dict[str, Any]], ...]


@dataclass(frozen=True)
class Submission:
    """POST /prompt: the id under which the prompt is queued (empty when it is not), and what was wrong with it.

    `node_errors` is by node: its class and [(message, details)]; `reason` is what is wrong with the whole.
    """

    prompt_id: str
    node_errors: dict[str, tuple[str, list[tuple[str, str]]]] = field(default_factory=dict)
    reason: str = ""


def stats(data: Any) -> Stats:
    """Read GET /system_stats. This and the other readers raise ShapeError."""
    release = version(data)
    system, devices = _dict(data["system"]), _list(_dict(data).get("devices"))
    if not devices:
        raise ShapeError("it names no device")
    device = _dict(devices[0])
    return Stats(
        version=release,
        frontend=_text(system.get("required_frontend_version"))[:_LONGEST_NAME],
        python=_text(system.get("python_version")).partition(" ")[0],
        torch=_text(system.get("pytorch_version")),
        device=_text(device.get("name")),
        kind=_text(device.get("type")),
        vram_total=_size(device.get("vram_total")),
        vram_free=_size(device.get("vram_free")),
        ram_total=_size(system.get("ram_total")),
        ram_free=_size(system.get("ram_free")),
        arguments=tuple(_texts(system.get("argv"))),
    )


def version(data: Any) -> str:
    """Read from GET /system_stats which ComfyUI it is."""
    found = _dict(_dict(data).get("system")).get("comfyui_version")
    if not isinstance(found, str):
        raise ShapeError("it does not say which ComfyUI it is")
    return found


def pack_version(data: Any) -> str:
    """Read the pack's web/version.json."""
    return _text(_dict(data).get("version"))[:_LONGEST_NAME]


def queue(data: Any) -> tuple[list[str], list[str]]:
    """Read GET /queue: the ids of the prompts that run, and of those that wait, the next one first."""
    waiting = _list(_dict(data).get("queue_pending"))
    numbered = sorted(((_number(_list(item)[:1]), _id(item)) for item in waiting), key=lambda pair: pair[0])
    return [_id(item) for item in _list(_dict(data).get("queue_running"))], [name for _, name in numbered]


def history(data: Any, prompt_id: str) -> HistoryEntry | None:
    """Read GET /history/ID; None while the prompt is not in it."""
    entry = _dict(data).get(prompt_id)
    if entry is None:
        return None
    status = _dict(_dict(entry).get("status") or {})
    shown = _dict(_dict(entry).get("outputs") or {})
    messages = [pair for pair in _list(status.get("messages") or []) if isinstance(pair, list) and len(pair) == 2]
    return HistoryEntry(
        outputs={node: output for node, output in shown.items() if isinstance(output, dict)},
        status=_text(status.get("status_str")),
        messages=tuple((kind, data) for kind, data in messages if isinstance(kind, str) and isinstance(data, dict)),
    )


def posted(data: Any) -> Submission:
    """Read the answer to POST /prompt, whatever its status."""
    found = _dict(data)
    errors = {
        node: (
            _text(error.get("class_type")),
            [
                (_text(one.get("message")), _text(one.get("details")))
                for one in _list(error.get("errors") or [])
                if isinstance(one, dict)
            ],
        )
        for node, error in _dict(found.get("node_errors") or {}).items()
        if isinstance(error, dict)
    }
    error = found.get("error")
    if isinstance(error, dict):
        details = _text(error.get("details")).strip()
        reason = (_text(error.get("message")) or "no reason given") + (f" ({details})" if details else "")
    else:
        reason = _text(error)
    return Submission(_text(found.get("prompt_id")), errors, reason)


def uploaded(data: Any) -> str:
    """Read the answer to POST /upload/image: what the host calls the picture, with its folder."""
    name, folder = _dict(data).get("name"), _text(_dict(data).get("subfolder"))
    if not isinstance(name, str) or not name:
        raise ShapeError("it does not name the picture")
    return f"{folder}/{name}" if folder else name


def names(data: Any) -> list[str]:
    """Read GET /models/FOLDER."""
    return _texts(_list(data))


def folders(data: Any) -> dict[str, list[str]]:
    """Read GET /internal/folder_paths."""
    return {name: _texts(paths) for name, paths in _dict(data).items()}


def log(data: Any) -> str:
    """Read GET /internal/logs/raw: the last pieces of the host's log, put together."""
    return "".join(_text(entry.get("m")) for entry in _list(_dict(data).get("entries")) if isinstance(entry, dict))


def nodes(data: Any) -> dict[str, dict[str, Any]]:
    """Read GET /object_info: class -> how it is declared, made as graph/classes.py takes it.

    A class that is not declared as ComfyUI declares one is left out, as the canvas leaves it out; so is a widget's
    option that is not of its kind.
    """
    known = _dict(data)
    found = {name: _node(info) for name, info in known.items() if isinstance(info, dict) and _is_name(name)}
    if known and not found:
        raise ShapeError("it declares no node")
    return found


def _node(info: dict[str, Any]) -> dict[str, Any]:
    inputs = {
        section: {name: _spec(spec) for name, spec in declared.items() if _is_name(name)}
        for section, declared in _inner(info, "input").items()
        if isinstance(declared, dict)
    }
    made = info.get("output")
    return {
        **info,
        "input": inputs,
        "input_order": {section: _texts(given) for section, given in _inner(info, "input_order").items()},
        "output": [one if isinstance(one, list) or _is_name(one) else "*" for one in made]
        if isinstance(made, list)
        else [],
        "output_node": info.get("output_node") is True,
        "display_name": _text(info.get("display_name")),
        "python_module": _text(info.get("python_module")),
    }


def _is_name(value: Any) -> bool:
    """Whether it can be the name of a class, an input or a type: a text that fits into a sentence."""
    return isinstance(value, str) and len(value) <= _LONGEST_NAME


def _inner(info: dict[str, Any], key: str) -> dict[str, Any]:
    found = info.get(key)
    return found if isinstance(found, dict) else {}


def _spec(spec: Any) -> list[Any]:
    """Return an input's declaration as [type or choices, options]; what is none can be linked to anything."""
    if isinstance(spec, str):
        spec = [spec]
    if not isinstance(spec, list) or not spec or not (isinstance(spec[0], list) or _is_name(spec[0])):
        return ["*", {}]
    options = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
    choices = _choices(spec[0]) if isinstance(spec[0], list) else spec[0]
    return [choices, {key: value for key, value in options.items() if _fits(key, value)}]


def _choices(given: list[Any]) -> list[Any]:
    return [one for one in given if isinstance(one, str | int | float)]


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "remote": dict,
    "template": dict,
    "options": list,
    "widgetType": str,
    "image_folder": str,
}


def _fits(key: str, value: Any) -> bool:
    if key in ("min", "max", "step", "round"):
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, _KINDS.get(key, object))


def _dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ShapeError("an object is missing")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ShapeError("a list is missing")
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _size(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 1 << 63 else 0


def _number(value: list[Any]) -> float:
    number = value[0] if value else None
    return number if isinstance(number, int | float) and math.isfinite(number) else 0.0


def _id(item: Any) -> str:
    row = _list(item)
    if len(row) < 2 or not isinstance(row[1], str):
        raise ShapeError("a prompt in the queue has no id")
    return row[1]
