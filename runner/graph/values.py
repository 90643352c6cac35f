"""Widget values as a browser holds and sends them: coercion, rounding, {a|b} choices and %name% replacements."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from .classes import UNDEFINED, Widget

_COMMENT = re.compile(r"/\*[\s\S]*?\*/|//[^\n\r\u2028\u2029]*")
_UNSAFE = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')
_DATE = re.compile(r"dd?|MM?|hh?|mm?|ss?|yyy?y?")
_ANNOTATION = re.compile(r"\[(input|output|temp)\]", re.IGNORECASE)


def accepted(spec: Widget, value: Any) -> Any:
    """Return `value` as the widget holds it: a text area keeps text, with plain line ends."""
    if spec.kind == "TEXT":
        return "" if value is None or value is UNDEFINED else text(value).replace("\r\n", "\n").replace("\r", "\n")
    return value


def exposed(spec: Widget, value: Any) -> Any:
    """Return what the widget answers when asked; an upload widget names one file, with its folder if not input."""
    if spec.kind != "FILE":
        return value
    if not value:
        return text(spec.default)
    folder = spec.options.get("image_folder") or "input"
    if isinstance(value, list):
        if spec.options.get("allow_batch"):
            return [_annotated(item, folder) for item in value]
        value = value[0]
    return _annotated(value, folder)


def _annotated(value: Any, folder: str) -> Any:
    if isinstance(value, dict):
        path = "/".join(part for part in (value.get("subfolder"), value.get("filename") or "") if part)
        return path + _suffix(path, value.get("type") or "input")
    return value + _suffix(value, folder) if isinstance(value, str) else value


def _suffix(path: str, folder: str) -> str:
    return f" [{folder}]" if folder != "input" and not _ANNOTATION.search(path) else ""


def text(value: Any) -> str:
    """Return `value` as JavaScript prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if isinstance(value, list):
        return ",".join("" if item is None else text(item) for item in value)
    if value is UNDEFINED:
        return "undefined"
    return "[object Object]" if isinstance(value, dict) else str(value)


def changed(spec: Widget, value: Any) -> Any:
    """Return what a number widget makes of a value set on the canvas: rounded to its step (useIntWidget.ts and
    useFloatWidget.ts); other widgets keep it."""
    if not spec.number or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    options = spec.options
    if spec.kind == "INT":
        step = options.get("step") or 1
        if step == 1:
            return round_half_up(value)
        offset = math.fmod(options.get("min") or 0, step)
        return round_half_up((value - offset) / step) * step + offset
    step = options.get("step", 0.5)
    precision = max(0, -math.floor(math.log10(step))) if step else 0
    unit = options.get("round") or (10.0**-precision if precision else None)
    if not unit:
        return value
    rounded = float(f"{round_half_up(value / unit) * unit:.{precision}f}")
    return min(max(rounded, options.get("min", 0)), options.get("max", 2048))


def merged(value: Any, specs: Sequence[Widget]) -> Any:
    """Return a primitive's number held inside the range that all its targets share."""
    numbers = [spec for spec in specs if spec.number]
    if not numbers or len(numbers) != len(specs) or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    low = max(spec.options.get("min", -math.inf) for spec in numbers)
    high = min(spec.options.get("max", math.inf) for spec in numbers)
    if low > high:
        return value
    return changed(numbers[0], min(max(value, low), high))


def round_half_up(value: float) -> int:
    """Round as JavaScript's Math.round does: halves towards positive infinity."""
    return math.floor(value + 0.5) if isinstance(value, float) else value


class UndecidedError(Exception):
    """A text offers {a|b} and nobody said how to choose."""


def choose(prompt: str, chance: random.Random | None) -> str:
    """Resolve {a|b} alternatives and strip comments (processDynamicPrompt in the frontend's formatUtil.ts).

    Raises UndecidedError when there is more than one alternative and `chance` is None.
    """
    source = _COMMENT.sub("", prompt)
    result: list[str] = []
    at = 0
    while at < len(source):
        char = source[at]
        at += 1
        if char == "\\":
            result.append("\\" + (source[at] if at < len(source) else "undefined"))
            at += 1
        elif char == "{":
            options, at = _alternatives(source, at)
            if len(options) > 1 and chance is None:
                raise UndecidedError
            result.append(choose(chance.choice(options) if chance else options[0], chance))
        else:
            result.append(char)
    return re.sub(r"\\([{}|])", r"\1", "".join(result))


def _alternatives(source: str, at: int) -> tuple[list[str], int]:
    options: list[str] = []
    current: list[str] = []
    depth = 0
    while at < len(source):
        char = source[at]
        at += 1
        if char == "\\":
            current.append("\\" + (source[at] if at < len(source) else "undefined"))
            at += 1
            continue
        if char == "{":
            depth += 1
        elif char == "}":
            if not depth:
                break
            depth -= 1
        elif char == "|" and not depth:
            options.append("".join(current))
            current = []
            continue
        current.append(char)
    return [*options, "".join(current)], at


def replace_names(template: str, find: Callable[[str, str], Any], now: datetime) -> str:
    """Replace %date:format% and %node.widget% in a file name; `find` answers a widget's value or raises KeyError."""

    def one(match: re.Match[str]) -> str:
        inside = match.group(1)
        parts = inside.split(".")
        if len(parts) != 2:
            return date(parts[0][5:], now) if parts[0].startswith("date:") else match.group(0)
        try:
            value = find(parts[0], parts[1])
        except KeyError:
            return match.group(0)
        return _UNSAFE.sub("_", "" if value is None or value is UNDEFINED else text(value))

    return re.sub(r"%([^%]+)%", one, template)


def date(form: str, now: datetime) -> str:
    """Write a date in the frontend's letters: yyyy, yy, MM, dd, hh, mm, ss and their one-letter forms."""
    parts = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}

    def one(match: re.Match[str]) -> str:
        letters = match.group(0)
        if letters[0] in parts:
            return str(parts[letters[0]]).zfill(len(letters))
        return {"yy": str(now.year)[2:], "yyyy": str(now.year)}.get(letters, letters)

    return _DATE.sub(one, form)


def sent(values: Iterable[Any]) -> Any:
    """Return a list as the prompt carries it: wrapped, so that it is not taken for a link."""
    return {"__value__": list(values)}
