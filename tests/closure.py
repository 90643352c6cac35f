"""What source files import, followed from file to file without running anything."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def imported(file: Path, root: Path = ROOT) -> set[str]:
    """Dotted names of all that a file imports; relative imports are resolved against the repository's root."""
    package = file.relative_to(root).parent.parts
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            parts = [*base, *(node.module.split(".") if node.module else [])]
            names |= {".".join([*parts, alias.name]) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def closure(starts: Iterable[Path], root: Path = ROOT) -> set[Path]:
    """The files that come with `starts`: their imports within the repository, and the packages around each."""
    seen: set[Path] = set()
    waiting = list(starts)
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        waiting += [folder / "__init__.py" for folder in file.parents if root in folder.parents]
        waiting += [path for name in imported(file, root) for path in _files(root, name)]
        waiting = [path for path in waiting if path.is_file()]
    return seen


def _files(root: Path, name: str) -> Iterator[Path]:
    """A dotted name is a module, a package, or something inside of either."""
    parts = name.removeprefix("portrait_studio.").split(".")
    for count in (len(parts), len(parts) - 1):
        place = root.joinpath(*parts[:count])
        if count and place != root:
            yield from (place.with_suffix(".py"), place / "__init__.py")


def foreign(files: Iterable[Path], root: Path = ROOT) -> dict[str, set[str]]:
    """The top-level modules that `files` import and that are neither Python's nor ours, with the files that do."""
    ours = {path.stem for path in root.iterdir()} | {"portrait_studio"}
    found: dict[str, set[str]] = {}
    for file in files:
        for name in imported(file, root):
            top = name.split(".")[0]
            if top and top not in sys.stdlib_module_names and top not in ours:
                found.setdefault(top, set()).add(file.relative_to(root).as_posix())
    return found
