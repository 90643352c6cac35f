"""What it means that our prompt and the frontend's are the same."""

from __future__ import annotations

from typing import Any


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
