"""Node classes as the frontend builds them from `/object_info`: sockets, widgets and their order.

`/object_info` says nothing of what the frontend adds by itself (seed controls, upload buttons, players); frontend.json
does. The rules follow ComfyUI_frontend 1.32.9 (litegraphService.ts, the widget composables and extensions/core).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

# Input types that the frontend turns into a widget instead of a socket.
WIDGET_TYPES = {
    *("INT", "FLOAT", "BOOLEAN", "STRING", "COMBO", "MARKDOWN", "COLOR", "TEXTAREA"),
    *("IMAGEUPLOAD", "AUDIOUPLOAD", "AUDIO_UI", "AUDIO_RECORD", "PREVIEW_3D", "LOAD_3D", "WEBCAM"),
    *("IMAGECOMPARE", "CHART", "GALLERIA", "COMFY_DYNAMICCOMBO_V3"),
}
DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
MATCH_TYPE = "COMFY_MATCHTYPE_V3"


class _Undefined:
    """JavaScript's undefined: the value of a widget that has none, which is not sent; null is sent."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED = _Undefined()


@dataclass(frozen=True, slots=True)
class Widget:
    """One widget of a node class.

    `kind` is the input type; besides, "TEXT" is a multi-line STRING, "FILE" a combo with an upload button, and
    "CONTROL" and "BUTTON" are what only the canvas uses. `saved`: it has a place in `widgets_values`. `sent`: its value
    goes into the prompt.
    """

    name: str
    kind: str
    default: Any = UNDEFINED
    options: Mapping[str, Any] = field(default_factory=dict)
    saved: bool = True
    sent: bool = True

    @property
    def dynamic(self) -> bool:
        """Whether {a|b} in its text is resolved when the prompt is sent."""
        return self.options.get("dynamicPrompts") is True

    @property
    def number(self) -> bool:
        """Whether it holds a number."""
        return self.kind in ("INT", "FLOAT")


@dataclass(frozen=True, slots=True)
class NodeClass:
    """A node class: its inputs as (name, type), the last `sites` of them belonging to widgets, its widgets in the order
    of `widgets_values`, and its output types."""

    name: str
    title: str
    sockets: tuple[tuple[str, str], ...]
    sites: int
    widgets: tuple[Widget, ...]
    outputs: tuple[str, ...]
    # Every input as (name, forced to be a socket, has a seed control), in the order of /object_info.
    declared: tuple[tuple[str, bool, bool], ...]
    # Whether a pack made it, whose scripts the frontend runs as well.
    foreign: bool = False

    def realign(self, values: list) -> list:
        """Drop the values that frontends before 1.16 saved for inputs with `forceInput` (migrateWidgetsValues)."""
        names = {widget.name for widget in self.widgets}
        originals = [(forced, control) for name, forced, control in self.declared if forced or name in names]
        if not any(forced for forced, _ in originals):
            return values
        if sum(2 if control else 1 for _, control in originals) != len(values):
            return values
        kept = [value for (forced, _), value in zip(originals, values, strict=False) if not forced]
        return kept + values[len(originals) :]


@cache
def frontend() -> dict[str, Any]:
    """Return frontend.json: what the frontend adds to classes by itself."""
    return json.loads((Path(__file__).parent / "frontend.json").read_text("utf-8"))


class NodeClasses:
    """The node classes of one host, built from its `/object_info` when first asked for.

    `widget_types` are input types that have a widget in its frontend, beyond WIDGET_TYPES.
    """

    def __init__(self, object_info: Mapping[str, Any], widget_types: frozenset[str] = frozenset()):
        self._info = object_info
        self._types = widget_types
        self._built: dict[str, NodeClass] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._info

    def __getitem__(self, name: str) -> NodeClass:
        if name not in self._built:
            self._built[name] = _build(name, self._info[name], self._types)
        return self._built[name]


def inputs_of(info: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Any], bool]]:
    """Return the declared inputs of one `/object_info` entry: name -> (type, options, optional).

    Both combo shapes come out as "COMBO" with the choices under `options`.
    """
    found: dict[str, tuple[str, dict[str, Any], bool]] = {}
    declared = info.get("input") or {}
    for section in ("required", "optional"):
        for name, spec in (declared.get(section) or {}).items():
            kind, options = spec[0], dict(spec[1]) if len(spec) > 1 and isinstance(spec[1], dict) else {}
            if isinstance(kind, list):
                options["options"] = kind
                kind = "COMBO"
            found[name] = (kind, options, section == "optional")
    return found


def canvas_inputs(name: str, info: Mapping[str, Any]) -> set[str]:
    """Return the inputs that the canvas sends for a class, or once did, though the node does not read them."""
    return {widget.name for widget in _build(name, info).widgets if widget.kind != "CONTROL"} - inputs_of(info).keys()


def _build(name: str, info: Mapping[str, Any], widget_types: frozenset[str] = frozenset()) -> NodeClass:
    inputs = inputs_of(info)
    order = info.get("input_order") or {}
    names = [
        given
        for section in ("required", "optional")
        for given in order.get(section) or ()
        if given in inputs and inputs[given][2] == (section == "optional")
    ]
    added = _added(name, inputs)
    required = [given for given in inputs if not inputs[given][2]]
    optional = [given for given in inputs if inputs[given][2]]
    inputs |= added
    declared = [*required, *added, *optional]
    names += [given for given in declared if given not in names]
    sockets: list[tuple[str, str]] = []
    widgets: list[Widget] = []
    sites: list[tuple[str, str]] = []
    for given in names:
        kind, options, _ = inputs[given]
        drawn = options.get("widgetType") or kind
        if drawn not in WIDGET_TYPES | widget_types or forced(inputs[given]):
            sockets.append((given, _socket_type(kind, options)))
        else:
            drawn = "FILE" if drawn == "COMBO" and added.get("upload", ("", {}))[1].get("of") == given else drawn
            widgets += widgets_of(given, drawn, options)
            sites.append((given, kind))
    for given, kind in frontend()["added_widgets"].get(name, {}).items():
        widgets.append(Widget(given, kind, default="", saved=False))
    outputs = [kind if isinstance(kind, str) else "COMBO" for kind in info.get("output") or ()]
    return NodeClass(
        name=name,
        title=info.get("display_name") or name,
        sockets=(*sockets, *sites),
        sites=len(sites),
        widgets=tuple(widgets),
        outputs=tuple(outputs),
        declared=tuple((given, forced(inputs[given]), _controlled(given, inputs[given][1])) for given in declared),
        foreign=str(info.get("python_module", "")).startswith("custom_nodes."),
    )


def _added(name: str, inputs: Mapping[str, tuple[str, dict, bool]]) -> dict[str, tuple[str, dict, bool]]:
    """Return the inputs that the frontend's own extensions add to a class."""
    added: dict[str, tuple[str, dict, bool]] = {
        given: (kind, {}, False) for given, kind in frontend()["added_inputs"].get(name, {}).items()
    }
    flags = ("image_upload", "video_upload", "animated_image_upload")
    for given, (kind, options, optional) in inputs.items():
        if not optional and kind == "COMBO" and any(options.get(flag) is True for flag in flags):
            added["upload"] = ("IMAGEUPLOAD", {"of": given}, False)
            break
    audio = inputs.get("audio")
    if audio and not audio[2] and audio[1].get("audio_upload") is True:
        added["upload"] = ("AUDIOUPLOAD", {}, False)
    return added


def forced(declared: tuple[str, dict, bool]) -> bool:
    """Return whether an input, as `inputs_of` gives it, is a socket though its type has a widget."""
    _, options, optional = declared
    return bool(options.get("forceInput")) or (optional and bool(options.get("defaultInput")))


def _controlled(name: str, options: Mapping[str, Any]) -> bool:
    return bool(options.get("control_after_generate")) or name in ("seed", "noise_seed")


def _socket_type(kind: str, options: Mapping[str, Any]) -> str:
    if kind == MATCH_TYPE:
        return (options.get("template") or {}).get("allowed_types") or "*"
    return kind


def widgets_of(name: str, kind: str, options: Mapping[str, Any]) -> list[Widget]:
    """Return the widget of an input and those that follow it on the canvas."""
    default = options.get("default")
    if kind in ("INT", "FLOAT"):
        widget = Widget(name, kind, 0 if default is None else default, options)
        controlled = options.get("control_after_generate")
        if controlled is None:
            controlled = name in ("seed", "noise_seed")
        return [widget, Widget(f"{name} control", "CONTROL", sent=False)] if kind == "INT" and controlled else [widget]
    if kind == "BOOLEAN":
        return [Widget(name, kind, False if default is None else default, options)]
    if kind == "STRING":
        return [Widget(name, "TEXT" if options.get("multiline") else kind, "" if default is None else default, options)]
    if kind in ("COMBO", "FILE"):
        return _combo(name, kind, options)
    if kind == DYNAMIC:
        keys = [choice.get("key") for choice in options.get("options") or ()]
        return [Widget(name, kind, (keys or [UNDEFINED])[0] if default is None else default, options)]
    if kind in ("IMAGEUPLOAD", "AUDIOUPLOAD"):
        return [Widget(name, "BUTTON", sent=False)]
    if kind == "AUDIO_UI":
        return [Widget(name, kind, "", saved=False)]
    if kind == "IMAGECOMPARE":
        return [Widget(name, kind, ["", ""], saved=False)]
    if kind == "BOUNDING_BOX":
        box = {"x": 0, "y": 0, "width": 512, "height": 512} if default is None else default
        return [Widget(name, kind, box, options), *(Widget(side, "INT", box.get(side), sent=False) for side in box)]
    if kind == "MARKDOWN":
        return [Widget(name, "TEXT", "" if default is None else default, options)]
    return [Widget(name, kind, _EMPTY.get(kind, "") if default is None else default, options)]


# What a widget without a declared default holds, where that is not an empty text.
_EMPTY = {"BOUNDING_BOXES": [], "COLORS": [], "COMPOSITOR": {}, "RANGE": {"min": 0.0, "max": 1.0}}


def _combo(name: str, kind: str, options: Mapping[str, Any]) -> list[Widget]:
    if options.get("multi_select"):
        return [Widget(name, "COMBO", [], options)]
    choices = options.get("options") or []
    default = options.get("default") or (
        choices[0] if choices else "Loading..." if options.get("remote") else UNDEFINED
    )
    widgets = [Widget(name, kind, default, options)]
    if options.get("remote"):
        widgets.append(Widget("Auto-refresh after generation", "CONTROL", sent=False))
        if options["remote"].get("refresh_button"):
            widgets.append(Widget("refresh", "BUTTON", "refresh"))
    if options.get("control_after_generate"):
        widgets += [Widget(f"{name} control", "CONTROL", sent=False), Widget(f"{name} filter", "CONTROL", sent=False)]
    return widgets
