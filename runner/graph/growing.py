"""Widgets that a node has because of what others of its widgets are set to (newer hosts).

After ComfyUI_frontend 1.48.7. core/graph/widgets/dynamicWidgets.ts (COMFY_DYNAMICCOMBO_V3): each choice brings inputs
of its own, named `combo.input`, whose widgets follow the combo. Inputs that are not widgets are in the graph file, as
all others do. extensions/core/customWidgets.ts: a CustomCombo has an option more than are filled in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from .classes import DYNAMIC, WIDGET_TYPES, NodeClass, Widget, forced, inputs_of, widgets_of

CUSTOM_COMBO = "CustomCombo"


def grown(node_class: NodeClass, values: Sequence[Any] | Mapping[str, Any]) -> NodeClass:
    """Return the class with the widgets that a node's saved values call for, in the order of the values."""
    if node_class.name == CUSTOM_COMBO and not isinstance(values, Mapping):
        return replace(node_class, widgets=(*node_class.widgets[:1], *_options(values)))
    if not any(widget.kind == DYNAMIC for widget in node_class.widgets):
        return node_class
    waiting, found, at = list(node_class.widgets), [], 0
    while waiting:
        widget = waiting.pop(0)
        found.append(widget)
        if widget.kind == DYNAMIC:
            if isinstance(values, Mapping):
                value = values.get(widget.name, widget.default)
            else:
                value = values[at] if at < len(values) else widget.default
            waiting[:0] = _brought(widget, value)
        at += widget.saved
    return replace(node_class, widgets=tuple(found))


def _options(values: Sequence[Any]) -> list[Widget]:
    """Return the place of the choice among the options, which nothing can set, and the options with the empty last."""
    filled = list(takewhile(bool, values[2:]))
    place = next((at for at, option in enumerate([*filled, ""]) if values and option == values[0]), -1)
    return [
        Widget("index", "FIXED", place),
        *(Widget(f"option{number}", "STRING", "") for number in range(1, len(filled) + 2)),
    ]


def choices(options: Mapping[str, Any]) -> list[Any]:
    """Return what a dynamic combo can be set to."""
    return [choice.get("key") for choice in options.get("options") or ()]


def _brought(widget: Widget, value: Any) -> list[Widget]:
    found: list[Widget] = []
    for choice in widget.options.get("options") or ():
        if choice.get("key") == value:
            for name, declared in inputs_of({"input": choice.get("inputs") or {}}).items():
                kind, options, _ = declared
                drawn = options.get("widgetType") or kind
                if drawn in WIDGET_TYPES and not forced(declared):
                    found += widgets_of(f"{widget.name}.{name}", drawn, options)
    return found
