"""JSON as a host sends it, read within limits.json.

A host may honestly send what strict JSON has not: NaN and infinities (a widget without a largest value), whole numbers
beyond 64 bit, and halves of surrogate pairs (a model file whose name is not UTF-8). These are taken; what would exhaust
the memory or the stack is not.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ...portrait.reading import deeper
from .limits import most

_WEIGHTS = (b",", b":", b"[", b"{")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
# Whole pairs and every other escape are passed over, so that the u of an escaped backslash is not taken for one.
_ESCAPE = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)


class WeightError(ValueError):
    """The text holds more values than limits.json allows."""


def parse(data: bytes) -> Any:
    """Return what JSON text in UTF-8 stands for.

    Raises ValueError when it is none or is nested too deeply, WeightError when it holds too much.
    """
    if len(data) > most("answer") or sum(map(data.count, _WEIGHTS)) > most("values"):
        raise WeightError("it holds more than a host ever sends")
    if not data.isascii() and len(data) * 4 > most("answer"):  # one emoji, and every letter takes four bytes
        raise WeightError("it holds more than a host ever sends")
    text = data.decode("utf-8")
    if _HALF.search(text) and any(found[1] for found in _ESCAPE.finditer(text)):
        text = _ESCAPE.sub(lambda found: r"\ufffd" if found[1] else found[0], text)
    try:
        value = _decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if deeper(value, most("depth")):
        raise ValueError("it is nested too deeply")
    return value


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= most("digits") else float(digits)


_decode = json.JSONDecoder(parse_int=_whole).decode
