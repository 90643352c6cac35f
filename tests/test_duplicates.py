"""No two places share more than twelve lines of the same shape: what is done twice has one function.

The shape of a line is the line with every name, string and number replaced. Schemas of nodes and declarations (what
stands in a class or a module outside functions) are alike by nature and do not count, nor do imports and docstrings.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterator
from pathlib import Path

from .archive import tracked

ROOT = Path(__file__).parents[1]
MOST = 12
SCHEMAS = ("define_schema",)
TABLES = "service/storage/migrations/"  # the tables of a database, declared in functions

PART = re.compile(r"""#.*|\s+|"[^"]*"|'[^']*'|[^\W\d]\w*|\d[\w.]*""")

Place = tuple[str, int]


def counted(tree: ast.Module) -> set[int]:
    """The lines of statements inside functions, without schemas, imports and docstrings."""
    lines: set[int] = set()

    def walk(node: ast.AST, inside: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                if child.name not in SCHEMAS:
                    lines.update(range(child.lineno, child.body[0].lineno))
                    walk(child, True)
                continue
            if inside and isinstance(child, ast.stmt) and not _passed_over(child):
                lines.update(range(child.lineno, (child.end_lineno or child.lineno) + 1))
            walk(child, inside)

    walk(tree, False)
    return lines


def _passed_over(statement: ast.stmt) -> bool:
    imports = isinstance(statement, ast.Import | ast.ImportFrom)
    return imports or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))


def shapes(source: str) -> Iterator[tuple[int, str]]:
    """Yield line number and shape of every line that counts; lines of brackets alone are passed over."""
    wanted = counted(ast.parse(source))
    for number, line in enumerate(source.splitlines(), 1):
        if number in wanted and (shape := PART.sub(_replaced, line).strip()).strip("()[]{},: "):
            yield number, shape


def _replaced(part: re.Match[str]) -> str:
    word = part[0]
    if keyword.iskeyword(word):
        return word
    return "" if word[0] in "# " else "S" if word[0] in "\"'" else "0" if word[0].isdigit() else "N"


def repeated(sources: dict[str, str]) -> list[tuple[Place, Place]]:
    """Pairs of places at which more than MOST lines of the same shape begin."""
    first: dict[tuple[str, ...], Place] = {}
    found = []
    for name, source in sources.items():
        rows = list(shapes(source))
        for at in range(len(rows) - MOST):
            run = tuple(shape for _, shape in rows[at : at + MOST + 1])
            here = (name, rows[at][0])
            before = first.setdefault(run, here)
            if before[0] != name or rows[at][0] > before[1] + 2 * MOST:
                found.append((before, here))
    return found


def test_no_two_places_share_more_than_twelve_lines_of_the_same_shape():
    files = {file.relative_to(ROOT).as_posix(): file.read_text("utf-8") for file in tracked() if file.suffix == ".py"}
    files = {name: text for name, text in files.items() if not name.startswith(TABLES)}
    assert len(files) > 400
    assert repeated(files) == []


def test_a_function_that_is_written_twice_is_found_under_other_names():
    body = "".join(f"    a{number} = call(b{number}, {number})\n    a{number}.add('x')\n" for number in range(7))
    other = body.replace("call", "ask").replace("b", "given").replace("'x'", "'y'")
    assert repeated({"one.py": f"def f():\n{body}", "two.py": f"def g():\n{other}"})
    assert not repeated({"one.py": f"def f():\n{body}", "two.py": f"def define_schema():\n{other}"})
    assert not repeated({"one.py": body.replace("    ", ""), "two.py": other.replace("    ", "")}), "declarations"
