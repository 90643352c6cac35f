"""What it means that our prompt and the frontend's are the same."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

# What newer frontends decide otherwise and the conversion does not follow, by feature graph.
OTHERWISE = {
    "renamed_classes": "they send a class that was renamed without its name",
    "primitives_that_hold_no_number": "a combo keeps its value where a primitive holds none",
}


def same(ours: Any, theirs: Any) -> bool:
    """Tell whether two JSON values are equal in a browser's eyes: 1 is 1.0, but never true."""
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return float(ours) == float(theirs)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == theirs


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Return one line for each node that differs, and one for the order; titles are labels and are not compared."""
    lines = [f"node {key} is missing" for key in theirs if key not in ours]
    lines += [f"node {key} is not in the frontend's prompt" for key in ours if key not in theirs]
    for key in theirs:
        if key not in ours:
            continue
        for part in ("class_type", "inputs"):
            if not same(ours[key].get(part), theirs[key].get(part)):
                lines.append(f"node {key}: {part} {ours[key].get(part)!r} should be {theirs[key].get(part)!r}")
    if not lines and list(ours) != list(theirs):
        lines.append(f"the order {list(ours)} should be {list(theirs)}")
    return lines


def differences_in_meaning(ours: dict[str, Any], theirs: dict[str, Any], info: Mapping[str, Any]) -> list[str]:
    """Return a line for each node of one prompt whose like the other lacks: same class, values and nodes before it.

    For frontends newer than the one that we convert as. They number the nodes of subgraphs again where two have one id,
    leave out widgets of their own that no node asks for, and keep a text's line ends, or a number where a text belongs;
    a host does the same with both.
    """
    mine, wanted = (Counter(_meanings(prompt, info)) for prompt in (ours, theirs))
    return [f"missing: {one}" for one in (wanted - mine)] + [f"not the frontend's: {one}" for one in (mine - wanted)]


def _meanings(prompt: dict[str, Any], info: Mapping[str, Any]) -> list[str]:
    """Return a text for each node, with those of the nodes before it as hashes in place of their ids."""
    known: dict[str, str] = {}

    def meaning(key: str, above: tuple[str, ...] = ()) -> str:
        if key in above or key not in prompt:
            return "nowhere"
        if key not in known:
            kind, given = prompt[key].get("class_type"), {}
            for name, value in prompt[key].get("inputs", {}).items():
                if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
                    source = meaning(value[0], (*above, key))
                    given[name] = [hashlib.sha256(source.encode()).hexdigest()[:12], value[1]]
                elif value != "" or name in _inputs(info, kind):
                    given[name] = _plain(value, _inputs(info, kind).get(name))
            known[key] = json.dumps([kind, given], sort_keys=True)
        return known[key]

    return [meaning(key) for key in prompt]


def _inputs(info: Mapping[str, Any], kind: str | None) -> dict[str, Any]:
    given = info.get(kind or "", {}).get("input", {})
    return {name: spec[0] for part in ("required", "optional") for name, spec in (given.get(part) or {}).items()}


def _plain(value: Any, kind: Any) -> Any:
    if isinstance(value, str) or kind == "STRING":
        return str(value).replace("\r\n", "\n").replace("\r", "\n")
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
