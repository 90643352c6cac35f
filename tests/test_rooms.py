"""The rooms of the house, computed from the imports of every file: which is above which, and no circle anywhere.

An import counts wherever it stands: at the top, inside a function, or under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from .closure import ROOT

PACKAGES = ("nodes", "portrait", "runner", "service", "trainer", "pocket")
FLOORS = (
    ("commands",),
    ("doctor", "fleet", "session"),
    ("assets", "batch", "demo"),
    ("jobs",),
    ("graph",),
    ("client", "scheduling"),
)
"""The rooms of runner/ from the top down; rooms of one floor do not know each other."""


def modules(root: Path, packages: Iterable[str]) -> dict[str, Path]:
    """The dotted name of every module under `packages`; a package goes by its own name."""
    found = {}
    for package in packages:
        for file in sorted((root / package).rglob("*.py")):
            parts = file.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(known: Mapping[str, Path]) -> dict[str, set[tuple[str, str]]]:
    """What each module imports of the others: (module, name), the name empty where the module itself is imported."""
    found: dict[str, set[tuple[str, str]]] = {}
    for module, file in known.items():
        package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
        found[module] = set()
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                source = ".".join([*base, *(node.module.split(".") if node.module else [])])
                source = source.removeprefix("portrait_studio.")
                for alias in node.names:
                    inner = f"{source}.{alias.name}" if source else alias.name
                    if inner in known:
                        found[module].add((inner, ""))
                    elif source in known:
                        found[module].add((source, alias.name))
            elif isinstance(node, ast.Import):
                names = [alias.name.removeprefix("portrait_studio.") for alias in node.names]
                found[module] |= {(name, "") for name in names if name in known}
    return found


def circles(needs: Mapping[str, set[str]]) -> list[frozenset[str]]:
    """Every circle there is, each found after the ones before it are cut."""
    left = {module: set(others) - {module} for module, others in needs.items()}
    found = []
    while True:
        try:
            graphlib.TopologicalSorter(left).prepare()
            return found
        except graphlib.CycleError as error:
            path = error.args[1]
            found.append(frozenset(path))
            left[path[1]].discard(path[0])


def room_of(module: str) -> str:
    """The room of runner/ that a module is in; empty for runner/__init__ and __main__, which stand outside."""
    parts = module.split(".")
    rooms = {room for floor in FLOORS for room in floor}
    return parts[1] if parts[0] == "runner" and len(parts) > 1 and parts[1] in rooms else ""


def floor_of(room: str) -> int:
    """The floor of a room, 0 at the top."""
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def built(needs: Mapping[str, set[str]]) -> tuple[tuple[str, ...], ...]:
    """The floors as the imports make them, from the top down: a room stands right above the highest that it needs."""
    height: dict[str, int] = {}
    for room in graphlib.TopologicalSorter(needs).static_order():
        height[room] = 1 + max((height[other] for other in needs[room]), default=0)
    top = max(height.values())
    return tuple(tuple(sorted(room for room in height if height[room] == floor)) for floor in range(top, 0, -1))


KNOWN = modules(ROOT, PACKAGES)
IMPORTS = imports(KNOWN)


def test_no_module_imports_itself_in_a_circle():
    assert circles({module: {other for other, _ in others} for module, others in IMPORTS.items()}) == []


def test_every_module_of_the_runner_is_in_a_room():
    outside = {module for module in KNOWN if module.startswith("runner") and not room_of(module)}
    assert outside == {"runner", "runner.__main__"}
    assert {room for floor in FLOORS for room in floor} == {
        file.parent.name for file in (ROOT / "runner").glob("*/__init__.py")
    }


def test_in_the_runner_every_arrow_points_down():
    arrows = {
        (module, other)
        for module, others in IMPORTS.items()
        for other, _ in others
        if room_of(module) and room_of(other) and room_of(module) != room_of(other)
    }
    assert len(arrows) > 40
    upward = {(one, other) for one, other in arrows if floor_of(room_of(one)) >= floor_of(room_of(other))}
    assert not upward


def test_the_runner_has_the_six_floors_that_its_imports_make():
    needs: dict[str, set[str]] = {room: set() for floor in FLOORS for room in floor}
    for module, others in IMPORTS.items():
        if room := room_of(module):
            needs[room] |= {room_of(other) for other, _ in others} - {room, ""}
    assert built(needs) == FLOORS
    assert len(FLOORS) == 6


def test_nobody_reaches_past_the_door_of_a_room():
    past = set()
    for module, others in IMPORTS.items():
        for other, name in others:
            room = room_of(other)
            if not room or room == room_of(module):
                continue
            public = exported(KNOWN[f"runner.{room}"])
            whole = other == f"runner.{room}"
            if not (name in public if whole and name else whole or other.split(".")[2:] in [[one] for one in public]):
                past.add((module, other, name))
    assert not past


def exported(file: Path) -> set[str]:
    """The names in a module's `__all__`."""
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


@pytest.mark.parametrize("room", [room for floor in FLOORS for room in floor])
def test_a_room_says_what_it_is_for_and_what_others_may_use(room):
    file = KNOWN[f"runner.{room}"]
    assert ast.get_docstring(ast.parse(file.read_text("utf-8")))
    assert exported(file)


def test_the_checks_see_a_circle_and_a_climb(tmp_path):
    """The functions above, on a house that is built wrong."""
    (tmp_path / "runner" / "client").mkdir(parents=True)
    (tmp_path / "runner" / "jobs").mkdir()
    (tmp_path / "runner" / "jobs" / "__init__.py").write_text("")
    (tmp_path / "runner" / "jobs" / "job.py").write_text("from ..client.errors import Lost\n")
    (tmp_path / "runner" / "client" / "errors.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..jobs.job import Result\n"
    )
    found = imports(modules(tmp_path, ["runner"]))
    assert found["runner.client.errors"] == {("runner.jobs.job", "Result")}
    assert circles({module: {other for other, _ in others} for module, others in found.items()}) == [
        frozenset({"runner.jobs.job", "runner.client.errors"})
    ]
