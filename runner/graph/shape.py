"""Checks data against a JSON Schema (draft 2020-12, the keywords of schema.json) and says in words what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
_ANNOTATIONS = {"$schema", "$defs", "title", "description"}


def complaints(data: Any, schema: Mapping[str, Any], root: Mapping[str, Any], where: str) -> Iterator[str]:
    """Yield one phrase for each place where `data` breaks `schema`; `root` holds its `$defs`.

    Raises ValueError for a keyword that is not implemented here, so that no rule of a schema goes unheeded.
    """
    for keyword, rule in schema.items():
        if keyword in _ANNOTATIONS:
            continue
        check = _KEYWORDS.get(keyword)
        if check is None:
            raise ValueError(f"schema keyword {keyword!r} is not implemented")
        yield from check(data, rule, schema, root, where)
        if keyword == "type" and not _is(data, rule):
            return


def _is(data: Any, rule: Any) -> bool:
    names = [rule] if isinstance(rule, str) else rule
    if isinstance(data, bool):
        return "boolean" in names
    return any(isinstance(data, _TYPES[name]) for name in names if name != "boolean")


def _type(data: Any, rule: Any, _schema: Any, _root: Any, where: str) -> Iterator[str]:
    if not _is(data, rule):
        yield f"{where} must be {rule if isinstance(rule, str) else ' or '.join(rule)}, not {_short(data)}"


def _ref(data: Any, rule: str, _schema: Any, root: Any, where: str) -> Iterator[str]:
    yield from complaints(data, root["$defs"][rule.removeprefix("#/$defs/")], root, where)


def _required(data: Any, rule: list, _schema: Any, _root: Any, where: str) -> Iterator[str]:
    yield from (f"{where} lacks {name!r}" for name in rule if isinstance(data, dict) and name not in data)


def _properties(data: Any, rule: Mapping, _schema: Any, root: Any, where: str) -> Iterator[str]:
    for name, inner in rule.items():
        if isinstance(data, dict) and name in data:
            yield from complaints(data[name], inner, root, f"{where}.{name}")


def _additional(data: Any, rule: Any, schema: Mapping, root: Any, where: str) -> Iterator[str]:
    known = schema.get("properties", {})
    for name in [name for name in data if name not in known] if isinstance(data, dict) else ():
        if rule is False:
            yield f"{where} has the unknown key {name!r} (known: {', '.join(known)})"
        else:
            yield from complaints(data[name], rule, root, f"{where}.{name}")


def _names(data: Any, rule: Any, _schema: Any, root: Any, where: str) -> Iterator[str]:
    for name in data if isinstance(data, dict) else ():
        yield from complaints(name, rule, root, f"the name {name!r} in {where}")


def _items(data: Any, rule: Any, _schema: Any, root: Any, where: str) -> Iterator[str]:
    for index, item in enumerate(data if isinstance(data, list) else ()):
        yield from complaints(item, rule, root, f"{where}[{index}]")


def _enum(data: Any, rule: list, _schema: Any, _root: Any, where: str) -> Iterator[str]:
    if data not in rule:
        yield f"{where} must be one of {', '.join(map(str, rule))}, not {_short(data)}"


def _pattern(data: Any, rule: str, _schema: Any, _root: Any, where: str) -> Iterator[str]:
    if isinstance(data, str) and not re.search(rule, data):
        yield f"{where} is {_short(data)}, which does not match {rule}"


def _min_length(data: Any, rule: int, _schema: Any, _root: Any, where: str) -> Iterator[str]:
    if isinstance(data, str) and len(data) < rule:
        yield f"{where} is empty"


def _min_items(data: Any, rule: int, _schema: Any, _root: Any, where: str) -> Iterator[str]:
    if isinstance(data, list) and len(data) < rule:
        yield f"{where} needs {rule} or more entries"


def _minimum(data: Any, rule: float, _schema: Any, _root: Any, where: str) -> Iterator[str]:
    if isinstance(data, int | float) and data < rule:
        yield f"{where} is {data}, below {rule}"


def _short(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 60 else text[:57] + "..."


_KEYWORDS = {
    "type": _type,
    "$ref": _ref,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _names,
    "items": _items,
    "enum": _enum,
    "pattern": _pattern,
    "minLength": _min_length,
    "minItems": _min_items,
    "minimum": _minimum,
}
