"""The English labels of sockets and widgets, as the frontend saves them; a plain graph is kept without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .shelf import ROOT

WORDS = json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text("utf-8"))


def _slots(plain: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]], int, str]]:
    for node in plain["nodes"]:
        for side in ("inputs", "outputs"):
            for place, slot in enumerate(node[side]):
                known = WORDS.get(node["type"], {}).get(side, {})
                label = known.get(slot["name"] if side == "inputs" else str(place), {}).get("name", slot["name"])
                yield slot, node[side], place, label


def labelled(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a graph with the label of every slot: that of locales/en, or else its name."""
    for slot, side, place, label in _slots(plain):
        side[place] = {"localized_name": label, **{key: slot[key] for key in slot if key != "localized_name"}}
    return plain


def without_labels(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a graph without them."""
    for slot, *_ in _slots(plain):
        slot.pop("localized_name", None)
    return plain
