"""Widget values as a browser holds and sends them: coercion, rounding, {a|b} choices and %name% replacements."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from .classes import UNDEFINED, Widget

MOST_DIGITS = 300  # a float holds no larger whole number
MOST_BRACES = 100  # alternatives within alternatives; each level is read again for the next

_COMMENT = re.compile(r"/\*[\s\S]*?\*/|//[^\n\r\u2028\u2029]*")
_UNSAFE = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')
_DATE = re.compile(r"dd?|MM?|hh?|mm?|ss?|yyy?y?")
_RANGE = {"min", "max", "step"}
_IGNORED = {"default", "forceInput", "defaultInput", "control_after_generate", "multiline", "tooltip", "dynamicPrompts"}
_ANNOTATION = re.compile(r"\[(input|output|temp)\]", re.IGNORECASE)


def accepted(spec: Widget, value: Any) -> Any:
    """Return `value` as the widget holds it: a text area keeps text, with plain line ends, some cannot be set."""
    if spec.kind == "FIXED":
        return spec.default
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
    return value + _suffix(value, folder) if isinstance(value, str) else ""


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


def number(value: Any) -> float:
    """Return `value` as JavaScript's Number() would; NaN for what is none."""
    if isinstance(value, bool | int | float):
        return value if not isinstance(value, bool) else int(value)
    if value is None:
        return 0
    try:
        return _as_number(value.strip()) if isinstance(value, str) else math.nan
    except ValueError:
        return math.nan


def _as_number(digits: str) -> float:
    if not digits:
        return 0
    return int(digits) if len(digits) < MOST_DIGITS and digits.lstrip("+-").isdecimal() else float(digits)


def changed(spec: Widget, value: Any) -> Any:
    """Return what a number widget makes of a value that is set on the canvas; other widgets keep it.

    It is rounded to the widget's step, as in useIntWidget.ts and useFloatWidget.ts.
    """
    if not spec.number:
        return value
    value = number(value)
    if not math.isfinite(value):
        return math.nan
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
    """Return a primitive's number brought into the range that its targets share, one target after the other.

    A target whose declaration does not go with those before it is passed over (nodeDefUtil.ts).
    """
    if not specs or not specs[0].number:
        return value
    base = specs[0]
    for spec in specs:
        joined = _joined(base, spec)
        if joined:
            base = joined
            held = number(value)
            value = changed(
                base, held if math.isnan(held) else min(max(held, base.options["min"]), base.options["max"])
            )
    return value


def _joined(one: Widget, other: Widget) -> Widget | None:
    """Return a widget of the shared range and step, or None when the two do not go together."""
    if one.kind != other.kind:
        return None
    low = max(spec.options.get("min", -math.inf) for spec in (one, other))
    high = min(spec.options.get("max", math.inf) for spec in (one, other))
    own = {key: value for key, value in one.options.items() if key not in _RANGE | _IGNORED}
    if low > high or own != {key: value for key, value in other.options.items() if key not in _RANGE | _IGNORED}:
        return None
    step = _common_multiple(one.options.get("step", 1), other.options.get("step", 1))
    return replace(one, options={**one.options, **other.options, "min": low, "max": high, "step": step})


def _common_multiple(one: float, other: float) -> float:
    a, b = one, other
    while b > 1e-9:
        a, b = b, math.fmod(a, b)
    return abs(one * other) / a if a and one != other else one


def round_half_up(value: float) -> int:
    """Round as JavaScript's Math.round does: halves towards positive infinity."""
    return math.floor(value + 0.5) if isinstance(value, float) else value


class UndecidedError(Exception):
    """A text offers {a|b} and nobody said how to choose."""


class NestedError(Exception):
    """Alternatives are nested more than MOST_BRACES deep."""


def choose(prompt: str, chance: random.Random | None, depth: int = 0) -> str:
    """Resolve {a|b} alternatives and strip comments (processDynamicPrompt in the frontend's formatUtil.ts).

    Raises UndecidedError when there is more than one alternative and `chance` is None, NestedError when they are nested
    too deeply; `depth` is how deep this one is.
    """
    if depth > MOST_BRACES:
        raise NestedError
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
            result.append(choose(chance.choice(options) if chance else options[0], chance, depth + 1))
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


def sent(value: Any) -> Any:
    """Return a value as the prompt carries it: lists wrapped, so that they are not taken for links, and no NaN."""
    if isinstance(value, list):
        return {"__value__": value}
    return None if isinstance(value, float) and not math.isfinite(value) else value
