"""The HTTP API: FastAPI over the same operations as the pages, for programs with tokens."""

from .app import make_app, make_bare_app
from .problems import ProblemShape

__all__ = ["ProblemShape", "make_app", "make_bare_app"]
