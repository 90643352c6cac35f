"""A graph's public parameters, stages and requirements, as `extra.portrait_studio` declares them (schema.json)."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .document import GraphError, UIGraph
from .shape import complaints

_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One public knob: the inputs it sets as (node id, input), and what it accepts.

    `min` and `max` bound INT and FLOAT, ends included; `choices` are those of a COMBO, empty when the host decides;
    `help` is by language.
    """

    name: str
    type: str
    targets: tuple[tuple[str, str], ...]
    min: float | None = None
    max: float | None = None
    choices: tuple[str | float, ...] = ()
    default: str | float | bool | None = None
    help: Mapping[str, str] = field(default_factory=dict)

    @property
    def range(self) -> str:
        """What it accepts, in a few characters for a table."""
        if self.choices:
            return ", ".join(map(str, self.choices))
        if self.min is None and self.max is None:
            return ""
        return f"{_bound(self.min)}..{_bound(self.max)}"

    def accept(self, value: Any) -> Any:
        """Return `value` in the parameter's type; text, as from a command line, is read.

        Raises GraphError when it is of another type, out of range or no choice.
        """
        read = {"INT": _integer, "FLOAT": _number, "BOOLEAN": _truth, "STRING": _words, "COMBO": self._choice}[
            self.type
        ]
        try:
            accepted = read(value)
        except (ValueError, TypeError, OverflowError):
            wanted = {"INT": "a whole number", "FLOAT": "a number", "BOOLEAN": "true or false", "STRING": "text"}
            raise GraphError(f"Parameter {self.name!r} takes {wanted[self.type]}, not {value!r}.") from None
        if self.min is not None and accepted < self.min:
            raise GraphError(f"Parameter {self.name!r} is {accepted}, below its least value {_bound(self.min)}.")
        if self.max is not None and accepted > self.max:
            raise GraphError(f"Parameter {self.name!r} is {accepted}, above its greatest value {_bound(self.max)}.")
        return accepted

    def _choice(self, value: Any) -> Any:
        for choice in self.choices:
            if str(choice) == str(value) and not isinstance(value, bool):
                return choice
        if not self.choices and isinstance(value, str):
            return value
        raise GraphError(
            f"Parameter {self.name!r} has no choice {value!r}{nearest(str(value), map(str, self.choices))}."
        )


@dataclass(frozen=True, slots=True)
class DeclaredStage:
    """A step that a person knows by name; `image` and `likeness` are node ids, empty when there is none."""

    name: str
    title: Mapping[str, str]
    image: str
    likeness: str
    nodes: tuple[str, ...]


@cache
def schema() -> dict[str, Any]:
    """Return schema.json."""
    return json.loads((Path(__file__).parent / "schema.json").read_text("utf-8"))


def declared(graph: UIGraph) -> dict[str, Any]:
    """Return `extra.portrait_studio` after checking it against the schema, or an empty mapping when there is none.

    Raises GraphError for the first thing that is wrong with it.
    """
    extra = graph.data.get("extra")
    if not isinstance(extra, dict) or "portrait_studio" not in extra:
        return {}
    studio = extra["portrait_studio"]
    for complaint in complaints(studio, schema(), schema(), "extra.portrait_studio"):
        raise GraphError(f"{graph.source}: {complaint}.")
    for family, values in studio.get("families", {}).items():
        for name in sorted(set(values) - set(studio.get("parameters", {}))):
            raise GraphError(f"{graph.source}: the family {family!r} sets {name!r}, which is not a parameter.")
    for node in _mentioned(studio):
        if not has_node(graph, node):
            raise GraphError(f"{graph.source}: extra.portrait_studio names node {node}, which is not in the graph.")
    return studio


def parameters(graph: UIGraph) -> dict[str, Parameter]:
    """Return the graph's public parameters by name, in the order they are declared.

    Raises GraphError when the declaration breaks the schema, names nodes that are not there, or a default is refused.
    """
    found = {}
    for name, entry in declared(graph).get("parameters", {}).items():
        parameter = Parameter(
            name=name,
            type=entry["type"],
            targets=tuple((str(target["node"]), target["input"]) for target in entry["targets"]),
            min=entry.get("min"),
            max=entry.get("max"),
            choices=tuple(entry.get("choices", ())),
            default=entry.get("default"),
            help=entry.get("help", {}),
        )
        if parameter.type not in ("INT", "FLOAT") and (parameter.min, parameter.max) != (None, None):
            raise GraphError(f"{graph.source}: parameter {name!r} is {parameter.type}, which has no min or max.")
        if parameter.type != "COMBO" and parameter.choices:
            raise GraphError(f"{graph.source}: parameter {name!r} is {parameter.type}, which has no choices.")
        if parameter.default is not None:
            parameter.accept(parameter.default)
        found[name] = parameter
    return found


def stages(graph: UIGraph) -> tuple[DeclaredStage, ...]:
    """Return the graph's stages in order. Raises GraphError as `declared` does, and for two of one name."""
    found = tuple(
        DeclaredStage(
            name=entry["name"],
            title=entry.get("title", {}),
            image=str(entry.get("image", "")),
            likeness=str(entry.get("likeness", "")),
            nodes=tuple(map(str, entry.get("nodes", ()))),
        )
        for entry in declared(graph).get("stages", ())
    )
    names = [stage.name for stage in found]
    for name in names:
        if names.count(name) > 1:
            raise GraphError(f"{graph.source}: two stages are called {name!r}.")
    return found


def photo_input(graph: UIGraph) -> tuple[str, str] | None:
    """Return the (node id, input) that takes the photos' names, or None when the graph takes none."""
    photos = declared(graph).get("photos")
    return (str(photos["node"]), photos["input"]) if photos else None


def apply(
    prompt: Mapping[str, Any], known: Mapping[str, Parameter], settings: Mapping[str, Any], source: str = "graph"
) -> dict[str, Any]:
    """Return a copy of an API prompt with the parameters in `settings` set; text is read as the parameter's type.

    Raises GraphError for an unknown name (with the nearest ones), a value that is refused, or a target that the prompt
    does not have or that another node feeds.
    """
    changed = deepcopy(dict(prompt))
    for name, value in settings.items():
        if name not in known:
            raise GraphError(f"{source} has no parameter {name!r}{nearest(name, known)}.")
        accepted = known[name].accept(value)
        for node, key in known[name].targets:
            if node not in changed:
                raise GraphError(
                    f"Parameter {name!r} sets node {node}, which is muted, bypassed or unused in {source}."
                )
            inputs = changed[node].setdefault("inputs", {})
            if isinstance(inputs.get(key), list):
                raise GraphError(
                    f"Parameter {name!r} sets {key!r} of node {node}, which another node feeds in {source}."
                )
            inputs[key] = accepted
    return changed


def has_node(graph: UIGraph, path: str) -> bool:
    """Say whether a node id, or colon-joined ids through subgraphs, leads to a node."""
    level = graph.root
    *outer, last = path.split(":")
    for step in outer:
        node = level.nodes.get(step)
        if node is None or node.type not in graph.subgraphs:
            return False
        level = graph.subgraphs[node.type]
    return last in level.nodes


def nearest(name: str, known: Any) -> str:
    """Return words to append to "there is no ...": the names most like it, or a few of those there are."""
    names = list(known)
    close = difflib.get_close_matches(name, names, 3)
    if close:
        return f"; nearest: {', '.join(map(repr, close))}"
    if not names:
        return "; there are none"
    return f"; there are {', '.join(map(repr, names[:8]))}{', ...' if len(names) > 8 else ''}"


def _mentioned(studio: Mapping[str, Any]) -> list[str]:
    nodes: list[Any] = [
        target["node"] for entry in studio.get("parameters", {}).values() for target in entry["targets"]
    ]
    for stage in studio.get("stages", ()):
        nodes += [stage[key] for key in ("image", "likeness") if key in stage] + list(stage.get("nodes", ()))
    if "photos" in studio:
        nodes.append(studio["photos"]["node"])
    nodes += [model["node"] for model in studio.get("requires", {}).get("models", ()) if "node" in model]
    return [str(node) for node in nodes]


def _bound(value: float | None) -> str:
    """Return a bound as people write it: a whole number in full, no digits for none."""
    if value is None:
        return ""
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError
        return int(value)
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise ValueError


def _words(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
