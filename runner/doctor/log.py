"""Why packs failed to load, read from what ComfyUI wrote while it started (nodes.py: load_custom_node)."""

from __future__ import annotations

import re
from pathlib import PureWindowsPath

from .host_facts import Failure

_TRACEBACK = "Traceback (most recent call last):"
_CHAINED = ("another exception occurred:", "the direct cause of the following exception:")
_IMPORT = re.compile(r"Cannot import (?P<path>.+?) module for custom nodes: ?(?P<reason>.*)")
_OTHERS = (
    re.compile(r"Error while calling comfy_entrypoint in (?P<path>.+?): (?P<reason>.*)"),
    re.compile(r"comfy_entrypoint in (?P<path>.+?) (?P<reason>is not callable|did not return .*?), skipping"),
    re.compile(
        r"Skip (?P<path>.+?) module for custom nodes due to (?P<reason>the lack of .*?)\s*(?:\(need one\)\.)?$", re.M
    ),
)
UNEXPLAINED = "the host lists it as IMPORT FAILED"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # newer hosts colour the level that they put before a message
_LISTED = re.compile(r"seconds \(IMPORT FAILED\): (?P<path>.+)")


def failures(log: str) -> dict[str, Failure]:
    """Return why packs could not be loaded, by the name of their folder; what came last in the log counts."""
    log = _COLOUR.sub("", log)
    found: dict[str, Failure] = {}
    for match in _LISTED.finditer(log):
        found.setdefault(_folder(match["path"]), Failure(UNEXPLAINED))
    for pattern in _OTHERS:
        for match in pattern.finditer(log):
            found[_folder(match["path"])] = Failure(match["reason"].strip())
    for match in _IMPORT.finditer(log):
        traceback = _traceback(log[: log.rfind("\n", 0, match.start()) + 1])  # without the level on the match's line
        reason = match["reason"].strip() or (traceback.splitlines() or ["no reason given"])[-1]
        found[_folder(match["path"])] = Failure(reason, traceback)
    return found


def tells_of_a_start(log: str) -> bool:
    """Say whether the log still has the part in which packs are loaded."""
    return "Import times for custom nodes" in log


def _folder(path: str) -> str:
    return PureWindowsPath(path.strip()).name  # takes both kinds of slashes


def _traceback(before: str) -> str:
    """Return the traceback that ends a piece of log, with those of the exceptions that led to it."""
    start = before.rfind(_TRACEBACK)
    while start > 0 and before[:start].rstrip().endswith(_CHAINED):
        start = before.rfind(_TRACEBACK, 0, start)
    return before[start:].strip() if start >= 0 else ""
