"""Graphs without a browser: read, convert, parametrise and check them before anything is queued."""

from .checking import Problem, check, check_prompt
from .classes import NodeClasses
from .conversion import is_link, prompt_cycle, prune, to_api
from .document import BYPASS, MUTED, GraphError, UIGraph, is_api
from .families import with_family
from .migration import Migration, identity, migrate, refuse_surplus
from .parameters import DeclaredStage, Parameter, apply, declared, parameters, photo_input, stages
from .parsing import parse, read
from .shelf import advice, located, newest
from .widgets import levels, nodes_by_path, shipped_orders, shown_value, value_of
from .writing import in_lines

__all__ = [
    "BYPASS",
    "MUTED",
    "DeclaredStage",
    "GraphError",
    "Migration",
    "NodeClasses",
    "Parameter",
    "Problem",
    "UIGraph",
    "advice",
    "apply",
    "check",
    "check_prompt",
    "declared",
    "identity",
    "in_lines",
    "is_api",
    "is_link",
    "levels",
    "located",
    "migrate",
    "newest",
    "nodes_by_path",
    "parameters",
    "parse",
    "photo_input",
    "prompt_cycle",
    "prune",
    "read",
    "refuse_surplus",
    "shipped_orders",
    "shown_value",
    "stages",
    "to_api",
    "value_of",
    "with_family",
]
